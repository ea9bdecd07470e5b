// The same with B unref'd: its clearing leaves the list, and the new timer is
// appended to it. It is not due, so the list gets a new expiry.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  console.log('A');
  process.nextTick(() => {
    clearTimeout(b);
    setTimeout(() => console.log('new one of that duration'), 100);
    setTimeout(() => console.log('X'), 50);
  });
}, 100);
const b = setTimeout(() => console.log('never'), 100).unref();
setTimeout(() => console.log('Y, overdue too'), 120);
setImmediate(() => console.log('immediate'));
wait(160);
