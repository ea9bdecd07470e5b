// `worker_threads`: what it says of the main thread, the only one.
'use strict';

const { withCode } = require('internal/errors');

class Worker {
  constructor() {
    throw withCode(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', 'workers are not supported by this host');
  }
}

module.exports = { isMainThread: true, parentPort: null, resourceLimits: {}, threadId: 0, workerData: null, Worker };
