// The first of two immediates throws: the listener's immediate waits for the next
// check phase, after the timer that is due.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  setImmediate(() => console.log('immediate of listener'));
});
setImmediate(() => { setTimeout(() => console.log('timer'), 1); wait(30); throw 'A'; });
setImmediate(() => console.log('B'));
