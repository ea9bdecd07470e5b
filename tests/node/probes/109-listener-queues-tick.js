// For an error of a tick: nothing runs before the next drain point; then what the
// listener queued comes after what was left. Here that is the opening of the
// check phase, and in the second half the drain after the next timer.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  process.nextTick(() => console.log('tick of listener'));
  queueMicrotask(() => console.log('micro of listener'));
});
process.nextTick(() => { throw 'tick 1'; });
process.nextTick(() => console.log('tick 2'));
queueMicrotask(() => console.log('micro'));
setImmediate(() => {
  console.log('immediate');
  setTimeout(() => { console.log('A'); process.nextTick(() => { throw 'tick 3'; }); process.nextTick(() => console.log('tick 4')); }, 20);
  setTimeout(() => console.log('B'), 40);
  wait(80);
});
