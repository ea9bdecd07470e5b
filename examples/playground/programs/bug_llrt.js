// An order bug: timers that are all overdue
// Another runtime has run them in the order in which they were set, instead of the order of their times.
const blockFor = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

setTimeout(() => console.log('timer of 100 ms'), 100);
setTimeout(() => console.log('timer of 50 ms'), 50);
setTimeout(() => console.log('timer of 0 ms'), 0);
setImmediate(() => console.log('immediate'));
blockFor(150);
