// R64: all listeners of a signal run in the context in which the first one was added.
const { AsyncLocalStorage } = require('async_hooks');
const storage = new AsyncLocalStorage();
storage.run('one', () => process.on('SIGUSR2', () => {
  console.log('first', storage.getStore());
}));
storage.run('two', () => process.on('SIGUSR2', () => {
  console.log('second', storage.getStore());
}));
process.kill(process.pid, 'SIGUSR2');
setImmediate(() => console.log('immediate', storage.getStore()));
