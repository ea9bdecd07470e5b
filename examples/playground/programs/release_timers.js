// Node 20 and 22 differ: a timer that a drain made due
// Change the release above. B becomes due while A blocks. The last drain of the phase arms C. In Node 20,
// B runs in the same phase; since Node 22 the loop goes on first, and the immediate comes before B.
const blockFor = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

setTimeout(() => {
  console.log('A');
  setImmediate(() => console.log('immediate'));
  blockFor(60);
  process.nextTick(() => {
    console.log('tick');
    setTimeout(() => console.log('C'), 100);
  });
}, 20);
setTimeout(() => console.log('B'), 50);
