// _repeat set by the callback of a timeout makes it an interval, whose period begins when the callback
// returns. One that is changed later applies from the next call on, and begins with the call.
const begin = performance.now();
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
let n = 0;
const timer = setTimeout(() => {
  const time = Math.round((performance.now() - begin) / 50) * 50;
  console.log('call', ++n, time);
  if (n === 1) timer._repeat = 100;
  if (n === 3) timer._repeat = 200;
  if (n === 5) timer._repeat = null;
  wait(50);
}, 100);
