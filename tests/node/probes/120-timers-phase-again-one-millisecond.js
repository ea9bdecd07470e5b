// A timer of 1 ms armed by the last drain of the timers phase, before the drain
// blocks: nothing reads the clock afterwards, so the immediate is first. If another
// timer is armed after the blocking, the timer of 1 ms runs in the same phase,
// first: R25 does not hold for the last drain.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  setImmediate(() => console.log('immediate 1'));
  process.nextTick(() => { setTimeout(() => console.log('timer 1'), 1); wait(30); });
}, 20);
setTimeout(() => {
  setImmediate(() => console.log('immediate 2'));
  process.nextTick(() => { setTimeout(() => console.log('timer 2'), 1); wait(30); setTimeout(() => {}, 10); });
}, 100);
