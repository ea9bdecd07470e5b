// The drain between two lists comes after the choice of the list. Here it clears B,
// the only timer of the chosen list, and arms C of that duration: B's list is
// removed, C has another; nothing of the old list runs.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
setTimeout(() => {
  console.log('A');
  process.nextTick(() => { clearTimeout(b); setTimeout(() => console.log('C'), 80); });
}, 40);
const b = setTimeout(() => console.log('never'), 80);
setTimeout(() => console.log('D'), 100);
setImmediate(() => console.log('immediate'));
wait(140);
