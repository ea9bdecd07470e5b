// oven-sh/bun 33088: a tick that a microtask queues waits until the microtask queue is empty.
'use strict';
const seen = [];
Promise.resolve().then(() => {
  seen.push('microtask 1');
  process.nextTick(() => seen.push('tick'));
});
Promise.resolve().then(() => seen.push('microtask 2'));
queueMicrotask(() => {
  seen.push('microtask 3');
  queueMicrotask(() => seen.push('microtask of 3'));
});
setTimeout(() => console.log(seen), 10);
