// A `once` listener is removed before it is called, so an emit inside of it does not call it again. An
// outer emit that has it in its list skips it if an inner emit has called it, and calls it if it was
// only removed.
const { EventEmitter } = require('events');
const ee = new EventEmitter();
ee.once('x', () => {
  console.log(`once, ${ee.listenerCount('x')} left`);
  console.log(`inner: ${ee.emit('x')}`);
});
console.log(`outer: ${ee.emit('x')}`);
console.log(`later: ${ee.emit('x')}`);

let depth = 0;
ee.on('y', () => {
  if (depth++ > 0) return console.log('inner emit');
  console.log('outer emit');
  ee.emit('y');
});
ee.once('y', () => console.log('once, called by the inner emit'));
ee.on('y', () => console.log('last'));
ee.emit('y');

const removed = () => console.log('once, removed, still called');
ee.on('z', () => ee.removeListener('z', removed));
ee.once('z', removed);
ee.prependOnceListener('z', () => console.log('prepended once'));
ee.emit('z');
console.log(`left: ${ee.listenerCount('z')}`);
