// For an error of a microtask: the listener's microtask goes to the end of the
// queue that is being run, its tick comes after the microtasks, in the same drain.
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  process.nextTick(() => console.log('tick of listener'));
  queueMicrotask(() => console.log('micro of listener'));
});
queueMicrotask(() => { throw 'm1'; });
queueMicrotask(() => console.log('m2'));
setImmediate(() => console.log('immediate'));
