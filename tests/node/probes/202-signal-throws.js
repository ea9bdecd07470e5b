// R64, R51, R55: a listener that throws ends its macrotask; there is no drain after it.
process.on('uncaughtException', (error) => console.log('uncaught', error));
process.on('SIGUSR2', () => {
  console.log('first');
  process.nextTick(() => console.log('tick'));
  throw 'error';
});
process.on('SIGUSR2', () => console.log('second'));
process.kill(process.pid, 'SIGUSR2');
process.kill(process.pid, 'SIGUSR2');
setImmediate(() => console.log('immediate'));
