// `util`.
'use strict';

const { inspect, format, formatWithOptions } = require('internal/inspect');
const kinds = require('internal/inspect_kinds');
const { isDeepStrictEqual } = require('internal/deep_equal');
const { invalidArgType, plainWithCode, validateFunction, withCode } = require('internal/errors');

require('buffer');

const custom = Symbol.for('nodejs.util.promisify.custom');

function promisify(original) {
  validateFunction(original, 'original');
  if (original[custom]) {
    validateFunction(original[custom], 'util.promisify.custom');
    return original[custom];
  }
  function promisified(...args) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...args, (error, ...values) => {
        if (error) reject(error);
        else resolve(values[0]);
      }]);
    });
  }
  Object.setPrototypeOf(promisified, Object.getPrototypeOf(original));
  Object.defineProperty(promisified, custom, { value: promisified, configurable: true });
  return Object.defineProperties(promisified, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = custom;

function callbackify(original) {
  validateFunction(original, 'original');
  function callbackified(...args) {
    const callback = args.pop();
    if (typeof callback !== 'function') throw invalidArgType('last argument', 'of type function', callback);
    Reflect.apply(original, this, args).then(
      (value) => process.nextTick(callback, null, value),
      (reason) => process.nextTick(() => {
        if (!reason) {
          const error = withCode(Error, 'ERR_FALSY_VALUE_REJECTION', 'Promise was rejected with falsy value');
          error.reason = reason;
          reason = error;
        }
        callback(reason);
      }),
    );
  }
  return Object.defineProperty(callbackified, 'name', { value: `${original.name}Callbackified` });
}

function inherits(constructor, parent) {
  Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

const warnedCodes = new Set();
function deprecate(original, message, code) {
  let warned = false;
  return function deprecated(...args) {
    if (!warned && !(code && warnedCodes.has(code))) {
      warned = true;
      if (code) warnedCodes.add(code);
      process.emitWarning(message, 'DeprecationWarning', code);
    }
    return new.target ? Reflect.construct(original, args, new.target) : Reflect.apply(original, this, args);
  };
}

class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(text = '') {
    return new Uint8Array(native.encode(`${text}`));
  }
}

class TextDecoder {
  #fatal;
  #keepsMark;
  constructor(encoding = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!/^utf-?8$/i.test(encoding)) {
      throw withCode(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${encoding}" encoding is not supported`);
    }
    this.#fatal = fatal;
    this.#keepsMark = ignoreBOM;
  }

  get encoding() {
    return 'utf-8';
  }

  decode(data = new Uint8Array(0)) {
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    const text = native.decode(internals.binary(bytes), this.#fatal);
    if (text === undefined) {
      throw plainWithCode(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', 'The encoded data was not valid for encoding utf-8');
    }
    return this.#keepsMark ? text : text.replace(/^\ufeff/, '');
  }
}

// The calls of the program on the stack, the innermost first.
function getCallSites(count = 10) {
  const { prepareStackTrace, stackTraceLimit } = Error;
  let frames;
  try {
    Error.prepareStackTrace = (_, list) => list;
    Error.stackTraceLimit = count + 1;
    frames = new Error().stack.slice(1);
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
  return frames.map((frame) => ({
    functionName: frame.getFunctionName() ?? '',
    scriptId: '0',
    scriptName: frame.getFileName() ?? '',
    lineNumber: frame.getLineNumber() ?? 0,
    columnNumber: frame.getColumnNumber() ?? 0,
    column: frame.getColumnNumber() ?? 0,
  }));
}

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
const types = {
  isPromise: (value) => value instanceof Promise,
  isRegExp: (value) => value !== null && typeof value === 'object' && kinds.isRegExp(value),
  isDate: (value) => value !== null && typeof value === 'object' && kinds.isDate(value),
  isMap: (value) => value !== null && typeof value === 'object' && kinds.isMap(value),
  isSet: (value) => value !== null && typeof value === 'object' && kinds.isSet(value),
  isNativeError: (value) => value !== null && typeof value === 'object' && kinds.isError(value),
  isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
  isUint8Array: (value) => value instanceof Uint8Array,
  isArrayBuffer: (value) => value instanceof ArrayBuffer,
  isAnyArrayBuffer: (value) => value instanceof ArrayBuffer || value instanceof SharedArrayBuffer,
  isArrayBufferView: ArrayBuffer.isView,
  isAsyncFunction: (value) => typeof value === 'function' && /^Async/.test(tag(value)),
  isGeneratorFunction: (value) => typeof value === 'function' && /GeneratorFunction$/.test(tag(value)),
  isGeneratorObject: (value) => tag(value) === 'Generator',
  isWeakMap: (value) => value instanceof WeakMap,
  isWeakSet: (value) => value instanceof WeakSet,
  isSymbolObject: (value) => typeof value === 'object' && value instanceof Symbol,
  isBoxedPrimitive: (value) => value !== null && typeof value === 'object' &&
    Object.values(kinds.isBoxed).some((is) => is(value)),
};

// eslint-disable-next-line no-control-regex
const stripVTControlCharacters = (text) => `${text}`.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');

module.exports = {
  TextDecoder,
  TextEncoder,
  aborted: async (signal) => new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  }),
  callbackify,
  debuglog: () => Object.assign(() => {}, { enabled: false }),
  deprecate,
  format,
  formatWithOptions,
  getCallSites,
  inherits,
  inspect,
  isArray: Array.isArray,
  isDeepStrictEqual,
  promisify,
  stripVTControlCharacters,
  toUSVString: (text) => `${text}`.toWellFormed(),
  types,
};
