// What the uncaughtException listener queues for an error of the main script runs
// in the drain after the main script, after what the script had queued.
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  process.nextTick(() => console.log('tick of listener'));
  queueMicrotask(() => console.log('micro of listener'));
});
process.nextTick(() => console.log('tick'));
queueMicrotask(() => console.log('micro'));
setImmediate(() => console.log('immediate'));
throw 'main';
