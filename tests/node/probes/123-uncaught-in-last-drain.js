// The drain at the end of the timers phase throws: what is left waits for the
// opening of the check phase; with the phase run again (118) it is drained after
// the timer of that.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
setTimeout(() => {
  console.log('A');
  setImmediate(() => console.log('immediate 1'));
  process.nextTick(() => { throw 'tick 1'; });
  process.nextTick(() => console.log('tick 2'));
}, 20);
setTimeout(() => {
  console.log('B');
  setImmediate(() => console.log('immediate 2'));
  wait(60);
  process.nextTick(() => { setTimeout(() => {}, 100); throw 'tick 3'; });
  process.nextTick(() => console.log('tick 4'));
}, 100);
setTimeout(() => console.log('C'), 130);
