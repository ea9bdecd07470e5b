// A listener that throws ends the emit: the rest is not called, and the error leaves `emit`. A `once`
// listener that throws has been removed.
const { EventEmitter } = require('events');
const ee = new EventEmitter();
ee.on('x', () => console.log('first'));
ee.once('x', () => {
  console.log('second throws');
  throw new Error('second');
});
ee.on('x', () => console.log('third'));
try {
  ee.emit('x');
} catch (error) {
  console.log(`caught ${error.message}`);
}
console.log('again');
ee.emit('x');

process.on('uncaughtException', (error) => console.log(`uncaught ${error.message}`));
setImmediate(() => {
  process.nextTick(() => console.log('tick'));
  ee.on('x', () => { throw new Error('fourth'); });
  ee.emit('x');
});
setImmediate(() => console.log('next immediate'));
