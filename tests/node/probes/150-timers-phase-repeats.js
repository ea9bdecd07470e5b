// The drain that ends a pass of the timers phase arms a timer, which reads the clock: a timer
// that is due by that reading runs in the same phase, before check (libuv's uv__run_timers looks
// at the cached time after every pass). Without the arming it would wait, see 36.
setTimeout(() => {
  console.log('A');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
  setImmediate(() => console.log('immediate'));
  queueMicrotask(() => { console.log('micro'); setTimeout(() => console.log('C'), 20); });
}, 30);
setTimeout(() => console.log('B'), 55);
