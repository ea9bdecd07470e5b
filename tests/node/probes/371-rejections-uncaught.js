// Two rejections without a listener for them: both are uncaught errors of the same round, and what the
// listener for these queues runs after it.
process.on('uncaughtException', (e, origin) => {
  console.log('uncaught', e.message, origin);
  process.nextTick(() => console.log('tick'));
});
Promise.reject(new Error('a'));
Promise.reject(new Error('b'));
setImmediate(() => console.log('immediate'));
