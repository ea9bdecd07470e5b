// `timers/promises` (R41).
'use strict';

const timers = require('timers');
const { AbortError, validateAbortSignal, validateBoolean, validateNumber, validateObject, withCode } = require('internal/errors');

function checked(options) {
  if (options === undefined) return {};
  validateObject(options, 'options');
  validateAbortSignal(options.signal, 'options.signal');
  if (options.ref !== undefined) validateBoolean(options.ref, 'options.ref');
  return options;
}

// A promise of one timer or immediate, which a signal can end.
function once(delay, options, start, clear, value) {
  try {
    if (delay !== undefined) validateNumber(delay, 'delay');
    options = checked(options);
  } catch (error) {
    return Promise.reject(error);
  }
  const { signal, ref = true } = options;
  if (signal?.aborted) return Promise.reject(new AbortError(undefined, { cause: signal.reason }));
  let onAbort;
  const promise = new Promise((resolve, reject) => {
    const timer = start(() => resolve(value));
    if (!ref) timer.unref();
    if (signal) {
      onAbort = () => {
        clear(timer);
        reject(new AbortError(undefined, { cause: signal.reason }));
      };
      signal.addEventListener('abort', onAbort);
    }
  });
  if (onAbort === undefined) return promise;
  const forget = () => signal.removeEventListener('abort', onAbort);
  promise.then(forget, forget);
  return promise;
}

function setTimeout(delay, value, options) {
  return once(delay, options, (done) => timers.setTimeout(done, delay), timers.clearTimeout, value);
}

function setImmediate(value, options) {
  return once(undefined, options, (done) => timers.setImmediate(done), timers.clearImmediate, value);
}

async function* setInterval(delay, value, options) {
  if (delay !== undefined) validateNumber(delay, 'delay');
  const { signal, ref = true } = checked(options);
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  let missed = 0;
  let wake;
  const interval = timers.setInterval(() => {
    missed += 1;
    wake?.();
    wake = undefined;
  }, delay);
  if (!ref) interval.unref();
  let onAbort;
  if (signal) {
    onAbort = () => {
      timers.clearInterval(interval);
      wake?.(Promise.reject(new AbortError(undefined, { cause: signal.reason })));
      wake = undefined;
    };
    signal.addEventListener('abort', onAbort, { once: true });
  }
  try {
    while (!signal?.aborted) {
      if (missed === 0) await new Promise((resolve) => { wake = resolve; });
      for (; missed > 0; missed -= 1) yield value;
    }
    throw new AbortError(undefined, { cause: signal?.reason });
  } finally {
    timers.clearInterval(interval);
    signal?.removeEventListener('abort', onAbort);
  }
}

class Scheduler {
  constructor() {
    throw withCode(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');
  }

  wait(delay, options) {
    return setTimeout(delay, undefined, options);
  }

  yield() {
    return setImmediate();
  }
}

module.exports = {
  setTimeout,
  setImmediate,
  setInterval,
  scheduler: Object.create(Scheduler.prototype),
};
