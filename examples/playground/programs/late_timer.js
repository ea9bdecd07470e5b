// A delay is a lower bound: a late timer
function operation(callback) {
  setTimeout(callback, 95); // such as a file that is read in 95 ms
}

const scheduled = performance.now();
setTimeout(() => {
  const late = performance.now() - scheduled >= 104;
  console.log(`at least 104 ms have passed since I was scheduled: ${late}`);
}, 100);

operation(() => {
  console.log('the operation blocks the loop for 10 ms');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
});
