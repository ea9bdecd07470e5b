// An uncaught error, with and without a listener
process.once('uncaughtException', (error) => console.log(`listener: ${error.message}`));

setTimeout(() => {
  process.nextTick(() => console.log('tick after the first error'));
  throw new Error('the first');
}, 10);
setTimeout(() => { throw new Error('the second'); }, 20);
setTimeout(() => console.log('this is never printed'), 30);
process.on('exit', (code) => console.log(`exit: ${code}`));
