// Native code that calls back before it returns opens a callback scope within that of the main script,
// which drains nothing.
const { Session } = require('inspector');
const session = new Session();
session.connect();
session.post('Runtime.evaluate', { expression: '1' }, () => {
  console.log('nested');
  process.nextTick(() => console.log('tick of nested'));
  queueMicrotask(() => console.log('micro of nested'));
});
console.log('after nested');
process.nextTick(() => console.log('tick'));
setImmediate(() => { console.log('immediate'); session.disconnect(); });
