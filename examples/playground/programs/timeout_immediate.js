// setTimeout 0 against setImmediate
const blockFor = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

// In the main script it depends on whether a millisecond has passed when the loop starts.
setTimeout(() => console.log('timeout of the script'), 0);
setImmediate(() => {
  console.log('immediate of the script');
  // In a later phase the order is fixed: from check, the timers come before the next immediates.
  setTimeout(() => console.log('timeout of the immediate'), 0);
  setImmediate(() => console.log('immediate of the immediate'));
  blockFor(2);
});
blockFor(2);
