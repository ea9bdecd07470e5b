// What `--expose-internals` lets a program require: the internal modules of Node that tests of timers and events use.
'use strict';

const { brand, EventTarget, ...eventTarget } = require('internal/event_target');
const EventEmitter = require('events');
const { invalidArgType, validateFunction } = require('internal/errors');

// An EventTarget with the methods of an emitter.
class NodeEventTarget extends EventTarget {
  on(type, listener) {
    validateFunction(listener, 'listener');
    this.addEventListener(type, listener);
    return this;
  }

  addListener(type, listener) {
    return this.on(type, listener);
  }

  once(type, listener) {
    this.addEventListener(type, listener, { once: true });
    return this;
  }

  off(type, listener, options) {
    this.removeEventListener(type, listener, options);
    return this;
  }

  removeListener(type, listener, options) {
    return this.off(type, listener, options);
  }

  emit(type, detail) {
    if (typeof type !== 'string') throw invalidArgType('type', 'of type string', type);
    const event = new Event(type);
    event.detail = detail;
    const hadListeners = this.listenerCount(type) > 0;
    this.dispatchEvent(event);
    return hadListeners;
  }

  listenerCount(type) {
    return internals.eventListeners(this, type).length;
  }

  eventNames() {
    return [...internals.listenerSets(this).keys()];
  }

  removeAllListeners(type) {
    for (const name of type === undefined ? this.eventNames() : [type]) {
      for (const listener of internals.eventListeners(this, name)) {
        for (const capture of [false, true]) this.removeEventListener(name, listener, { capture });
      }
    }
    return this;
  }

  setMaxListeners(count) {
    limits.set(this, count);
  }

  getMaxListeners() {
    return limits.get(this) ?? EventEmitter.defaultMaxListeners;
  }
}
const limits = new WeakMap();
brand(NodeEventTarget, (value) => value instanceof NodeEventTarget);

const kEvents = Symbol('kEvents');
Object.defineProperty(EventTarget.prototype, kEvents, {
  get() {
    return internals.listenerSets(this);
  },
});

const bindings = {
  timers: { getLibuvNow: () => native.loopTime() },
};

const modules = {
  'internal/event_target': { ...eventTarget, EventTarget, NodeEventTarget, kEvents },
  'internal/test/binding': {
    internalBinding(name) {
      if (!Object.hasOwn(bindings, name)) throw new Error(`No such binding: ${name}`);
      return bindings[name];
    },
  },
  'internal/timers': { setUnrefTimeout: (callback, delay) => setTimeout(callback, delay).unref() },
  'internal/util': { sleep: (ms) => native.blockFor(ms) },
};

module.exports = (id) => (Object.hasOwn(modules, id) ? modules[id] : undefined);
