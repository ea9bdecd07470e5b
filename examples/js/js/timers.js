// Timeout, Immediate and the functions of `timers`. The loop owns the order; an object here only has
// the slot of its timer on the loop.
'use strict';

const { validateFunction } = require('internal/errors');

const kRefed = Symbol('refed');
const kSlot = Symbol('slot');
const kPrimitive = Symbol('primitive');
const MAX_DELAY = 2 ** 31 - 1;
const { apply } = Reflect;
const { armTimer, refreshTimer, clearTimer, repeatTimer, refTimer } = native;
const { places } = internals;
const timerPlaces = new WeakMap(); // if places are shown

// The armed timers and the pending immediates, by slot: the number under which the host has their handles. A free
// slot has the number of the next free one. The host keeps the handle of a timer that has fired until the slot is
// used again, because to clear it would remove its list (R29).
const timeouts = [];
let freeTimeout = -1;
const immediates = [];
let freeImmediate = -1;

const knownById = new Map(); // timers whose number a program has seen
let nextId = 2;
let refedTimeouts = 0;
let refedImmediates = 0;
let firing; // the timer whose callback runs
let isRearmed = false; // by its callback
const warned = new Set();

class Timeout {
  constructor(callback, delay, args, repeats) {
    this._idleTimeout = typeof delay === 'number' && delay >= 1 && delay <= MAX_DELAY ? delay : toDelay(delay);
    this._idleStart = null;
    this._onTimeout = callback;
    this._timerArgs = args;
    this._repeat = repeats ? this._idleTimeout : null;
    this._destroyed = false;
    arm(this);
    refedTimeouts += 1;
  }

  refresh() {
    if (!(this._idleTimeout >= 0)) return this;
    if (this[kSlot] >= 0) {
      this._idleStart = refreshTimer(this[kSlot]);
    } else {
      arm(this);
    }
    if (this._destroyed && this[kRefed]) refedTimeouts += 1;
    this._destroyed = false;
    if (this === firing) isRearmed = true;
    return this;
  }

  ref() {
    return setRefed(this, true);
  }

  unref() {
    return setRefed(this, false);
  }

  hasRef() {
    return this[kRefed];
  }

  close() {
    clearTimeout(this);
    return this;
  }

  [Symbol.toPrimitive]() {
    if (this[kPrimitive] === 0) {
      this[kPrimitive] = nextId;
      nextId += 1;
    }
    if (!this._destroyed) knownById.set(this[kPrimitive], this);
    return this[kPrimitive];
  }

  [Symbol.dispose]() {
    clearTimeout(this);
  }
}
// What most timers never change.
Timeout.prototype[kRefed] = true;
Timeout.prototype[kPrimitive] = 0;

// R20, with the warnings of Node.
function toDelay(delay) {
  if (delay === undefined) return 1;
  const ms = delay * 1;
  if (ms >= 1 && ms <= MAX_DELAY) return ms;
  if (ms > MAX_DELAY) {
    warn(`${ms} does not fit into a 32-bit signed integer.`, 'TimeoutOverflowWarning');
  } else if (native.release > 20 && ms < 0) {
    warnOnce(`${ms} is a negative number.`, 'TimeoutNegativeWarning');
  } else if (native.release > 20 && Number.isNaN(ms)) {
    warnOnce(`${ms} is not a number.`, 'TimeoutNaNWarning');
  }
  return 1;
}

function warnOnce(problem, name) {
  if (warned.has(name)) return;
  warned.add(name);
  warn(problem, name);
}

function warn(problem, name) {
  process.emitWarning(`${problem}\nTimeout duration was set to 1.`, name);
}

function arm(timer) {
  let slot = freeTimeout;
  if (slot < 0) slot = timeouts.length;
  else freeTimeout = timeouts[slot];
  timeouts[slot] = timer;
  timer[kSlot] = slot;
  timer._idleStart = armTimer(slot, +timer._idleTimeout, timer._repeat !== null && timer._repeat !== undefined);
  if (!timer[kRefed]) refTimer(slot, false);
  if (places) label(timer);
}

function freeSlot(timer, slot) {
  timer[kSlot] = -1;
  timeouts[slot] = freeTimeout;
  freeTimeout = slot;
}

function label(timer) {
  const place = timerPlaces.get(timer) ?? places.here();
  if (!place) return;
  timerPlaces.set(timer, place); // one that is armed again keeps its place
  native.labelTimer(timer[kSlot], place);
}

function release(timer) {
  const slot = timer[kSlot];
  if (!(slot >= 0)) return;
  freeSlot(timer, slot);
  clearTimer(slot);
}

function setRefed(timer, refed) {
  if (timer[kRefed] === refed) return timer;
  timer[kRefed] = refed;
  if (timer[kSlot] >= 0) refTimer(timer[kSlot], refed);
  if (!timer._destroyed) refedTimeouts += refed ? 1 : -1;
  return timer;
}

function destroy(timer) {
  timer._destroyed = true;
  if (timer[kPrimitive] > 0) knownById.delete(timer[kPrimitive]);
  if (timer[kRefed]) refedTimeouts -= 1;
}

// The loop calls this when the timer in the slot has fired.
function onTimer(slot) {
  const timer = timeouts[slot];
  const repeated = timer._repeat;
  const callback = timer._onTimeout;
  firing = timer;
  isRearmed = false;
  if (callback === null || callback === undefined) {
    afterTimer(timer, repeated);
    return;
  }
  try {
    const args = timer._timerArgs;
    if (args === undefined) timer._onTimeout();
    else apply(callback, timer, args);
  } finally {
    afterTimer(timer, repeated);
  }
}

