// R64: a signal is a macrotask of the poll phase, which calls all of its listeners.
process.on('SIGUSR2', () => {
  console.log('first');
  process.nextTick(() => console.log('tick'));
  Promise.resolve().then(() => console.log('micro'));
});
process.on('SIGUSR2', () => console.log('second'));
process.kill(process.pid, 'SIGUSR2');
process.kill(process.pid, 'SIGUSR2');
setImmediate(() => console.log('immediate'));
