// The last immediate of the snapshot throws and the uncaughtException listener
// queues an immediate: it runs in the same check phase, before any timer, and
// after the immediates queued by the snapshot; an immediate that such an immediate
// queues waits for the next check phase.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  setImmediate(() => { console.log('immediate of listener'); setImmediate(() => console.log('next check')); });
});
setImmediate(() => {
  setTimeout(() => console.log('timer'), 1);
  setImmediate(() => console.log('immediate of A'));
  process.nextTick(() => console.log('tick of A'));
  wait(30);
  throw 'A';
});
