// R65, R12: what a child has written and the end of its pipe, then its exit, each a macrotask of
// the poll phase; `close` in the close phase, because the pipe was the last.
const { spawn } = require('child_process');
const child = spawn('sh', ['-c', 'echo out; exit 3'], { stdio: ['ignore', 'pipe', 'ignore'] });
child.on('spawn', () => console.log('spawn'));
child.stdout.on('data', (data) => console.log('data', String(data).trim()));
child.stdout.on('end', () => console.log('end'));
child.on('exit', (code, signal) => {
  console.log('exit', code, signal);
  process.nextTick(() => console.log('tick of exit'));
  Promise.resolve().then(() => console.log('micro of exit'));
  setImmediate(() => console.log('immediate of exit'));
});
child.on('close', (code, signal) => console.log('close', code, signal));
process.nextTick(() => console.log('tick'));
Promise.resolve().then(() => console.log('micro'));
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); // it has ended by now
