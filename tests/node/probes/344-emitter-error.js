// `error` without a listener throws in the caller. The listeners of `errorMonitor` come first, and do
// not count as listeners of `error`.
const { EventEmitter, errorMonitor } = require('events');
const ee = new EventEmitter();
const emit = (text) => {
  try {
    console.log(`${text}: ${ee.emit('error', new Error(text))}`);
  } catch (error) {
    console.log(`thrown: ${error.message}`);
  }
};
emit('nobody');
ee.on(errorMonitor, (error) => console.log(`monitor ${error.message}`));
emit('monitored');
ee.once('error', (error) => console.log(`handled ${error.message}`));
emit('listened');
emit('nobody again');
process.on('uncaughtException', (error) => console.log(`uncaught ${error.message}`));
setImmediate(() => {
  process.nextTick(() => console.log('tick'));
  ee.emit('error', new Error('in a callback'));
});
