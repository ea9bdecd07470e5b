// What tests of Node use of their module `common`, for a host without child processes and sockets.
'use strict';

const assert = require('assert');
const { inspect } = require('util');

const pending = []; // calls that must come until the process ends

process.on('exit', (code) => {
  if (code !== 0) return;
  const failed = pending.filter(({ fits, calls }) => !fits(calls));
  for (const { name, calls, expected } of failed) {
    console.error(`Mismatched ${name} function calls. Expected ${expected}, actual ${calls}.`);
  }
  if (failed.length > 0) process.exit(1);
});

function counted(callback, expected, fits) {
  if (typeof callback === 'number') return counted(() => {}, callback, fits);
  const count = typeof expected === 'number' ? expected : 1;
  const entry = { name: callback?.name || '<anonymous>', calls: 0, expected: count, fits: (calls) => fits(calls, count) };
  pending.push(entry);
  const wrapper = function(...args) {
    entry.calls += 1;
    return Reflect.apply(callback ?? (() => {}), this, args);
  };
  Object.defineProperties(wrapper, {
    name: { value: callback?.name ?? '', configurable: true },
    length: { value: callback?.length ?? 0, configurable: true },
  });
  return wrapper;
}

const mustCall = (callback, expected) => counted(callback, expected, (calls, count) => calls === count);
const mustCallAtLeast = (callback, expected) => counted(callback, expected, (calls, count) => calls >= count);

function mustNotCall(message = 'function should not have been called') {
  return function mustNotCall(...args) {
    const given = args.length > 0 ? `\ncalled with arguments: ${args.map((arg) => inspect(arg)).join(', ')}` : '';
    assert.fail(`${message}${given}`);
  };
}

const mustSucceed = (callback, expected) => mustCall(function(error, ...args) {
  assert.ifError(error);
  return callback?.apply(this, args);
}, expected);

// Each warning that a test expects, by its name: a text, a list of texts, or pairs of a text and a code.
const expectedWarnings = new Map();

function expectWarning(names, expected, code) {
  const all = typeof names === 'string' ? { [names]: expected } : names;
  if (expectedWarnings.size === 0) process.on('warning', checkWarning);
  for (const [name, value] of Object.entries(all)) {
    let list = value;
    if (typeof value === 'string') list = [[value, code]];
    else if (Array.isArray(value) && value.length > 0 && !Array.isArray(value[0])) {
      list = value.length === 2 && typeof value[1] === 'string' && /^[A-Z]+\d+$/.test(value[1]) ? [value] : value.map((text) => [text]);
    } else if (!Array.isArray(value)) list = Object.entries(value).map(([id, text]) => [text, id]);
    const check = mustCall((warning) => {
      const [message, id] = list.shift();
      assert.strictEqual(warning.message, message);
      if (id !== undefined) assert.strictEqual(warning.code, id);
    }, list.length);
    expectedWarnings.set(name, check);
  }
}

function checkWarning(warning) {
  const check = expectedWarnings.get(warning.name);
  if (check === undefined) throw new TypeError(`"${warning.name}" was triggered without being expected. ${inspect(warning)}`);
  check(warning);
}

const expectsError = (expected, count) => mustCall((error, ...others) => {
  assert.strictEqual(others.length, 0);
  assert.throws(() => {
    throw error;
  }, expected);
}, count);

// The end of the message of ERR_INVALID_ARG_TYPE.
function invalidArgTypeHelper(value) {
  if (value === null || value === undefined) return ` Received ${value}`;
  if (typeof value === 'function') return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    return value.constructor?.name ? ` Received an instance of ${value.constructor.name}` : ` Received ${inspect(value, { depth: -1 })}`;
  }
  const text = inspect(value, { colors: false });
  return ` Received type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`;
}

function skip(reason) {
  console.log(`1..0 # Skipped: ${reason}`);
  process.exit(0);
}

module.exports = {
  mustCall, mustCallAtLeast, mustNotCall, mustSucceed,
  mustNotMutateObjectDeep: (object) => object,
  expectWarning, expectsError, invalidArgTypeHelper, skip,
  printSkipMessage: (reason) => console.log(`1..0 # Skipped: ${reason}`),
  platformTimeout: (ms) => ms,
  allowGlobals() {},
  disableCrashOnUnhandledRejection: () => process.on('unhandledRejection', () => {}),
  busyLoop(ms) {
    const end = Date.now() + ms;
    while (Date.now() < end);
  },
  getArrayBufferViews: () => [],
  hasCrypto: false, hasIntl: false, hasIPv6: false, hasOpenSSL3: false, hasMultiLocalhost: () => false,
  isMainThread: true, isWindows: false, isLinux: true, isMacOS: false, isOSX: false, isFreeBSD: false, isAIX: false,
  isIBMi: false, isSunOS: false, isAlpine: () => false, isDumbTerminal: false, isInsideDirWithUnusualChars: false,
  enoughTestMem: true, localhostIPv4: '127.0.0.1', PORT: 0,
};
