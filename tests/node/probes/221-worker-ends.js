// R66: a terminated worker exits with code 1, one that ends itself with its own code; a port that listens
// keeps a worker alive until it is closed.
const { Worker } = require('worker_threads');
const listens = `
  const { parentPort } = require('worker_threads');
  parentPort.on('message', (message) => {
    parentPort.postMessage(message + 1);
    if (message === 3) parentPort.close();
  });
  parentPort.postMessage(0);
`;
const end = (name) => (code) => {
  console.log(name, code);
  next.shift()?.();
};
const next = [
  () => {
    const worker = new Worker(listens, { eval: true });
    worker.on('message', (message) => {
      console.log(message);
      if (message < 3) worker.postMessage(message + 1);
      else worker.postMessage(3);
    });
    worker.on('exit', end('closed'));
  },
  () => {
    const worker = new Worker(listens, { eval: true });
    worker.on('message', () => worker.terminate());
    worker.on('exit', end('terminated'));
  },
  () => new Worker('process.exit(5)', { eval: true }).on('exit', end('exited')),
  () => {
    const worker = new Worker('throw new RangeError("message")', { eval: true });
    worker.on('error', (error) => console.log(error.name));
    worker.on('exit', end('thrown'));
  },
];
next.shift()();
