// R34: the drain between two lists comes before the first timer of the next one is picked, so a
// refresh in it counts: that timer is not due any more.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  console.log('A');
  process.nextTick(() => { console.log('tick'); b.refresh(); });
  setImmediate(() => console.log('immediate'));
}, 20);
const b = setTimeout(() => console.log('B'), 100);
setTimeout(() => console.log('C'), 100);
wait(150);
