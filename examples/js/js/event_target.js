// `EventTarget`, `AbortController` and `DOMException`.
'use strict';

const { inspect } = require('internal/inspect');
const { invalidArgType, outOfRange, validateAbortSignal, withCode } = require('internal/errors');

const codes = {
  IndexSizeError: 1, HierarchyRequestError: 3, NotFoundError: 8, NotSupportedError: 9, InvalidStateError: 11,
  InvalidCharacterError: 5, SyntaxError: 12, AbortError: 20, TimeoutError: 23, DataCloneError: 25,
};

class DOMException extends Error {
  #name;
  constructor(message = '', options = 'Error') {
    super(message);
    if (options !== null && typeof options === 'object') {
      this.#name = options.name ?? 'Error';
      if ('cause' in options) Object.defineProperty(this, 'cause', { value: options.cause, configurable: true, writable: true });
    } else {
      this.#name = `${options}`;
    }
  }

  get name() {
    return this.#name;
  }

  get code() {
    return codes[this.#name] ?? 0;
  }
}
Object.defineProperty(DOMException.prototype, Symbol.toStringTag, { value: 'DOMException', configurable: true });

// The options of a method of inspection one level deeper.
const deeper = (options) => ({ ...options, depth: options.depth === null ? null : options.depth - 1 });
const trusted = new WeakSet(); // the events that the host has made

class Event {
  #type;
  #cancelable;
  #bubbles;
  #composed;
  #target = null;
  #isDispatched = false;
  #stopped = false;
  #prevented = false;
  #stopsPropagation = false;
  #timeStamp = native.hrtime() / 1e6;
  constructor(type, options = undefined) {
    if (arguments.length === 0) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "type" argument must be specified');
    if (options !== undefined && options !== null && typeof options !== 'object' && typeof options !== 'function') {
      throw invalidArgType('options', 'of type object', options);
    }
    this.#bubbles = Boolean(options?.bubbles);
    this.#cancelable = Boolean(options?.cancelable);
    this.#composed = Boolean(options?.composed);
    this.#type = `${type}`;
  }

  get type() {
    return this.#type;
  }

  get target() {
    return this.#target;
  }

  get currentTarget() {
    return this.#isDispatched ? this.#target : null;
  }

  get srcElement() {
    return this.#target;
  }

  get cancelable() {
    return this.#cancelable;
  }

  get bubbles() {
    return this.#bubbles;
  }

  get composed() {
    return this.#composed;
  }

  get defaultPrevented() {
    return this.#cancelable && this.#prevented;
  }

  get returnValue() {
    return !this.#cancelable || !this.#prevented;
  }

  get timeStamp() {
    return this.#timeStamp;
  }

  get eventPhase() {
    return this.#isDispatched ? Event.AT_TARGET : Event.NONE;
  }

  preventDefault() {
    this.#prevented = true;
  }

  stopImmediatePropagation() {
    this.#stopsPropagation = true;
    this.#stopped = true;
  }

  stopPropagation() {
    this.#stopsPropagation = true;
  }

  get cancelBubble() {
    return this.#stopsPropagation;
  }

  set cancelBubble(value) {
    if (value) this.#stopsPropagation = true;
  }

  composedPath() {
    return this.#isDispatched ? [this.#target] : [];
  }

  [inspect.custom](depth, options) {
    const { name } = this.constructor;
    const { type, defaultPrevented, cancelable, timeStamp } = this;
    return depth < 0 ? name : `${name} ${inspect({ type, defaultPrevented, cancelable, timeStamp }, deeper(options))}`;
  }

  static isStopped(event) {
    return event.#stopped;
  }

  static isEvent(value) {
    return value !== null && typeof value === 'object' && #type in value;
  }

  static isDispatched(event) {
    return event.#isDispatched;
  }

  static begin(event, target) {
    event.#target = target;
    event.#isDispatched = true;
  }

  static end(event) {
    event.#isDispatched = false;
  }
}
const { isStopped, isEvent, isDispatched, begin, end } = Event;
for (const name of ['isStopped', 'isEvent', 'isDispatched', 'begin', 'end']) delete Event[name];

// The members of a class refuse what is not an object of it.
function brand(Class, is) {
  const check = (value) => {
    if (!is(value)) throw withCode(TypeError, 'ERR_INVALID_THIS', `Value of "this" must be of type ${Class.name}`);
  };
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(Class.prototype))) {
    if (name === 'constructor' || name === 'isTrusted') continue;
    const guarded = (original) => {
      const { [name]: wrapper } = {
        [name](...values) {
          check(this);
          return Reflect.apply(original, this, values);
        },
      };
      return Object.defineProperty(wrapper, 'length', { value: original.length, configurable: true });
    };
    for (const kind of ['get', 'set', 'value']) if (typeof member[kind] === 'function') member[kind] = guarded(member[kind]);
    Object.defineProperty(Class.prototype, name, { ...member, enumerable: true });
  }
}
brand(Event, isEvent);
Object.defineProperty(Event.prototype, 'isTrusted', {
  get() {
    return trusted.has(this);
  },
  enumerable: true,
  configurable: true,
});

