// For an error of an immediate: the same, past the next immediate.
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  process.nextTick(() => console.log('tick of listener for ' + e));
  queueMicrotask(() => console.log('micro of listener for ' + e));
});
setImmediate(() => { process.nextTick(() => console.log('tick of A')); throw 'A'; });
setImmediate(() => console.log('B'));
setImmediate(() => console.log('C'));
setImmediate(() => { process.nextTick(() => console.log('tick of D')); throw 'D'; });
