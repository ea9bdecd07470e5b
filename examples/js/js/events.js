// `events`.
'use strict';

const { AbortError, invalidArgType, outOfRange, validateAbortSignal, validateBoolean, validateNumber, validateObject, withCode } = require('internal/errors');

const errorMonitor = Symbol('events.errorMonitor');
const captureRejectionSymbol = Symbol.for('nodejs.rejection');
const apply = Reflect.apply;
let defaultMaxListeners = 10;

function EventEmitter(options) {
  EventEmitter.init.call(this, options);
}

EventEmitter.init = function init(options) {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = Object.create(null);
    this._eventsCount = 0;
  }
  this._maxListeners = this._maxListeners || undefined;
  if (options?.captureRejections !== undefined) {
    validateBoolean(options.captureRejections, 'options.captureRejections');
    Object.defineProperty(this, '_capturesRejections', { value: options.captureRejections, writable: true, configurable: true });
  }
};

Object.defineProperty(EventEmitter.prototype, '_capturesRejections', { value: false, writable: true });
EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;

Object.defineProperty(EventEmitter, 'defaultMaxListeners', {
  enumerable: true,
  get: () => defaultMaxListeners,
  set(count) {
    checkCount(count, 'defaultMaxListeners');
    defaultMaxListeners = count;
  },
});

function checkCount(count, name) {
  validateNumber(count, name);
  if (!(count >= 0)) throw outOfRange(name, '>= 0', count);
}

EventEmitter.prototype.setMaxListeners = function setMaxListeners(count) {
  checkCount(count, 'setMaxListeners');
  this._maxListeners = count;
  return this;
};

EventEmitter.prototype.getMaxListeners = function getMaxListeners() {
  return this._maxListeners ?? defaultMaxListeners;
};

EventEmitter.prototype.emit = function emit(type, ...args) {
  const events = this._events;
  if (type === 'error') {
    if (events?.[errorMonitor] !== undefined) this.emit(errorMonitor, ...args);
    if (events?.error === undefined) throw unhandledError(args[0]);
  }
  const handler = events?.[type];
  if (handler === undefined) return false;
  if (typeof handler === 'function') {
    finish(this, type, args, apply(handler, this, args));
  } else {
    for (const listener of [...handler]) finish(this, type, args, apply(listener, this, args));
  }
  return true;
};

// What `captureRejections` does with the promise of an async listener.
function finish(emitter, type, args, result) {
  if (!emitter._capturesRejections || result === undefined || result === null) return;
  try {
    const { then } = result;
    if (typeof then === 'function') apply(then, result, [undefined, (error) => process.nextTick(rejected, emitter, error, type, args)]);
  } catch (error) {
    emitter.emit('error', error);
  }
}

// Listeners of 'error' are called without capture: their rejections would come here again.
function rejected(emitter, error, type, args) {
  if (typeof emitter[captureRejectionSymbol] === 'function') {
    emitter[captureRejectionSymbol](error, type, ...args);
    return;
  }
  const before = emitter._capturesRejections;
  const set = (value) => Object.defineProperty(emitter, '_capturesRejections', { value, writable: true, configurable: true });
  try {
    set(false);
    emitter.emit('error', error);
  } finally {
    set(before);
  }
}

function unhandledError(value) {
  if (value instanceof Error) return value;
  const { inspect } = require('internal/inspect');
  let text;
  try {
    text = inspect(value);
  } catch {
    text = value;
  }
  const error = withCode(Error, 'ERR_UNHANDLED_ERROR', `Unhandled error. (${text})`);
  error.context = value;
  return error;
}

function checkListener(listener) {
  if (typeof listener !== 'function') {
    throw invalidArgType('listener', 'of type function', listener);
  }
}

function add(emitter, type, listener, first) {
  checkListener(listener);
  if (emitter._events === undefined) {
    emitter._events = Object.create(null);
    emitter._eventsCount = 0;
  } else if (emitter._events.newListener !== undefined) {
    emitter.emit('newListener', type, listener.listener ?? listener);
  }
  const events = emitter._events;
  const existing = events[type];
  if (existing === undefined) {
    events[type] = listener;
    emitter._eventsCount += 1;
    return emitter;
  }
  if (typeof existing === 'function') {
    events[type] = first ? [listener, existing] : [existing, listener];
  } else if (first) {
    existing.unshift(listener);
  } else {
    existing.push(listener);
  }
  warnOfLeak(emitter, type, events[type]);
  return emitter;
}

