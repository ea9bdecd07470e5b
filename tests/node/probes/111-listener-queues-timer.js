// For an error of a timer: what the listener queued waits with what the timer had
// queued, past the next timer, which follows without a drain. If the timer was the
// last of the phase, the drain at the end of the phase runs it.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  process.nextTick(() => console.log('tick of listener for ' + e));
  queueMicrotask(() => console.log('micro of listener for ' + e));
});
setTimeout(() => { process.nextTick(() => console.log('tick of A')); throw 'A'; }, 20);
setTimeout(() => console.log('B'), 20);
setTimeout(() => { process.nextTick(() => console.log('tick of C')); throw 'C'; }, 40);
setImmediate(() => console.log('immediate'));
wait(80);
