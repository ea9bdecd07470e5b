// The thread in which programs are made: gets { family, seed }, answers with
// { family, seed, main, trace, duration } of grow.cjs.
//
// It is a thread of its own because the model drains the tick queue and listens to
// the errors of its thread (model.cjs). It never enters its own event loop either:
// errors that the model catches leave Node's record of asynchronous contexts askew,
// and returning from a callback would then abort the process. So it sleeps until the
// counter it shares with generate.mjs announces a new message.
'use strict';

const { parentPort, receiveMessageOnPort, workerData } = require('worker_threads');
const { grow } = require('./grow.cjs');
const { setRelease } = require('./model.cjs');

const requests = new Int32Array(workerData.requests);
setRelease(workerData.release);

for (;;) {
  const seen = Atomics.load(requests, 0);
  for (let next = receiveMessageOnPort(parentPort); next; next = receiveMessageOnPort(parentPort)) {
    const { family, seed } = next.message;
    parentPort.postMessage({ family, seed, ...grow(family, seed) });
  }
  Atomics.wait(requests, 0, seen);
}
