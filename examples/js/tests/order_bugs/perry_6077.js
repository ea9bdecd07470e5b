// PerryTS/perry 6077: a rejection is reported at the end of the drain, so a handler that a timer adds is too late.
'use strict';
const rejected = Promise.reject(new Error('no'));
const handledInTime = Promise.reject(new Error('handled in time'));
process.nextTick(() => handledInTime.catch(() => console.log('handled in time')));
setTimeout(() => rejected.catch(() => console.log('handled too late')), 10);
process.on('exit', (code) => console.log('exit', code));
