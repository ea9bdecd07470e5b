// The globals that are not of the language, each made when it is first used.
'use strict';

const { validateFunction, withCode } = require('internal/errors');

const engineQueueMicrotask = native.queueMicrotask ?? globalThis.queueMicrotask;

function queueMicrotask(callback) {
  validateFunction(callback, 'callback');
  // The engine passes the callback's error to the loop (R54).
  const place = internals.places?.here();
  if (place) {
    engineQueueMicrotask(() => {
      native.labelStep(place);
      callback();
    });
  } else {
    engineQueueMicrotask(() => callback());
  }
}
Object.defineProperty(globalThis, 'queueMicrotask', { value: queueMicrotask, writable: true, configurable: true, enumerable: true });

function lazy(name, load) {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    enumerable: false,
    get() {
      const value = load();
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
      return value;
    },
    set(value) {
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
    },
  });
}

lazy('structuredClone', () => require('internal/structured_clone'));
lazy('performance', () => require('perf_hooks').performance);
for (const name of ['CustomEvent', 'Event', 'EventTarget', 'AbortController', 'AbortSignal', 'DOMException']) {
  lazy(name, () => require('internal/event_target')[name]);
}
internals.accessor('Buffer', () => require('buffer').Buffer);
for (const name of ['atob', 'btoa']) lazy(name, () => require('buffer')[name]);
for (const name of ['TextEncoder', 'TextDecoder']) lazy(name, () => require('util')[name]);

// What a host of tests needs, and Node does not have.
const nodeHost = Object.freeze({
  isVirtualTime: native.isVirtualTime,
  release: native.release,
  // Blocks the thread: on virtual time the clock moves by exactly this.
  blockFor: (ms) => native.blockFor(ms),
  // Why the loop goes on, as text.
  whyAlive: () => native.whyAlive(),
  gc: () => native.gc(),
});
Object.defineProperty(globalThis, 'nodeHost', { value: nodeHost, writable: true, configurable: true, enumerable: false });
if (internals.hasFlag('--expose-gc') || internals.hasFlag('--expose_gc')) {
  Object.defineProperty(globalThis, 'gc', { value: () => native.gc(), writable: true, configurable: true, enumerable: false });
}

// There is no network.
async function fetch() {
  throw withCode(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', 'fetch() is not supported by this host');
}
Object.defineProperty(globalThis, 'fetch', { value: fetch, writable: true, configurable: true, enumerable: true });

// A wait for what nobody notifies is how programs block the thread. The engine permits no other.
const waitForNotify = Atomics.wait;
Atomics.wait = function wait(cell, index, value, timeout) {
  if (timeout === undefined || timeout === Infinity) return waitForNotify(cell, index, value, timeout);
  if (Atomics.load(cell, index) !== value) return 'not-equal';
  native.blockFor(Number(timeout));
  return 'timed-out';
};

if (native.isVirtualTime) {
  const SystemDate = Date;
  const origin = SystemDate.now() - native.hrtime() / 1e6;
  const now = () => Math.floor(origin + native.hrtime() / 1e6);
  globalThis.Date = new Proxy(SystemDate, {
    apply: () => new SystemDate(now()).toString(),
    construct: (target, values, newTarget) => Reflect.construct(target, values.length === 0 ? [now()] : values, newTarget),
  });
  SystemDate.now = now;
  SystemDate.prototype.constructor = globalThis.Date;
}
