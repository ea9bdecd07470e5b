// As 118, but the timer is armed by the callback of A, before and after blocking.
// Armed after: the clock has been read past the due time of B, and the loop timer
// is set to that reading plus 1: B waits for the next timers phase.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  console.log('A');
  setImmediate(() => console.log('immediate 1'));
  setTimeout(() => {}, 100);
  wait(60);
  setTimeout(() => {}, 100);
  process.nextTick(() => console.log('tick 1'));
}, 20);
setTimeout(() => console.log('B'), 50);
// The last drain itself blocks and then arms: B2 runs before the immediate.
setTimeout(() => {
  setTimeout(() => {
    console.log('A2');
    setImmediate(() => console.log('immediate 2'));
    queueMicrotask(() => { console.log('micro 2'); wait(60); setTimeout(() => {}, 100); });
  }, 20);
  setTimeout(() => console.log('B2'), 50);
}, 300);
