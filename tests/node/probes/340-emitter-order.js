// The listeners of an event run in their order, on the stack of `emit`. `prependListener` puts one
// before all others. `emit` returns whether there was a listener. What listeners add or remove during
// an emit has an effect on the next one only.
const { EventEmitter } = require('events');
const ee = new EventEmitter();
const log = (line) => () => console.log(line);
console.log(`nobody: ${ee.emit('x')}`);
ee.on('x', log('a'));
ee.prependListener('x', log('b'));
ee.on('x', log('c'));
ee.prependListener('x', log('d'));
console.log('before');
console.log(`after: ${ee.emit('x')}`);
process.nextTick(log('tick'));

const removed = log('removed by the first, still called');
const own = () => {
  console.log('removes itself, still called');
  ee.removeListener('y', own);
};
ee.on('y', function first() {
  console.log('first');
  ee.removeListener('y', first);
  ee.removeListener('y', removed);
  ee.on('y', log('added'));
  ee.prependListener('y', log('added before'));
});
ee.on('y', removed);
ee.on('y', own);
ee.emit('y');
console.log('again');
ee.emit('y');
console.log(`listeners: ${ee.listenerCount('y')}`);
