// R53: a warning is a tick, so a listener that throws ends the drain.
process.removeAllListeners('warning');
process.on('uncaughtException', (error) => console.log('uncaught', error));
process.on('warning', ({ message }) => {
  console.log('first', message);
  if (message === 'a') throw 1;
});
process.on('warning', ({ message }) => console.log('second', message));
process.emitWarning('a');
process.emitWarning('b');
queueMicrotask(() => console.log('microtask'));
setImmediate(() => console.log('immediate'));
