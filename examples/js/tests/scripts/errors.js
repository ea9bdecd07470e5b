// Errors that nothing catches, and rejections that nothing handles.
'use strict';
const log = (...values) => console.log(...values);

process.on('uncaughtException', (error, origin) => log('uncaught', error?.message ?? error, origin));
let unhandled = 0;
process.on('unhandledRejection', (reason, promise) => {
  log('unhandled', reason?.message ?? reason, promise instanceof Promise);
  unhandled += 1;
  if (unhandled === 3) setTimeout(later, 1);
});
process.on('rejectionHandled', (promise) => log('handled late', promise instanceof Promise));
process.on('warning', (warning) => log('warning', warning.name, warning.message));
process.on('beforeExit', (code) => log('beforeExit', code));
process.on('exit', (code) => log('exit', code, process.exitCode));

process.nextTick(() => { throw 'in a tick'; });
process.nextTick(() => log('next tick'));
queueMicrotask(() => { throw new TypeError('in a microtask'); });
queueMicrotask(() => log('next microtask'));

// One after the other, so that nothing depends on the machine's speed.
function later() {
  require('fs').stat(__filename, () => {
    setImmediate(() => { throw new Error('in an immediate'); });
    setImmediate(() => {
      log('next immediate');
      setTimeout(ending, 1);
    });
    throw new Error('in a completion');
  });
  throw new Error('in a timer');
}

const late = Promise.reject(new Error('late'));
Promise.reject('plain');
Promise.reject(new Error('caught in time')).catch(() => log('in time'));
(async () => { throw new RangeError('async'); })();

function ending() {
  late.catch((error) => log('caught', error.message));
  setTimeout(() => {
    process.emitWarning('careful', 'CustomWarning', 'C001');
    process.exitCode = 3;
  }, 1);
}
log('main');
throw new Error('in the main script');