for (const [at, phase] of ['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE'].entries()) {
  Object.defineProperty(Event, phase, { value: at, enumerable: true });
}

class CustomEvent extends Event {
  #detail;
  constructor(type, options = undefined) {
    if (arguments.length === 0) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "type" argument must be specified');
    super(type, options);
    this.#detail = options?.detail ?? null;
  }

  get detail() {
    return this.#detail;
  }

  static isCustomEvent(value) {
    return value !== null && typeof value === 'object' && #detail in value;
  }
}
brand(CustomEvent, CustomEvent.isCustomEvent);
delete CustomEvent.isCustomEvent;
Object.defineProperty(CustomEvent.prototype, Symbol.toStringTag, { value: 'CustomEvent', configurable: true });

const listenersOf = new WeakMap();
const kResist = Symbol('resist'); // an option of internal listeners, which are called even if another stops the event
const kWeakHandler = Symbol('kWeak'); // an option: the listener lives as long as this object
const weakListeners = new WeakMap();

class EventTarget {
  constructor() {
    listenersOf.set(this, new Map());
  }

  addEventListener(type, listener, options = undefined) {
    requireArguments(arguments.length, 'type', 'listener');
    type = `${type}`;
    if (!isListener(listener)) {
      warnOfNoListener(this, type, listener);
      return;
    }
    const capture = captureOf(options);
    const { once = false, signal, passive = false, [kResist]: resists = false, [kWeakHandler]: owner } = Object(options);
    validateAbortSignal(signal, 'options.signal');
    if (signal?.aborted) return;
    const list = listOf(this, type);
    if (list.some((entry) => entry.capture === capture && listenerOf(entry) === listener)) return;
    list.push({ listener: owner === undefined ? listener : heldBy(owner, listener), isWeak: owner !== undefined,
      once: Boolean(once), capture, passive: Boolean(passive), resists });
    if (timedSignals.has(this)) holdSignal(this);
    signal?.addEventListener('abort', () => this.removeEventListener(type, listener, { capture }), { once: true, [kResist]: true });
  }

  removeEventListener(type, listener, options = undefined) {
    requireArguments(arguments.length, 'type', 'listener');
    type = `${type}`;
    if (!isListener(listener)) return;
    const capture = captureOf(options);
    const list = listOf(this, type);
    const position = list.findIndex((entry) => entry.capture === capture && listenerOf(entry) === listener);
    if (position >= 0) list.splice(position, 1)[0].removed = true;
    if (timedSignals.has(this)) holdSignal(this);
  }

  dispatchEvent(event) {
    requireArguments(arguments.length, 'event');
    if (!isEvent(event)) throw invalidArgType('event', 'an instance of Event', event);
    if (isDispatched(event)) throw withCode(Error, 'ERR_EVENT_RECURSION', `The event "${event.type}" is already being dispatched`);
    dispatch(this, event);
    return !event.defaultPrevented;
  }

  [inspect.custom](depth, options) {
    const { name } = this.constructor;
    return depth < 0 ? name : `${name} ${inspect({}, deeper(options))}`;
  }
}

brand(EventTarget, (value) => listenersOf.has(value));

// The signals of `AbortSignal.timeout`. The timer does not keep one alive, but its listeners do.
const timedSignals = new WeakSet();
const heldSignals = new Set();

function holdSignal(signal) {
  if (listOf(signal, 'abort').some((entry) => !entry.isWeak)) heldSignals.add(signal);
  else heldSignals.delete(signal);
}

function requireArguments(count, ...names) {
  if (count >= names.length) return;
  const quoted = names.map((name) => `"${name}"`).join(' and ');
  throw withCode(TypeError, 'ERR_MISSING_ARGS', `The ${quoted} argument${names.length > 1 ? 's' : ''} must be specified`);
}

function isListener(listener) {
  if (listener === null || listener === undefined) return false;
  if (typeof listener === 'function' || typeof listener === 'object') return true;
  throw invalidArgType('listener', 'an instance of EventListener', listener);
}

function warnOfNoListener(target, type, listener) {
  const warning = new Error(`addEventListener called with ${listener} which has no effect.`);
  warning.name = 'AddEventListenerArgumentTypeWarning';
  process.emitWarning(Object.assign(warning, { target, type }));
}

const captureOf = (options) => (typeof options === 'boolean' ? options : Boolean(options?.capture));
const listenerOf = (entry) => (entry.isWeak ? entry.listener.deref() : entry.listener);

function heldBy(owner, listener) {
  if (!weakListeners.has(owner)) weakListeners.set(owner, []);
  weakListeners.get(owner).push(listener);
  return new WeakRef(listener);
}

function listOf(target, type) {
  const lists = listenersOf.get(target);
  let list = lists.get(type);
  if (list === undefined) lists.set(type, list = []);
  return list;
}

