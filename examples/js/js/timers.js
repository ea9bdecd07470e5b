// Timeout, Immediate and the functions of `timers`. The loop owns the order; an object here only has
// the slot of its timer on the loop.
'use strict';

const { validateFunction } = require('internal/errors');

const kRefed = Symbol('refed');
const kSlot = Symbol('slot');
const kHasPrimitive = Symbol('hasPrimitive');
const MAX_DELAY = 2 ** 31 - 1;
const apply = Reflect.apply;
const { places } = internals;
const timerPlaces = new WeakMap(); // if places are shown

const timeouts = []; // the armed timers, by slot
const immediates = []; // the pending immediates, by slot
const knownById = new Map(); // timers whose number a program has seen
let nextId = 2;
let refedTimeouts = 0;
let refedImmediates = 0;
const warned = new Set();

class Timeout {
  constructor(callback, delay, args, repeats) {
    this._idleTimeout = toDelay(delay);
    this._idleStart = null;
    this._onTimeout = callback;
    this._timerArgs = args;
    this._repeat = repeats ? this._idleTimeout : null;
    this._destroyed = false;
    this[kRefed] = true;
    this[kHasPrimitive] = 0;
    this[kSlot] = -1;
    arm(this);
    refedTimeouts += 1;
  }

  refresh() {
    if (!(this._idleTimeout >= 0)) return this;
    if (this[kSlot] >= 0) {
      native.refreshTimer(this[kSlot]);
      this._idleStart = native.loopTime();
    } else {
      arm(this);
    }
    if (this._destroyed && this[kRefed]) refedTimeouts += 1;
    this._destroyed = false;
    this[kRearmed] = true;
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
    if (this[kHasPrimitive] === 0) {
      this[kHasPrimitive] = nextId;
      nextId += 1;
    }
    if (!this._destroyed) knownById.set(this[kHasPrimitive], this);
    return this[kHasPrimitive];
  }

  [Symbol.dispose]() {
    clearTimeout(this);
  }
}
const kRearmed = Symbol('rearmed');

// R20, with the warnings of Node.
function toDelay(delay) {
  if (delay === undefined) return 1;
  const ms = Number(delay);
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
  const slot = native.armTimer(timer._idleTimeout, timer._repeat !== null && timer._repeat !== undefined);
  timer[kSlot] = slot;
  timer._idleStart = native.loopTime();
  timeouts[slot] = timer;
  if (!timer[kRefed]) native.refTimer(slot, false);
  if (places) label(timer);
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
  timer[kSlot] = -1;
  timeouts[slot] = undefined;
  native.clearTimer(slot);
}

// Forgets a timer that has fired. To clear it would remove its list, too (R29).
function forget(timer) {
  const slot = timer[kSlot];
  if (slot < 0) return;
  timer[kSlot] = -1;
  timeouts[slot] = undefined;
  native.dropTimer(slot);
}

function setRefed(timer, refed) {
  if (timer[kRefed] === refed) return timer;
  timer[kRefed] = refed;
  if (timer[kSlot] >= 0) native.refTimer(timer[kSlot], refed);
  if (!timer._destroyed) refedTimeouts += refed ? 1 : -1;
  return timer;
}

function destroy(timer) {
  timer._destroyed = true;
  if (timer[kHasPrimitive] !== 0) knownById.delete(timer[kHasPrimitive]);
  if (timer[kRefed]) refedTimeouts -= 1;
}

// The loop calls this when the timer in the slot has fired.
function onTimer(slot) {
  const timer = timeouts[slot];
  const repeated = timer._repeat;
  timer[kRearmed] = false;
  const callback = timer._onTimeout;
  if (callback === null || callback === undefined) {
    afterTimer(timer, repeated);
    return;
  }
  try {
    if (timer._timerArgs === undefined) apply(callback, timer, []);
    else apply(callback, timer, timer._timerArgs);
  } finally {
    afterTimer(timer, repeated);
  }
}

function afterTimer(timer, repeated) {
  if (timer._onTimeout !== null && timer._repeat && timer._idleTimeout !== -1) {
    if (timer._repeat === repeated) return; // the loop arms it again
    timer._idleTimeout = timer._repeat;
    native.repeatTimer(timer[kSlot], Number(timer._repeat));
  } else if (repeated) {
    release(timer); // an interval that the callback has ended: the loop would arm it again
    if (!timer._destroyed) destroy(timer);
  } else if (!timer[kRearmed]) {
    forget(timer);
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
    this[kSlot] = native.immediate();
    immediates[this[kSlot]] = this;
    const place = places?.here();
    if (place) native.labelImmediate(this[kSlot], place);
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
  immediates[immediate[kSlot]] = undefined;
  immediate._destroyed = true;
  if (immediate[kRefed]) refedImmediates -= 1;
  immediate[kRefed] = null;
}

function onImmediate(slot) {
  const immediate = immediates[slot];
  const callback = immediate._onImmediate;
  end(immediate);
  try {
    if (immediate._argv === undefined) apply(callback, immediate, []);
    else apply(callback, immediate, immediate._argv);
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
  validateFunction(callback, 'callback');
  return new Timeout(callback, delay, args.length > 0 ? args : undefined, false);
}

function setInterval(callback, delay, ...args) {
  validateFunction(callback, 'callback');
  return new Timeout(callback, delay, args.length > 0 ? args : undefined, true);
}

function setImmediate(callback, ...args) {
  validateFunction(callback, 'callback');
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
      native.refreshTimer(item[kSlot]);
      native.refTimer(item[kSlot], refed);
      item._idleStart = native.loopTime();
      if (item._destroyed === false && item[kRefed]) refedTimeouts -= 1;
      item[kRefed] = refed;
    }
    if (refed) refedTimeouts += 1;
    item._destroyed = false;
    item[kRearmed] = true;
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
