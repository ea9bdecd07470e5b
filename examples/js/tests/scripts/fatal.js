// Ends with 1, and the listener of 'exit' still runs.
'use strict';
process.on('exit', (code) => console.log('exit', code));
setImmediate(() => console.log('never'));
Promise.reject(new Error('nobody handles this'));
