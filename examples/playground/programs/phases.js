// One turn: a line from each queue and phase
function blockFor(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

setTimeout(() => {
  console.log('timers: the callback itself');
  setTimeout(() => console.log('timers: the end of the turn'), 1);
  setImmediate(() => console.log('check: after the poll phase'));
  queueMicrotask(() => console.log('microtask: after all ticks'));
  process.nextTick(() => console.log('tick: after the callback'));
  blockFor(5); // the timer is due when the turn ends
}, 10);
