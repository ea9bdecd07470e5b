// `newListener` is emitted before the listener is added, `removeListener` after it was removed.
// `removeAllListeners` removes from the last to the first, and `removeListener` itself at the end.
const { EventEmitter } = require('events');
const ee = new EventEmitter();
const listener = () => console.log('listener');
ee.on('newListener', (name) => console.log(`new ${name}, ${ee.listenerCount(name)}`));
ee.on('newListener', () => console.log('new, second'));
ee.on('removeListener', (name) => console.log(`removed ${name}, ${ee.listenerCount(name)}`));
ee.once('newListener', (name) => {
  if (name !== 'x') return;
  ee.on('x', () => console.log('added by newListener'));
});
console.log('adds x');
ee.on('x', listener);
ee.emit('x');
console.log('removes x');
ee.removeListener('x', listener);
console.log('once');
ee.once('y', listener);
ee.emit('y');
console.log('all of x');
ee.on('x', listener);
ee.removeAllListeners('x');
console.log('all');
ee.on('z', listener);
ee.on('z', listener);
ee.removeAllListeners();
console.log(`names: ${ee.eventNames().length}`);
