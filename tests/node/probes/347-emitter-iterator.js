// `events.on`: an iterator over the events. Each one costs a turn, whether it was queued or not. An
// `error` comes after the queued events, and ends it. `return` removes the listeners.
const { EventEmitter, on } = require('events');
const count = (name) => {
  let chain = Promise.resolve();
  for (let turn = 1; turn <= 5; turn += 1) chain = chain.then(() => console.log(`${name} ${turn}`));
};
const ee = new EventEmitter();
const listeners = () => `${ee.listenerCount('x')} ${ee.listenerCount('error')}`;
async function read(name) {
  try {
    for await (const [value] of on(ee, 'x')) {
      console.log(`${name}: ${value}`);
      if (value === 'break') break;
    }
    console.log(`${name} ends`);
  } catch (error) {
    console.log(`${name} failed: ${error.message}`);
  }
  console.log(`${name} left: ${listeners()}`);
}
read('queued');
console.log(`listening: ${listeners()}`);
count('queued');
ee.emit('x', 1);
ee.emit('x', 2);
ee.emit('x', 3);
// Each step after this number of check phases.
const after = (checks, step) => setImmediate(checks > 1 ? () => after(checks - 1, step) : step);
after(1, () => {
  count('waiting');
  ee.emit('x', 4);
  process.nextTick(() => ee.emit('x', 5));
  queueMicrotask(() => ee.emit('x', 'break'));
});
after(2, () => {
  read('error');
  ee.emit('x', 6);
  ee.emit('x', 7);
  ee.emit('error', new Error('broken'));
  ee.emit('x', 'not seen');
});
after(3, () => read('error while it waits'));
after(4, () => {
  count('error');
  ee.emit('error', new Error('broken'));
});
