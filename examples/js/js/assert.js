// `assert`.
'use strict';

const { inspect } = require('internal/inspect');
const { isDeepEqual, isDeepStrictEqual } = require('internal/deep_equal');
const { invalidArgType, invalidArgValue, withCode } = require('internal/errors');

class AssertionError extends Error {
  constructor({ message, actual, expected, operator, stackStartFn }) {
    super(message === undefined ? describe(actual, expected, operator) : String(message));
    this.generatedMessage = message === undefined;
    this.code = 'ERR_ASSERTION';
    internals.markCoded(this);
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    if (stackStartFn) Error.captureStackTrace?.(this, stackStartFn);
  }

  get name() {
    return 'AssertionError';
  }

  toString() {
    return `${this.name} [${this.code}]: ${this.message}`;
  }
}

const headlines = {
  deepStrictEqual: 'Expected values to be strictly deep-equal:',
  strictEqual: 'Expected values to be strictly equal:',
  deepEqual: 'Expected values to be loosely deep-equal:',
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
};

function describe(actual, expected, operator) {
  const headline = headlines[operator];
  const isShort = (value) => typeof value !== 'object' && typeof value !== 'function' || value === null;
  if (headline === undefined) return `${inspect(actual)} ${operator} ${inspect(expected)}`;
  if (operator.startsWith('not')) return `${headline}${isShort(expected) ? ' ' : '\n\n'}${inspect(expected)}`;
  if (operator === 'strictEqual' && isShort(actual) && isShort(expected)) {
    return `${headline}\n\n${inspect(actual)} !== ${inspect(expected)}\n`;
  }
  if (operator === 'deepEqual') return `${headline}\n\n${inspect(actual)}\n\nshould loosely deep-equal\n\n${inspect(expected)}`;
  return `${headline}\n+ actual - expected\n\n+ ${inspect(actual)}\n- ${inspect(expected)}`;
}

function fail(message, details) {
  if (message instanceof Error) throw message;
  throw new AssertionError({ ...details, message });
}

function assert(...args) {
  ok(assert, args);
}

function ok(caller, args) {
  if (args[0]) return;
  const message = args.length === 0 ? 'No value argument passed to `assert.ok()`' : args[1];
  if (message instanceof Error) throw message;
  const error = new AssertionError({
    message: message ?? 'The expression evaluated to a falsy value', actual: args[0], expected: true, operator: '==', stackStartFn: caller,
  });
  error.generatedMessage = args[1] === undefined;
  throw error;
}

assert.ok = (...args) => ok(assert.ok, args);
assert.AssertionError = AssertionError;

function comparison(operator, holds) {
  const check = {
    [operator](actual, expected, message) {
      if (arguments.length < 2) {
        throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "actual" and "expected" arguments must be specified');
      }
      if (!holds(actual, expected)) fail(message, { actual, expected, operator: shown[operator] ?? operator, stackStartFn: check });
    },
  }[operator];
  assert[operator] = check;
}
const shown = { equal: '==', notEqual: '!=' };

const looseEqual = (left, right) => left == right || Number.isNaN(left) && Number.isNaN(right); // eslint-disable-line eqeqeq
comparison('equal', looseEqual);
comparison('notEqual', (left, right) => !looseEqual(left, right));
comparison('strictEqual', Object.is);
comparison('notStrictEqual', (left, right) => !Object.is(left, right));
comparison('deepEqual', isDeepEqual);
comparison('notDeepEqual', (left, right) => !isDeepEqual(left, right));
comparison('deepStrictEqual', isDeepStrictEqual);
comparison('notDeepStrictEqual', (left, right) => !isDeepStrictEqual(left, right));

assert.fail = (message = 'Failed') => {
  if (message instanceof Error) throw message;
  throw new AssertionError({ message, operator: 'fail', stackStartFn: assert.fail });
};

assert.ifError = (value) => {
  if (value === null || value === undefined) return;
  const text = value instanceof Error ? value.message || value.constructor.name : inspect(value);
  throw new AssertionError({ message: `ifError got unwanted exception: ${text}`, actual: value, expected: null, operator: 'ifError' });
};

