// A clears itself and throws. It was the only one of its list, so the clearing
// removes the list, though A has been taken out of it already: no visit, and B
// follows without a drain.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
const a = setTimeout(() => {
  process.nextTick(() => console.log('tick of A'));
  clearTimeout(a);
  throw 'A';
}, 20);
setTimeout(() => console.log('B'), 50);
wait(100);
