// R34: the timer was picked before the drain that refreshes it, so it runs now, before the one
// after it, and once; the refresh is lost.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  console.log('A');
  process.nextTick(() => { console.log('tick'); b.refresh(); });
  setImmediate(() => console.log('immediate'));
}, 20);
const b = setTimeout(() => console.log('B'), 20);
setTimeout(() => console.log('C'), 20);
setTimeout(() => console.log('end'), 200);
wait(60);
