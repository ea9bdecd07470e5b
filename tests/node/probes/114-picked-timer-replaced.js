// A and B make one list. The drain between them clears B, which is picked already,
// and arms a new timer of the same duration. B was the last of its list, so that
// list is gone and the new timer has another list of the same duration, which must
// not be taken for the old one when that turns out to be empty.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  console.log('A');
  process.nextTick(() => {
    clearTimeout(b);
    setTimeout(() => console.log('new one of that duration'), 100);
    setTimeout(() => console.log('X'), 50);
  });
}, 100);
const b = setTimeout(() => console.log('never'), 100);
setTimeout(() => console.log('Y, overdue too'), 120);
setImmediate(() => console.log('immediate'));
wait(160);
