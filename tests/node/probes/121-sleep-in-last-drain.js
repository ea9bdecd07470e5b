// timers/promises reads the clock just as setTimeout does: as 118, with a sleep.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const { setTimeout: sleep } = require('timers/promises');
setTimeout(() => {
  console.log('A');
  setImmediate(() => console.log('immediate'));
  wait(60);
  queueMicrotask(async () => { console.log('micro'); await sleep(100); console.log('slept'); });
}, 20);
setTimeout(() => console.log('B'), 50);
