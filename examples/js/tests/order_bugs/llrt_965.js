// awslabs/llrt 965: the main script blocks until all timers are due.
'use strict';
const blockFor = (ms) => {
  const started = Date.now();
  while (Date.now() < started + ms);
};
setTimeout(() => console.log('timer of 100 ms'), 100);
setTimeout(() => console.log('timer of 50 ms'), 50);
setTimeout(() => console.log('timer of 0 ms'), 0);
setImmediate(() => console.log('immediate'));
queueMicrotask(() => console.log('microtask'));
blockFor(200);
console.log('end of main');
