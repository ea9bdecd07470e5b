// R37, R55: the snapshot is taken after the drain that opens the check phase, so an immediate that
// this drain makes belongs to it.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
require('fs').stat('.', () => {
  console.log('poll');
  setTimeout(() => console.log('timer'), 1);
  process.nextTick(() => { console.log('tick'); setImmediate(() => console.log('immediate')); });
  wait(20);
  throw 'x';
});
