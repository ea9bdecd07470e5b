// R3: the loop tests whether it is alive before the first timers phase and not again after it,
// so the first turn comes even if that phase has run the last thing that kept the loop alive.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => console.log('timer'), 20);
setImmediate(() => {
  console.log('unref immediate');
  setImmediate(() => console.log('next unref immediate')).unref();
}).unref();
process.once('beforeExit', () => {
  console.log('beforeExit');
  setTimeout(() => console.log('timer again'), 5);
  setImmediate(() => console.log('unref immediate again')).unref();
  wait(20);
});
process.on('exit', () => console.log('exit'));
wait(50);