function warnOfLeak(emitter, type, list) {
  const limit = emitter._maxListeners ?? defaultMaxListeners;
  if (limit <= 0 || list.length <= limit || list.warned) return;
  list.warned = true;
  const { inspect } = require('internal/inspect');
  const warning = new Error(`Possible EventEmitter memory leak detected. ${list.length} ${String(type)} listeners ` +
    `added to ${inspect(emitter, { depth: -1 })}. MaxListeners is ${limit}. Use emitter.setMaxListeners() to increase limit`);
  warning.name = 'MaxListenersExceededWarning';
  warning.emitter = emitter;
  warning.type = type;
  warning.count = list.length;
  process.emitWarning(warning);
}

EventEmitter.prototype.addListener = function addListener(type, listener) {
  return add(this, type, listener, false);
};
EventEmitter.prototype.on = EventEmitter.prototype.addListener;

EventEmitter.prototype.prependListener = function prependListener(type, listener) {
  return add(this, type, listener, true);
};

function onceWrapper(emitter, type, listener) {
  let fired = false;
  const wrapper = function (...args) {
    if (fired) return undefined;
    fired = true;
    emitter.removeListener(type, wrapper);
    return apply(listener, emitter, args);
  };
  wrapper.listener = listener;
  return wrapper;
}

EventEmitter.prototype.once = function once(type, listener) {
  checkListener(listener);
  return this.on(type, onceWrapper(this, type, listener));
};

EventEmitter.prototype.prependOnceListener = function prependOnceListener(type, listener) {
  checkListener(listener);
  return this.prependListener(type, onceWrapper(this, type, listener));
};

EventEmitter.prototype.removeListener = function removeListener(type, listener) {
  checkListener(listener);
  const list = this._events?.[type];
  if (list === undefined) return this;
  if (typeof list === 'function') {
    if (list !== listener && list.listener !== listener) return this;
    this._eventsCount -= 1;
    delete this._events[type];
  } else {
    const position = list.findLastIndex((other) => other === listener || other.listener === listener);
    if (position < 0) return this;
    list.splice(position, 1);
    if (list.length === 1) this._events[type] = list[0];
  }
  if (this._events.removeListener !== undefined) {
    this.emit('removeListener', type, listener.listener ?? listener);
  }
  return this;
};
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

EventEmitter.prototype.removeAllListeners = function removeAllListeners(type) {
  const events = this._events;
  if (events === undefined) return this;
  if (events.removeListener === undefined) {
    if (arguments.length === 0) {
      this._events = Object.create(null);
      this._eventsCount = 0;
    } else if (events[type] !== undefined) {
      this._eventsCount -= 1;
      delete events[type];
    }
    return this;
  }
  if (arguments.length === 0) {
    for (const key of Reflect.ownKeys(events)) {
      if (key !== 'removeListener') this.removeAllListeners(key);
    }
    return this.removeAllListeners('removeListener');
  }
  for (const listener of this.rawListeners(type).reverse()) this.removeListener(type, listener);
  return this;
};

EventEmitter.prototype.rawListeners = function rawListeners(type) {
  const list = this._events?.[type];
  if (list === undefined) return [];
  return typeof list === 'function' ? [list] : [...list];
};

EventEmitter.prototype.listeners = function listeners(type) {
  return this.rawListeners(type).map((listener) => listener.listener ?? listener);
};

EventEmitter.prototype.listenerCount = function listenerCount(type, listener) {
  const all = this.listeners(type);
  return listener === undefined ? all.length : all.filter((other) => other === listener).length;
};

EventEmitter.prototype.eventNames = function eventNames() {
  return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : [];
};

function listen(target, type, listener, options) {
  if (typeof target.on === 'function') {
    if (options?.once) target.once(type, listener);
    else target.on(type, listener);
  } else if (typeof target.addEventListener === 'function') {
    target.addEventListener(type, listener, options);
  } else {
    throw invalidArgType('emitter', 'an instance of EventEmitter', target);
  }
}

function unlisten(target, type, listener) {
  if (typeof target.removeListener === 'function') target.removeListener(type, listener);
  else target.removeEventListener(type, listener);
}

// Options of a listener that is called even if another one stops the event.
const resisting = () => ({ once: true, [require('internal/event_target').kResist]: true });

