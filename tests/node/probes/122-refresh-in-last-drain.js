// So does refresh(): as 118.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const other = setTimeout(() => console.log('other'), 200);
setTimeout(() => {
  console.log('A');
  setImmediate(() => console.log('immediate'));
  wait(60);
  process.nextTick(() => { console.log('tick'); other.refresh(); });
}, 20);
setTimeout(() => console.log('B'), 50);
