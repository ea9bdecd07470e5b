// R56: the pass that a throwing timer starts over has the same `now`, so what has become due
// meanwhile waits for the next timers phase.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
setTimeout(() => {
  setImmediate(() => console.log('immediate'));
  wait(400);
  throw 'A';
}, 20);
setTimeout(() => console.log('B due 300'), 300);
