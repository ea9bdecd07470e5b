// An order bug: microtasks between two timers
// Other runtimes have run both timers before the microtasks of the first.
setTimeout(() => {
  console.log('timer 1');
  queueMicrotask(() => console.log('microtask of timer 1'));
  process.nextTick(() => console.log('tick of timer 1'));
}, 5);
setTimeout(() => console.log('timer 2'), 5);
