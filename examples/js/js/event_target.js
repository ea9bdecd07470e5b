// `EventTarget`, `AbortController` and `DOMException`.
'use strict';

const { inspect } = require('internal/inspect');
const { invalidArgType, outOfRange, withCode } = require('internal/errors');

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
    const head = `${this.#name}: ${message}`;
    const frames = String(this.stack).split('\n').slice(1);
    Object.defineProperty(this, 'stack', { value: [head, ...frames].join('\n'), configurable: true, writable: true });
  }

  get name() {
    return this.#name;
  }

  get code() {
    return codes[this.#name] ?? 0;
  }
}
Object.defineProperty(DOMException.prototype, Symbol.toStringTag, { value: 'DOMException', configurable: true });

class Event {
  #type;
  #options;
  #stopped = false;
  #prevented = false;
  #stopsPropagation = false;
  #timeStamp = native.hrtime() / 1e6;
  constructor(type, options = {}) {
    if (arguments.length === 0) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "type" argument must be specified');
    if (options !== null && typeof options !== 'object' && typeof options !== 'function') {
      throw invalidArgType('options', 'of type object', options);
    }
    this.#type = `${type}`;
    this.#options = options ?? {};
    this._target = null;
    Object.defineProperty(this, '_target', { enumerable: false, writable: true });
  }

  get type() {
    return this.#type;
  }

  get target() {
    return this._target;
  }

  get currentTarget() {
    return this._target;
  }

  get srcElement() {
    return this._target;
  }

  get cancelable() {
    return Boolean(this.#options.cancelable);
  }

  get bubbles() {
    return Boolean(this.#options.bubbles);
  }

  get composed() {
    return Boolean(this.#options.composed);
  }

  get defaultPrevented() {
    return this.#prevented;
  }

  get returnValue() {
    return !this.#prevented;
  }

  get timeStamp() {
    return this.#timeStamp;
  }

  get isTrusted() {
    return false;
  }

  get eventPhase() {
    return this._target === null ? 0 : 2;
  }

  preventDefault() {
    if (this.cancelable) this.#prevented = true;
  }

  stopImmediatePropagation() {
    this.#stopped = true;
  }

  stopPropagation() {
    this.#stopsPropagation = true;
  }

  get cancelBubble() {
    return this.#stopsPropagation;
  }

  composedPath() {
    return this._target === null ? [] : [this._target];
  }

  static isStopped(event) {
    return event.#stopped;
  }

  static isEvent(value) {
    return value !== null && typeof value === 'object' && #type in value;
  }
}
const { isStopped, isEvent } = Event;
delete Event.isStopped;
delete Event.isEvent;

// The members of a class refuse what is not an object of it.
function brand(Class, is) {
  const check = (value) => {
    if (!is(value)) throw withCode(TypeError, 'ERR_INVALID_THIS', `Value of "this" must be of type ${Class.name}`);
  };
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(Class.prototype))) {
    if (name === 'constructor') continue;
    const guarded = (original) => {
      const { [name]: wrapper } = {
        [name](...values) {
          check(this);
          return Reflect.apply(original, this, values);
        },
      };
      return Object.defineProperty(wrapper, 'length', { value: original.length, configurable: true });
    };
    if (member.get) Object.defineProperty(Class.prototype, name, { ...member, get: guarded(member.get) });
    else if (typeof member.value === 'function') Object.defineProperty(Class.prototype, name, { ...member, value: guarded(member.value) });
  }
}
brand(Event, isEvent);

for (const [at, phase] of ['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE'].entries()) {
  Object.defineProperty(Event, phase, { value: at, enumerable: true });
}

class CustomEvent extends Event {
  #detail;
  constructor(type, options) {
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
const kResist = Symbol('resist'); // an option of internal listeners

class EventTarget {
  constructor() {
    listenersOf.set(this, new Map());
  }

  addEventListener(type, listener, options) {
    if (listener === null || listener === undefined) return;
    if (typeof listener !== 'function' && typeof listener !== 'object') {
      throw invalidArgType('listener', 'an instance of EventListener', listener);
    }
    const { once = false, signal, capture = options === true, passive } = options === true || options === undefined || options === null
      ? {} : options;
    if (signal?.aborted) return;
    const list = listOf(this, `${type}`);
    if (list.some((entry) => entry.listener === listener && entry.capture === Boolean(capture))) return;
    list.push({ listener, once, capture: Boolean(capture), passive, resists: Boolean(options?.[kResist]) });
    signal?.addEventListener('abort', () => this.removeEventListener(type, listener, options), { once: true });
  }

  removeEventListener(type, listener, options) {
    const capture = typeof options === 'boolean' ? options : Boolean(options?.capture);
    const list = listOf(this, `${type}`);
    const position = list.findIndex((entry) => entry.listener === listener && entry.capture === capture);
    if (position >= 0) list.splice(position, 1)[0].removed = true;
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw invalidArgType('event', 'an instance of Event', event);
    if (event._target !== null) throw withCode(Error, 'ERR_EVENT_RECURSION', `The event "${event.type}" is already being dispatched`);
    dispatch(this, event);
    return !event.defaultPrevented;
  }
}

brand(EventTarget, (value) => listenersOf.has(value));

function listOf(target, type) {
  const lists = listenersOf.get(target);
  if (lists === undefined) throw withCode(TypeError, 'ERR_INVALID_THIS', 'Value of "this" must be of type EventTarget');
  let list = lists.get(type);
  if (list === undefined) lists.set(type, list = []);
  return list;
}

// A listener that throws does not keep the others from running: its error is reported in a tick.
function dispatch(target, event) {
  event._target = target;
  const list = listOf(target, event.type);
  for (const entry of [...list]) {
    if (entry.removed || (isStopped(event) && !entry.resists)) continue;
    if (entry.once) target.removeEventListener(event.type, entry.listener, { capture: entry.capture });
    try {
      const { listener } = entry;
      const result = typeof listener === 'function' ? Reflect.apply(listener, target, [event]) : listener.handleEvent(event);
      if (typeof result?.then === 'function') result.then(undefined, throwLater);
    } catch (error) {
      throwLater(error);
    }
  }
  event._target = null;
}

function throwLater(error) {
  process.nextTick(() => {
    throw error;
  });
}

// The lists of a target that are not empty, by type.
internals.listenerLists = (target) => new Map([...listenersOf.get(target)].filter(([, list]) => list.length > 0));
internals.eventListeners = (target, type) => listOf(target, type).map((entry) => entry.listener);

// The property `on...` of a target is a listener, too.
function defineHandler(Class, type) {
  const handlers = new WeakMap();
  Object.defineProperty(Class.prototype, `on${type}`, {
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

const deeper = (options) => ({ ...options, depth: options.depth === null ? null : options.depth - 1 });
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
    if (!Number.isInteger(delay) || delay < 0) throw outOfRange('delay', 'an integer >= 0', delay);
    const signal = new AbortSignal(allowed);
    setTimeout(() => AbortSignal._end(signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError')),
      delay).unref();
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

  static _end(signal, reason) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason;
    dispatch(signal, new Event('abort'));
  }

  [inspect.custom](depth, options) {
    return depth < 0 ? '[AbortSignal]' : `AbortSignal ${inspect({ aborted: this.aborted }, deeper(options))}`;
  }
}
const endSignal = AbortSignal._end;
Object.defineProperty(AbortSignal, '_end', { enumerable: false });
defineHandler(AbortSignal, 'abort');
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

module.exports = { AbortController, AbortSignal, CustomEvent, DOMException, Event, EventTarget, kResist };
