// A throws, after it has cleared A2, the last of its list, and after A was taken
// out: the list is gone, so it is not visited again, and B follows without a drain.
// With A2 unref'd the empty list stays, is visited, and the drain comes first.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
function round(unref) {
  setTimeout(() => {
    process.nextTick(() => console.log('tick of A'));
    clearTimeout(second);
    throw 'A';
  }, 40);
  const second = setTimeout(() => console.log('never'), 40);
  if (unref) second.unref();
  setTimeout(() => console.log('B'), 60);
  wait(100);
}
round(false);
setTimeout(() => round(true), 200);
