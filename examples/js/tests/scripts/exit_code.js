// process.exit in the middle: only the listeners of 'exit' run.
'use strict';
const { EventEmitter } = require('node:events');
console.log(process instanceof EventEmitter, process.argv.length, typeof process.pid, process.version.startsWith('v20'));
process.on('exit', (code) => {
  console.log('exit', code);
  process.exitCode = 9;
  setTimeout(() => console.log('never'), 0);
  process.nextTick(() => console.log('never'));
});
process.nextTick(() => {
  console.log('tick');
  process.exit(5);
});
Promise.resolve().then(() => console.log('never'));
