// R56: what the last timer queued before it threw is drained at the end of the timers phase, and
// not only when the check phase opens.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
require('fs').stat('.', () => console.log('poll'));
setTimeout(() => {
  process.nextTick(() => console.log('tick of A'));
  throw 'A';
}, 20);
wait(60);