// events.once(emitter, name): a promise of the arguments of the next event.
async function once(emitter, type, options = {}) {
  if (native.release >= 24) validateObject(options, 'options');
  const signal = options?.signal;
  validateAbortSignal(signal, 'options.signal');
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  return new Promise((resolve, reject) => {
    const end = () => {
      unlisten(emitter, type, onEvent);
      if (onError) unlisten(emitter, 'error', onError);
      signal?.removeEventListener('abort', onAbort);
    };
    const onEvent = (...args) => {
      end();
      resolve(args);
    };
    const onError = type === 'error' || typeof emitter.once !== 'function' ? undefined : (error) => {
      end();
      reject(error);
    };
    const onAbort = () => {
      end();
      reject(new AbortError(undefined, { cause: signal.reason }));
    };
    listen(emitter, type, onEvent, { once: true });
    if (onError) emitter.once('error', onError);
    signal?.addEventListener('abort', onAbort, resisting());
  });
}

// events.on(emitter, name): an async iterator over the arguments of all events.
function on(emitter, type, options = {}) {
  if (native.release >= 24) validateObject(options, 'options');
  const signal = options?.signal;
  validateAbortSignal(signal, 'options.signal');
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  const arrived = [];
  const waiting = [];
  let failure;
  let isClosed = false;

  const onEvent = (...args) => {
    if (waiting.length > 0) waiting.shift().resolve({ value: args, done: false });
    else arrived.push(args);
  };
  const onError = (error) => {
    if (waiting.length > 0) waiting.shift().reject(error);
    else failure = { error };
    finish();
  };
  const finish = () => {
    close();
    for (const { resolve } of waiting.splice(0)) resolve({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  };
  const onAbort = () => onError(new AbortError(undefined, { cause: signal.reason }));
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    unlisten(emitter, type, onEvent);
    if (type !== 'error') unlisten(emitter, 'error', onError);
    signal?.removeEventListener('abort', onAbort);
  };
  listen(emitter, type, onEvent);
  if (type !== 'error' && typeof emitter.on === 'function') emitter.on('error', onError);
  signal?.addEventListener('abort', onAbort, { once: true });

  return {
    next() {
      if (arrived.length > 0) return Promise.resolve({ value: arrived.shift(), done: false });
      if (failure) {
        const { error } = failure;
        failure = undefined;
        return Promise.reject(error);
      }
      if (isClosed) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: finish,
    throw(error) {
      if (!(error instanceof Error)) throw invalidArgType('EventEmitter.AsyncIterator', 'an instance of Error', error);
      onError(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

EventEmitter.EventEmitter = EventEmitter;
EventEmitter.usingDomains = false;
EventEmitter.captureRejectionSymbol = captureRejectionSymbol;
Object.defineProperty(EventEmitter, 'captureRejections', {
  enumerable: true,
  get: () => EventEmitter.prototype._capturesRejections,
  set(value) {
    validateBoolean(value, 'EventEmitter.captureRejections');
    EventEmitter.prototype._capturesRejections = value;
  },
});
EventEmitter.errorMonitor = errorMonitor;
EventEmitter.once = once;
EventEmitter.on = on;
EventEmitter.listenerCount = (emitter, type) => emitter.listenerCount(type);
EventEmitter.getEventListeners = (emitter, type) => {
  if (typeof emitter?.listeners === 'function') return emitter.listeners(type);
  if (emitter instanceof EventTarget) return internals.eventListeners(emitter, type);
  throw invalidArgType('emitter', 'an instance of EventEmitter or EventTarget', emitter);
};
const targetLimits = new WeakMap(); // of objects of EventTarget
EventEmitter.getMaxListeners = (emitter) => {
  if (typeof emitter?.getMaxListeners === 'function') return emitter.getMaxListeners();
  if (!(emitter instanceof EventTarget)) throw invalidArgType('emitter', 'an instance of EventEmitter or EventTarget', emitter);
  return targetLimits.get(emitter) ?? (emitter instanceof AbortSignal ? 0 : defaultMaxListeners);
};
EventEmitter.setMaxListeners = (count = defaultMaxListeners, ...targets) => {
  checkCount(count, 'setMaxListeners');
  if (targets.length === 0) defaultMaxListeners = count;
  for (const target of targets) {
    if (typeof target?.setMaxListeners === 'function') target.setMaxListeners(count);
    else if (target instanceof EventTarget) targetLimits.set(target, count);
    else throw invalidArgType('eventTargets', 'an instance of EventEmitter or EventTarget', target);
  }
};

module.exports = EventEmitter;
