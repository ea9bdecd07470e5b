// R20: a warning is emitted by a tick, in the context of the code that caused it.
const { AsyncLocalStorage } = require('node:async_hooks');
process.removeAllListeners('warning'); // it prints
const store = new AsyncLocalStorage();
process.on('warning', (warning) => {
  const { name, message, code, detail } = warning;
  console.log(store.getStore() ?? 0, name, code ?? '-', detail ?? '-');
  for (const line of message.split('\n')) console.log(line);
  if (message === 'outer') process.emitWarning('nested');
});

process.nextTick(() => console.log('tick before'));
queueMicrotask(() => console.log('microtask'));
store.run(1, () => process.emitWarning('outer'));
store.run(2, () => setTimeout(() => console.log('timeout'), 2 ** 31));
setInterval(() => {}, 2 ** 31 - 0.5).unref();
process.emitWarning('all', { type: 'Typed', code: 'C1', detail: 'more' });
process.nextTick(() => console.log('tick after'));
console.log('main ends');
process.on('exit', () => {
  console.log('exit');
  process.emitWarning('lost');
});
