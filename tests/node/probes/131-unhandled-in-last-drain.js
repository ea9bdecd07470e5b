// Rejections reported between two timers of one list, and a listener that queues
// ticks: all of it comes before the second timer.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('unhandledRejection', (reason) => {
  console.log('unhandled', reason);
  if (reason < 3) Promise.reject(reason + 2);
  process.nextTick(() => console.log('tick of', reason));
});
setTimeout(() => { console.log('A'); Promise.reject(1); Promise.reject(2); }, 20);
setTimeout(() => console.log('B'), 20);
wait(50);
