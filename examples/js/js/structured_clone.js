// `structuredClone`.
'use strict';

const kinds = require('internal/inspect_kinds');
const { plainWithCode, withCode } = require('internal/errors');

function failure(value) {
  const { DOMException } = require('internal/event_target');
  const text = typeof value === 'symbol' ? value.toString() : typeof value === 'function' ? Function.prototype.toString.call(value)
    : '#<Object>';
  return new DOMException(`${text} could not be cloned.`, 'DataCloneError');
}

const errorClasses = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function clone(value, copies) {
  if (typeof value === 'function' || typeof value === 'symbol') throw failure(value);
  if (value === null || typeof value !== 'object') return value;
  if (copies.has(value)) return copies.get(value);
  const keep = (copy) => {
    copies.set(value, copy);
    return copy;
  };
  for (const [kind, is] of Object.entries(kinds.isBoxed)) {
    if (is(value)) return keep(Object(globalThis[kind].prototype.valueOf.call(value)));
  }
  if (kinds.isDate(value)) return keep(new Date(value.getTime()));
  if (kinds.isRegExp(value)) return keep(new RegExp(value.source, value.flags));
  if (kinds.isArrayBuffer(value)) return keep(value.slice(0));
  if (kinds.isSharedArrayBuffer(value)) return keep(value);
  if (ArrayBuffer.isView(value)) return keep(cloneView(value, copies));
  if (kinds.isMap(value)) {
    const copy = keep(new Map());
    for (const [key, item] of [...value]) copy.set(clone(key, copies), clone(item, copies));
    return copy;
  }
  if (kinds.isSet(value)) {
    const copy = keep(new Set());
    for (const item of [...value]) copy.add(clone(item, copies));
    return copy;
  }
  if (isDomException(value)) return keep(cloneDomException(value));
  if (native.isError(value)) return cloneError(value, copies, keep);
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw failure(value);
  const copy = keep(Array.isArray(value) ? new Array(value.length) : {});
  for (const key of Object.keys(value)) copy[key] = clone(value[key], copies);
  return copy;
}

function isDomException(value) {
  return native.isError(value) && value instanceof require('internal/event_target').DOMException;
}

function cloneDomException(value) {
  const copy = new value.constructor(value.message, value.name);
  return Object.defineProperty(copy, 'stack', { value: value.stack, writable: true, configurable: true });
}

function cloneView(value, copies) {
  const buffer = clone(value.buffer, copies);
  const kind = value instanceof DataView ? DataView : globalThis[value[Symbol.toStringTag]];
  return new kind(buffer, value.byteOffset, value instanceof DataView ? value.byteLength : value.length);
}

function cloneError(value, copies, keep) {
  const Class = errorClasses[value.name] ?? Error;
  const copy = keep(new Class(String(value.message)));
  const set = (key, item) => Object.defineProperty(copy, key, { value: item, writable: true, configurable: true });
  set('stack', String(value.stack));
  if (Object.hasOwn(value, 'cause')) set('cause', clone(value.cause, copies));
  return copy;
}

function checkOptions(options) {
  const refuse = (problem) => {
    throw withCode(TypeError, 'ERR_INVALID_ARG_TYPE', `Failed to execute 'structuredClone': ${problem}`);
  };
  if (options === undefined || options === null) return;
  if (typeof options !== 'object' && typeof options !== 'function') refuse('Options cannot be converted to a dictionary');
  const { transfer } = options;
  if (transfer === null && native.release < 24) return;
  if (transfer !== undefined && (typeof transfer !== 'object' || typeof transfer?.[Symbol.iterator] !== 'function')) {
    refuse('transfer in Options can not be converted to sequence.');
  }
}

function missingArgument() {
  const text = 'The value argument must be specified';
  if (native.release < 22) return plainWithCode(TypeError, 'ERR_MISSING_ARGS', text);
  return withCode(TypeError, 'ERR_MISSING_ARGS', `The "${text}" argument must be specified`);
}

module.exports = function structuredClone(value, options) {
  if (arguments.length === 0) throw missingArgument();
  checkOptions(options);
  const copies = new Map();
  const copy = clone(value, copies);
  for (const buffer of options?.transfer ?? []) {
    if (!kinds.isArrayBuffer(buffer)) throw failure(buffer);
    buffer.transfer();
  }
  return copy;
};
