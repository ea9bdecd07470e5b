// An interval that takes longer than its period
let count = 0;
const blockFor = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const interval = setInterval(() => {
  count += 1;
  console.log(`interval ${count}`);
  blockFor(150); // its next time is measured from its start
  if (count === 3) clearInterval(interval);
}, 100);
setTimeout(() => console.log('a timeout in between'), 320);
