// The same with an interval as the timer that throws: it is armed again after its
// call, so its list is not empty, but not due either. It is visited first, and the
// drain comes before the timer of the second list.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
let calls = 0;
const interval = setInterval(() => {
  calls += 1;
  if (calls === 2) clearInterval(interval);
  process.nextTick(() => console.log('tick of call ' + calls));
  throw 'call ' + calls;
}, 20);
setTimeout(() => console.log('B'), 40);
setImmediate(() => console.log('immediate'));
wait(100);
