// What `--expose-internals` lets a program require: the internal modules of Node that tests of timers and events use.
'use strict';

const { EventTarget } = require('internal/event_target');
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
}

const kEvents = Symbol('kEvents');
Object.defineProperty(EventTarget.prototype, kEvents, {
  get() {
    return internals.listenerLists(this);
  },
});

const bindings = {
  timers: { getLibuvNow: () => native.loopTime() },
};

const modules = {
  'internal/event_target': { ...require('internal/event_target'), NodeEventTarget, kEvents, kWeakHandler: Symbol('kWeak') },
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
