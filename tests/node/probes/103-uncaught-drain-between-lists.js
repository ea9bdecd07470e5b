// The drain between two lists throws (a tick): the rest of the ticks and the
// microtasks stay, the next list's timer follows at once, the rest is drained
// after it.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
setTimeout(() => {
  console.log('A');
  process.nextTick(() => { throw 'tick 1'; });
  process.nextTick(() => console.log('tick 2'));
  queueMicrotask(() => console.log('micro'));
}, 20);
setTimeout(() => console.log('B'), 40);
setTimeout(() => console.log('C'), 60);
wait(100);
