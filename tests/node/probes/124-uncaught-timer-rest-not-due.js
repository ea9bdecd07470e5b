// A throws; A2, the next of its list, is not due yet; B, of another list, is. As in
// 101, A's list is visited first, so there is a drain before B.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.on('uncaughtException', (e) => console.log('uncaught', e));
setTimeout(() => { process.nextTick(() => console.log('tick of A')); throw 'A'; }, 100);
setTimeout(() => console.log('B'), 130);
wait(80);
setTimeout(() => console.log('A2'), 100);
wait(90);
