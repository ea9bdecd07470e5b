// Errors with the codes and texts of Node.
'use strict';

// An error of Node's JavaScript, whose texts have the code beside the name: `TypeError [ERR_INVALID_ARG_TYPE]: ...`.
function withCode(Base, code, message) {
  const error = plainWithCode(Base, code, message);
  internals.markCoded(error);
  Object.defineProperty(error, 'toString', {
    value() {
      return `${this.name} [${this.code}]: ${this.message}`;
    },
    configurable: true,
    writable: true,
  });
  return error;
}

// An error of Node's native code, or one whose code is not of Node's own list.
function plainWithCode(Base, code, message) {
  return Object.assign(new Base(message), { code });
}

// The end of the message of ERR_INVALID_ARG_TYPE.
function received(value) {
  if (value === null || value === undefined) return ` Received ${value}`;
  if (typeof value === 'function') return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    if (value.constructor?.name) return ` Received an instance of ${value.constructor.name}`;
    return ` Received ${require('internal/inspect').inspect(value, { depth: -1 })}`;
  }
  let text = require('internal/inspect').inspect(value);
  if (text.length > 28) text = `${text.slice(0, 25)}...`;
  return ` Received type ${typeof value} (${text})`;
}

function invalidArgType(name, expected, value) {
  const kind = name.includes('.') ? 'property' : 'argument';
  const what = name.endsWith(' argument') ? name : `"${name}" ${kind}`;
  return withCode(TypeError, 'ERR_INVALID_ARG_TYPE', `The ${what} must be ${expected}.${received(value)}`);
}

function outOfRange(name, range, value) {
  const isLarge = Number.isInteger(value) && Math.abs(value) > 2 ** 32;
  const shown = isLarge ? String(value).replace(/\B(?=(\d{3})+$)/g, '_') : value;
  return withCode(RangeError, 'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`);
}

function invalidArgValue(name, value, reason = 'is invalid') {
  const { inspect } = require('internal/inspect');
  const kind = name.includes('.') ? 'property' : 'argument';
  return withCode(TypeError, 'ERR_INVALID_ARG_VALUE',
    `The ${kind} '${name}' ${reason}. Received ${inspect(value)}`);
}

function validateFunction(value, name) {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value);
}

function validateString(value, name) {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
}

function validateNumber(value, name) {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
}

function validateBoolean(value, name) {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
}

function validateObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
}

function validateAbortSignal(signal, name) {
  if (signal !== undefined && (signal === null || typeof signal !== 'object' || !('aborted' in signal))) {
    throw invalidArgType(name, 'an instance of AbortSignal', signal);
  }
}

class AbortError extends Error {
  constructor(message = 'The operation was aborted', options = undefined) {
    super(message, options);
    this.code = 'ABORT_ERR';
    this.name = 'AbortError';
  }
}

module.exports = {
  AbortError,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  plainWithCode,
  validateAbortSignal,
  validateBoolean,
  validateFunction,
  validateNumber,
  validateObject,
  validateString,
  withCode,
};