function afterTimer(timer, repeated) {
  firing = undefined;
  const { _repeat } = timer;
  if (_repeat && timer._onTimeout !== null && timer._idleTimeout !== -1) {
    if (_repeat === repeated) return; // the loop arms it again
    timer._idleTimeout = _repeat;
    repeatTimer(timer[kSlot], Number(_repeat));
  } else if (repeated) {
    release(timer); // an interval that the callback has ended: the loop would arm it again
    if (!timer._destroyed) destroy(timer);
  } else if (!isRearmed) {
    const slot = timer[kSlot];
    if (slot >= 0) freeSlot(timer, slot);
    if (!timer._destroyed) destroy(timer);
  }
}

function clearTimeout(timer) {
  if (timer?._onTimeout) {
    cancel(timer);
  } else if (typeof timer === 'number' || typeof timer === 'string') {
    const known = knownById.get(Number(timer));
    if (known !== undefined) cancel(known);
  }
}

function cancel(timer) {
  timer._onTimeout = null;
  if (timer._destroyed) return;
  destroy(timer);
  release(timer);
  timer._idleTimeout = -1;
}

class Immediate {
  constructor(callback, args) {
    this._onImmediate = callback;
    this._argv = args;
    this._destroyed = false;
    this[kRefed] = true;
    let slot = freeImmediate;
    if (slot < 0) slot = immediates.length;
    else freeImmediate = immediates[slot];
    immediates[slot] = this;
    this[kSlot] = slot;
    native.immediate(slot);
    const place = places?.here();
    if (place) native.labelImmediate(slot, place);
    refedImmediates += 1;
  }

  ref() {
    return setImmediateRefed(this, true);
  }

  unref() {
    return setImmediateRefed(this, false);
  }

  hasRef() {
    return Boolean(this[kRefed]);
  }

  [Symbol.dispose]() {
    clearImmediate(this);
  }
}

function setImmediateRefed(immediate, refed) {
  if (immediate._destroyed || immediate[kRefed] === refed) return immediate;
  immediate[kRefed] = refed;
  refedImmediates += refed ? 1 : -1;
  native.refImmediate(immediate[kSlot], refed);
  return immediate;
}

function end(immediate) {
  const slot = immediate[kSlot];
  immediates[slot] = freeImmediate;
  freeImmediate = slot;
  immediate._destroyed = true;
  if (immediate[kRefed]) refedImmediates -= 1;
  immediate[kRefed] = null;
}

function onImmediate(slot) {
  const immediate = immediates[slot];
  end(immediate);
  try {
    const argv = immediate._argv;
    if (argv === undefined) immediate._onImmediate();
    else apply(immediate._onImmediate, immediate, argv);
  } finally {
    immediate._onImmediate = null;
  }
}

function clearImmediate(immediate) {
  if (!immediate?._onImmediate || immediate._destroyed || !(immediate instanceof Immediate)) return;
  end(immediate);
  native.clearImmediate(immediate[kSlot]);
  immediate._onImmediate = null;
}

function setTimeout(callback, delay, ...args) {
  if (typeof callback !== 'function') validateFunction(callback, 'callback');
  return new Timeout(callback, delay, args.length > 0 ? args : undefined, false);
}

function setInterval(callback, delay, ...args) {
  if (typeof callback !== 'function') validateFunction(callback, 'callback');
  return new Timeout(callback, delay, args.length > 0 ? args : undefined, true);
}

function setImmediate(callback, ...args) {
  if (typeof callback !== 'function') validateFunction(callback, 'callback');
  return new Immediate(callback, args.length > 0 ? args : undefined);
}

function clearInterval(timer) {
  clearTimeout(timer);
}

// setTimeout[util.promisify.custom], made when first used.
const promisified = Symbol.for('nodejs.util.promisify.custom');
for (const [name, scheduler] of Object.entries({ setTimeout, setImmediate })) {
  Object.defineProperty(scheduler, promisified, {
    enumerable: true,
    get: () => require('timers/promises')[name],
  });
}

module.exports = {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  clearImmediate,
  get promises() {
    return require('timers/promises');
  },
};

internals.timers = {
  // Starts the timer that an object is for `timers.active`, whose delay may have changed.
  activate(item, refed, isNewDelay) {
    if (!(item[kSlot] >= 0) || isNewDelay) {
      release(item);
      item[kRefed] = refed;
      arm(item);
    } else {
      item._idleStart = refreshTimer(item[kSlot]);
      refTimer(item[kSlot], refed);
      if (item._destroyed === false && item[kRefed]) refedTimeouts -= 1;
      item[kRefed] = refed;
    }
    if (refed) refedTimeouts += 1;
    item._destroyed = false;
    if (item === firing) isRearmed = true;
  },
  deactivate(item) {
    if (item._destroyed) return;
    destroy(item);
    release(item);
    item._idleTimeout = -1;
  },
  onTimer,
  onImmediate,
  activeResources: () => [
    ...Array(refedTimeouts).fill('Timeout'),
    ...Array(refedImmediates).fill('Immediate'),
  ],
};

if (native.release < 24) Object.assign(module.exports, require('internal/timers_legacy'));
