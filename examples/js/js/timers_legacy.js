// The functions of `timers` that make a timer of any object, which Node has up to release 22.
'use strict';

const { invalidArgType, outOfRange } = require('internal/errors');

const MAX_DELAY = 2 ** 31 - 1;
const kDelay = Symbol('delay'); // with which the timer was last started
const warned = new Set();

function warn(name, advice, code) {
  if (warned.has(name)) return;
  warned.add(name);
  process.emitWarning(`timers.${name}() is deprecated. Please use ${advice} instead.`, 'DeprecationWarning', code);
}

function delayOf(msecs) {
  if (typeof msecs !== 'number') throw invalidArgType('msecs', 'of type number', msecs);
  if (!(msecs >= 0 && Number.isFinite(msecs))) throw outOfRange('msecs', 'a non-negative finite number', msecs);
  if (msecs <= MAX_DELAY) return msecs;
  process.emitWarning(`${msecs} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${MAX_DELAY}.`,
    'TimeoutOverflowWarning');
  return MAX_DELAY;
}

function link(item, value) {
  item._idleNext = value;
  item._idlePrev = value;
}

function start(item, refed) {
  if (item._idleTimeout === undefined || item._idleTimeout < 0) return;
  const isNewDelay = item[kDelay] !== item._idleTimeout;
  Object.defineProperty(item, kDelay, { value: item._idleTimeout, writable: true, configurable: true });
  internals.timers.activate(item, refed, isNewDelay);
  link(item, item);
}

function stop(item) {
  internals.timers.deactivate(item);
  link(item, null);
}

module.exports = {
  enroll(item, msecs) {
    warn('enroll', 'setTimeout', 'DEP0095');
    const delay = delayOf(msecs);
    if (item._idleNext) stop(item);
    link(item, item);
    item._idleTimeout = delay;
  },
  unenroll(item) {
    warn('unenroll', 'clearTimeout', 'DEP0096');
    stop(item);
  },
  active(item) {
    warn('active', 'timeout.refresh()', 'DEP0126');
    start(item, true);
  },
  _unrefActive(item) {
    warn('_unrefActive', 'timeout.refresh()', 'DEP0127');
    start(item, false);
  },
};