function matches(operator, negated) {
  assert[operator] = (text, pattern, message) => {
    if (!(pattern instanceof RegExp)) throw invalidArgType('regexp', 'an instance of RegExp', pattern);
    if (typeof text === 'string' && pattern.test(text) !== negated) return;
    const relation = negated ? 'was expected to not match the regular expression' : 'did not match the regular expression';
    fail(message ?? (typeof text === 'string'
      ? `The input ${relation} ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`
      : `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})`),
    { actual: text, expected: pattern, operator });
  };
}
matches('match', false);
matches('doesNotMatch', true);

// Whether the error is what `throws` expects; throws if it is not.
function checkError(error, expected, message, operator) {
  if (expected === undefined) return;
  if (typeof expected === 'function') {
    if (expected.prototype !== undefined && error instanceof expected) return;
    if (Object.prototype.isPrototypeOf.call(Error, expected)) {
      fail(message ?? `The error is expected to be an instance of "${expected.name}". Received "${
        error?.constructor?.name ?? typeof error}"\n\nError message:\n\n${error?.message}`, { actual: error, expected, operator });
    }
    if (Reflect.apply(expected, {}, [error]) === true) return;
    fail(message ?? `The ${expected.name ? `"${expected.name}" ` : ''}validation function is expected to return "true". Received false`,
      { actual: error, expected, operator });
  }
  if (expected instanceof RegExp) {
    if (expected.test(String(error))) return;
    fail(message ?? `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(String(error))}\n`,
      { actual: error, expected, operator });
  }
  checkProperties(error, expected, message, operator);
}

function checkProperties(error, expected, message, operator) {
  const keys = Object.keys(expected);
  if (expected instanceof Error) keys.push('name', 'message');
  if (keys.length === 0) throw invalidArgValue('error', expected, 'may not be an empty object');
  for (const key of keys) {
    const is = typeof error?.[key] === 'string' && expected[key] instanceof RegExp ? expected[key].test(error[key])
      : isDeepStrictEqual(error?.[key], expected[key]);
    if (is) continue;
    const pick = (value) => Object.fromEntries(keys.filter((name) => name in value).map((name) => [name, value[name]]));
    fail(message, { actual: pick(Object(error)), expected: pick(expected), operator: 'deepStrictEqual' });
  }
}

function expectError(caught, expected, message, operator) {
  if (typeof expected === 'string') {
    message = expected;
    expected = undefined;
  }
  if (caught === undefined) {
    const kind = operator === 'rejects' ? 'rejection' : 'exception';
    const name = expected?.name ? ` (${expected.name})` : '';
    fail(message instanceof Error ? message : `Missing expected ${kind}${name}${message ? `: ${message}` : '.'}`,
      { actual: undefined, expected, operator });
  }
  checkError(caught.error, expected, message, operator);
}

function expectNone(caught, expected, message, operator) {
  if (caught === undefined) return;
  if (typeof expected === 'string') message = expected;
  const kind = operator === 'doesNotReject' ? 'rejection' : 'exception';
  fail(`Got unwanted ${kind}${message ? `: ${message}` : '.'}\nActual message: "${caught.error?.message}"`,
    { actual: caught.error, expected, operator });
}

function catchSync(call) {
  if (typeof call !== 'function') throw invalidArgType('fn', 'of type function', call);
  try {
    call();
  } catch (error) {
    return { error };
  }
  return undefined;
}

async function catchAsync(subject) {
  if (typeof subject !== 'function' && typeof subject?.then !== 'function') {
    throw invalidArgType('promiseFn', 'of type function or an instance of Promise', subject);
  }
  const promise = typeof subject === 'function' ? subject() : subject;
  try {
    await promise;
  } catch (error) {
    return { error };
  }
  return undefined;
}

assert.throws = (call, expected, message) => expectError(catchSync(call), expected, message, 'throws');
assert.doesNotThrow = (call, expected, message) => expectNone(catchSync(call), expected, message, 'doesNotThrow');
assert.rejects = async (subject, expected, message) => expectError(await catchAsync(subject), expected, message, 'rejects');
assert.doesNotReject = async (subject, expected, message) => expectNone(await catchAsync(subject), expected, message, 'doesNotReject');

assert.strict = Object.assign((...args) => ok(assert.strict, args), assert, {
  equal: assert.strictEqual,
  notEqual: assert.notStrictEqual,
  deepEqual: assert.deepStrictEqual,
  notDeepEqual: assert.notDeepStrictEqual,
});
assert.strict.strict = assert.strict;

module.exports = assert;
