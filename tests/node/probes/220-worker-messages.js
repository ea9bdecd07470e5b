// R66: each message of a worker is a macrotask of the poll phase, with a drain after it.
const { Worker } = require('worker_threads');
const source = `
  const { parentPort } = require('worker_threads');
  for (const name of [1, 2, 3]) parentPort.postMessage(name);
  parentPort.on('message', () => parentPort.close());
`;
const worker = new Worker(source, { eval: true });
worker.on('message', (name) => {
  console.log('message', name);
  process.nextTick(() => console.log('tick', name));
  Promise.resolve().then(() => console.log('micro', name));
  if (name === 3) worker.postMessage('end');
});
worker.on('exit', (code) => console.log('exit', code));
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); // all have been sent by now
