// For an error of a poll callback: the same, past the next completion of the poll
// phase; after the last completion, the opening of the check phase drains.
const fs = require('fs');
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  process.nextTick(() => console.log('tick of listener for ' + e));
  queueMicrotask(() => console.log('micro of listener for ' + e));
});
fs.stat('.', () => { process.nextTick(() => console.log('tick of A')); throw 'A'; });
wait(30);
fs.stat('.', () => console.log('B'));
wait(30);
fs.stat('.', () => { process.nextTick(() => console.log('tick of C')); setImmediate(() => console.log('immediate')); throw 'C'; });
wait(30);
