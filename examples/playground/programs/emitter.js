// An event emitter calls its listeners at once
const { EventEmitter } = require('node:events');
const emitter = new EventEmitter();

emitter.on('order', (dish) => console.log(`cook: ${dish}`));
emitter.on('order', async (dish) => {
  await null;
  console.log(`waiter, after a microtask: ${dish}`);
});
emitter.once('order', () => process.nextTick(() => console.log('tick: the first order')));

emitter.emit('order', 'soup');
emitter.emit('order', 'cake');
console.log('both orders were emitted');
