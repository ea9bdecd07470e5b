// `captureRejections`: the rejection of an async listener is emitted as `error`, in a tick, a turn
// after it. Without a listener for `error` it is an uncaught exception.
const { EventEmitter } = require('events');
const ee = new EventEmitter({ captureRejections: true });
const count = (name) => {
  let chain = Promise.resolve();
  for (let turn = 1; turn <= 3; turn += 1) chain = chain.then(() => console.log(`${name} ${turn}`));
};
process.on('uncaughtException', (error) => console.log(`uncaught ${error.message}`));
ee.on('x', async (value) => {
  console.log(`starts ${value}`);
  await null;
  console.log(`fails ${value}`);
  throw new Error(value);
});
ee.on('x', () => console.log('second'));
ee.on('error', (error) => console.log(`error ${error.message}`));
setImmediate(() => {
  console.log(ee.emit('x', 'first'));
  count('turn');
  queueMicrotask(() => process.nextTick(() => console.log('tick')));
});
setImmediate(() => {
  console.log('without a listener');
  ee.removeAllListeners('error');
  ee.emit('x', 'second');
});