// A listener that throws does not keep the others from running: its error is reported in a tick.
function dispatch(target, event) {
  begin(event, target);
  const list = listOf(target, event.type);
  for (const entry of [...list]) {
    if (entry.removed || (isStopped(event) && !entry.resists)) continue;
    const listener = listenerOf(entry);
    if (entry.once || listener === undefined) {
      entry.removed = true;
      list.splice(list.indexOf(entry), 1);
    }
    if (listener === undefined) continue;
    try {
      const result = typeof listener === 'function' ? Reflect.apply(listener, target, [event]) : listener.handleEvent(event);
      if (typeof result?.then === 'function') result.then(undefined, throwLater);
    } catch (error) {
      throwLater(error);
    }
  }
  end(event);
}

function throwLater(error) {
  process.nextTick(() => {
    throw error;
  });
}

// The listeners of a target, by type.
internals.listenerSets = (target) => {
  const lists = [...listenersOf.get(target)].filter(([, list]) => list.length > 0);
  return new Map(lists.map(([type, list]) => [type, new Set(list)]));
};
internals.eventListeners = (target, type) => listOf(target, type).map(listenerOf).filter((listener) => listener !== undefined);

// Makes the property `on...` of a target a listener, too.
function defineEventHandler(object, name, type = name) {
  const handlers = new WeakMap();
  Object.defineProperty(object, `on${name}`, {
    configurable: true,
    enumerable: true,
    get() {
      return handlers.get(this)?.handler ?? null;
    },
    set(handler) {
      const known = handlers.get(this);
      if (known !== undefined) {
        known.handler = handler;
        return;
      }
      const entry = { handler };
      handlers.set(this, entry);
      this.addEventListener(type, function (event) {
        if (typeof entry.handler === 'function') Reflect.apply(entry.handler, this, [event]);
      });
    },
  });
}

const allowed = Symbol('allowed');

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  constructor(key) {
    if (key !== allowed) throw withCode(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');
    super();
  }

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }

  static abort(reason = new DOMException('This operation was aborted', 'AbortError')) {
    const signal = new AbortSignal(allowed);
    signal.#aborted = true;
    signal.#reason = reason;
    return signal;
  }

  static timeout(delay) {
    if (typeof delay !== 'number') throw invalidArgType('delay', 'of type number', delay);
    if (!Number.isInteger(delay)) throw outOfRange('delay', 'an integer', delay);
    if (delay < 0 || delay > 4294967295) throw outOfRange('delay', '>= 0 && <= 4294967295', delay);
    const signal = new AbortSignal(allowed);
    const reference = new WeakRef(signal);
    setTimeout(() => {
      const timed = reference.deref();
      if (timed === undefined) return;
      heldSignals.delete(timed);
      AbortSignal._end(timed, new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
    }, delay).unref();
    timedSignals.add(signal);
    return signal;
  }

  static any(signals) {
    const result = new AbortSignal(allowed);
    for (const signal of signals) {
      if (signal.aborted) {
        AbortSignal._end(result, signal.reason);
        return result;
      }
    }
    for (const signal of signals) {
      signal.addEventListener('abort', () => AbortSignal._end(result, signal.reason), { once: true });
    }
    return result;
  }

  static isSignal(value) {
    return typeof value === 'object' && value !== null && #aborted in value;
  }

  static _end(signal, reason) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason;
    const event = new Event('abort');
    trusted.add(event);
    dispatch(signal, event);
  }

  [inspect.custom](depth, options) {
    return depth < 0 ? '[AbortSignal]' : `AbortSignal ${inspect({ aborted: this.aborted }, deeper(options))}`;
  }
}
const endSignal = AbortSignal._end;
const { isSignal } = AbortSignal;
delete AbortSignal.isSignal;
brand(AbortSignal, isSignal);
Object.defineProperty(AbortSignal, '_end', { enumerable: false });
defineEventHandler(AbortSignal.prototype, 'abort');
Object.defineProperty(AbortSignal.prototype, Symbol.toStringTag, { value: 'AbortSignal', configurable: true });

class AbortController {
  #signal = new AbortSignal(allowed);

  get signal() {
    return this.#signal;
  }

  abort(reason = new DOMException('This operation was aborted', 'AbortError')) {
    endSignal(this.#signal, reason);
  }

  [inspect.custom](depth, options) {
    return depth < 0 ? '[AbortController]' : `AbortController ${inspect({ signal: this.signal }, deeper(options))}`;
  }
}
Object.defineProperty(AbortController.prototype, Symbol.toStringTag, { value: 'AbortController', configurable: true });
Object.defineProperty(EventTarget.prototype, Symbol.toStringTag, { value: 'EventTarget', configurable: true });
Object.defineProperty(Event.prototype, Symbol.toStringTag, { value: 'Event', configurable: true });

module.exports = {
  AbortController, AbortSignal, CustomEvent, DOMException, Event, EventTarget, brand, defineEventHandler, kResist, kWeakHandler,
};
