// PerryTS/perry 3870: the microtasks of a timer's callback run before the next timer.
'use strict';
const seen = [];
const armed = performance.now();
setTimeout(() => {
  seen.push('timer 1');
  queueMicrotask(() => seen.push('microtask of timer 1'));
  process.nextTick(() => seen.push('tick of timer 1'));
  setTimeout(() => {
    seen.push('timer of timer 1');
    console.log(seen);
  }, 0);
}, 0);
setTimeout(() => seen.push('timer 2'), 0);
Promise.resolve().then(() => seen.push('microtask of main'));
while (performance.now() < armed + 3);
