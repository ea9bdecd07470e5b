// Two overdue timers of different lists; the first, alone in its list, queues a
// tick and a microtask and throws. The drain comes *before* the timer of the second
// list: the phase is started over, and the emptied list is still the first one; it
// is visited and removed, and between two lists there is a drain. (Within one list
// there is none: 77.)
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
setTimeout(() => {
  process.nextTick(() => console.log('tick of A'));
  queueMicrotask(() => console.log('micro of A'));
  throw 'A';
}, 20);
setTimeout(() => console.log('B'), 40);
setTimeout(() => console.log('C'), 60);
wait(100);
