// A throws while B is still to come: B follows without a drain. The tick of A runs
// after B and clears C, the last: the snapshot ends, and the new immediate waits for
// the next check phase, after the timer.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
setImmediate(() => {
  process.nextTick(() => { console.log('tick of A'); clearImmediate(c); });
  setImmediate(() => console.log('new'));
  setTimeout(() => console.log('timer'), 1);
  wait(30);
  throw 'A';
});
setImmediate(() => console.log('B'));
const c = setImmediate(() => console.log('never'));
