// R65, R51, R55: a listener of `exit` that throws ends its macrotask, without a drain.
const { spawn } = require('child_process');
process.on('uncaughtException', (error) => console.log('uncaught', error));
for (const name of [1, 2]) {
  const child = spawn('true', { stdio: 'ignore' });
  child.on('exit', () => {
    console.log('exit', name);
    process.nextTick(() => console.log('tick', name));
    throw name;
  });
  child.on('exit', () => console.log('never'));
}
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); // both have ended by now
