// What a task queues after its immediate: the microtasks run in the same drain, before the tick.
const { setImmediate: yieldNow } = require('timers/promises');
let resolve;
const promise = new Promise((r) => { resolve = r; });
(async () => {
  await yieldNow();
  console.log('resumed');
  process.nextTick(() => console.log('tick'));
  resolve();
  queueMicrotask(() => console.log('microtask'));
})();
(async () => {
  await promise;
  console.log('other');
})();
setImmediate(() => console.log('next'));
