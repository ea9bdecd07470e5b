// Errors that nothing catches, and rejections that nothing handles.
'use strict';
const log = (...values) => console.log(...values);

process.on('uncaughtException', (error, origin) => log('uncaught', error?.message ?? error, origin));
process.on('unhandledRejection', (reason, promise) => log('unhandled', reason?.message ?? reason, promise instanceof Promise));
process.on('rejectionHandled', (promise) => log('handled late', promise instanceof Promise));
process.on('warning', (warning) => log('warning', warning.name, warning.message));
process.on('beforeExit', (code) => log('beforeExit', code));
process.on('exit', (code) => log('exit', code, process.exitCode));

setTimeout(() => { throw new Error('in a timer'); }, 1);
setImmediate(() => { throw new Error('in an immediate'); });
setImmediate(() => log('next immediate'));
process.nextTick(() => { throw 'in a tick'; });
process.nextTick(() => log('next tick'));
queueMicrotask(() => { throw new TypeError('in a microtask'); });
queueMicrotask(() => log('next microtask'));
require('fs').stat(__filename, () => { throw new Error('in a completion'); });

const late = Promise.reject(new Error('late'));
Promise.reject('plain');
Promise.reject(new Error('caught in time')).catch(() => log('in time'));
(async () => { throw new RangeError('async'); })();
setTimeout(() => late.catch((error) => log('caught', error.message)), 20);
setTimeout(() => {
  process.emitWarning('careful', 'CustomWarning', 'C001');
  process.exitCode = 3;
}, 40);
log('main');
throw new Error('in the main script');
