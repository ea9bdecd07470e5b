// B throws, and the only immediate after it in the snapshot has been cleared: then
// B counts as the last, and the new immediates run in the same check phase, ahead of
// the drain and of the timer.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
setImmediate(() => {
  console.log('A');
  clearImmediate(c);
  setImmediate(() => console.log('new'));
  setTimeout(() => console.log('timer'), 1);
  wait(30);
});
setImmediate(() => { process.nextTick(() => console.log('tick of B')); throw 'B'; });
const c = setImmediate(() => console.log('never'));
