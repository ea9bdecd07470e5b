// The timers phase can be run twice in a row, with no poll and no check phase in
// between. B becomes due while A blocks the thread; the phase is over; its last
// drain arms a timer, and that reads the clock. So the loop timer, set to the due
// time of B, is found to be due before the loop goes on: B runs ahead of the
// immediate. (See 36, where no one reads the clock in the last drain.)
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  console.log('A');
  setImmediate(() => console.log('immediate'));
  wait(60);
  process.nextTick(() => { console.log('tick'); setTimeout(() => console.log('C'), 100); });
}, 20);
setTimeout(() => console.log('B'), 50);
