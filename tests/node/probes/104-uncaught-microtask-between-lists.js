// A microtask that throws in the drain between two lists does not end that drain.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => { console.log('uncaught', e); process.nextTick(() => console.log('tick of listener')); });
setTimeout(() => {
  console.log('A');
  queueMicrotask(() => { throw 'micro 1'; });
  queueMicrotask(() => console.log('micro 2'));
}, 20);
setTimeout(() => console.log('B'), 40);
wait(100);
