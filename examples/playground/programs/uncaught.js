// An uncaught error, with and without a listener
process.once('uncaughtException', (error) => console.log(`listener: ${error.message}`));

setTimeout(() => {
  process.nextTick(() => console.log('tick after the first error'));
  throw new Error('the first');
}, 50);
setTimeout(() => { throw new Error('the second'); }, 150);
setTimeout(() => console.log('this is never printed'), 300);
process.on('exit', (code) => console.log(`exit: ${code}`));
