// The drain between A and B, of one list, clears B, the last, and throws: the list
// is gone, and C, of another list, follows without a drain. With B unref'd the
// empty list stays, and what was left is drained before C.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
function round(unref) {
  setTimeout(() => {
    console.log('A');
    process.nextTick(() => { clearTimeout(b); throw 'tick 1'; });
    process.nextTick(() => console.log('tick 2'));
  }, 40);
  const b = setTimeout(() => console.log('never'), 40);
  if (unref) b.unref();
  setTimeout(() => console.log('C'), 60);
  wait(100);
}
round(false);
setTimeout(() => round(true), 200);
