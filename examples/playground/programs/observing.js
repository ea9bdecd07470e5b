// A slow callback, and who is late because of it
const blockFor = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

setTimeout(() => {
  console.log('slow: begins');
  blockFor(450);
  console.log('slow: ends, 450 ms later');
}, 100);

let due = performance.now() + 200;
let beats = 0;
const heart = setInterval(() => {
  beats += 1;
  const isLate = performance.now() - due > 100;
  console.log(`heart: beat ${beats}${isLate ? ' is late' : ''}`);
  due = performance.now() + 200;
  if (beats === 4) clearInterval(heart);
}, 200);
