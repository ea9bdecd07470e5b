// Deep equality, strict (`Object.is`, prototypes) or loose (`==`).
'use strict';

const kinds = require('internal/inspect_kinds');

function isDeepEqual(left, right, strict, pairs = []) {
  if (left === right) return !strict || left !== 0 || Object.is(left, right);
  const isObject = (value) => value !== null && (typeof value === 'object' || typeof value === 'function');
  if (!isObject(left) || !isObject(right)) {
    if (Number.isNaN(left) && Number.isNaN(right)) return true;
    // eslint-disable-next-line eqeqeq
    return strict || isObject(left) || isObject(right) ? false : left == right;
  }
  if (typeof left === 'function' || typeof right === 'function') return false;
  if (strict && Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false;
  if (Object.prototype.toString.call(left) !== Object.prototype.toString.call(right)) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  if (!sameContent(left, right, strict)) return false;
  if (pairs.some(([a, b]) => a === left && b === right)) return true;
  pairs.push([left, right]);
  const equal = sameEntries(left, right, strict, pairs) && sameKeys(left, right, strict, pairs);
  pairs.pop();
  return equal;
}

// What is not a property: times, patterns, messages, bytes.
function sameContent(left, right, strict) {
  if (kinds.isDate(left)) return kinds.isDate(right) && Object.is(left.getTime(), right.getTime());
  if (kinds.isRegExp(left)) {
    return kinds.isRegExp(right) && String(left) === String(right) && left.lastIndex === right.lastIndex;
  }
  if (kinds.isError(left)) return kinds.isError(right) && left.message === right.message && left.name === right.name;
  if (ArrayBuffer.isView(left) && !(left instanceof DataView)) {
    return left.length === right.length && left.every((item, index) =>
      (strict ? Object.is(item, right[index]) : item === right[index] || Number.isNaN(item) && Number.isNaN(right[index])));
  }
  if (kinds.isArrayBuffer(left)) return sameContent(new Uint8Array(left), new Uint8Array(right), strict);
  for (const [kind, is] of Object.entries(kinds.isBoxed)) {
    if (is(left)) return is(right) && Object.is(globalThis[kind].prototype.valueOf.call(left), globalThis[kind].prototype.valueOf.call(right));
  }
  return true;
}

function sameEntries(left, right, strict, pairs) {
  if (kinds.isSet(left)) {
    if (left.size !== right.size) return false;
    const rest = [...right];
    return [...left].every((item) => take(rest, (other) => isDeepEqual(item, other, strict, pairs)));
  }
  if (kinds.isMap(left)) {
    if (left.size !== right.size) return false;
    const rest = [...right];
    return [...left].every(([key, item]) => take(rest, ([otherKey, other]) =>
      isDeepEqual(key, otherKey, strict, pairs) && isDeepEqual(item, other, strict, pairs)));
  }
  return !Array.isArray(left) || left.length === right.length;
}

function take(rest, matches) {
  const position = rest.findIndex(matches);
  if (position >= 0) rest.splice(position, 1);
  return position >= 0;
}

function sameKeys(left, right, strict, pairs) {
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  const symbols = (value) => Object.getOwnPropertySymbols(value).filter((symbol) =>
    Object.prototype.propertyIsEnumerable.call(value, symbol));
  if (strict) {
    keys.push(...symbols(left));
    if (symbols(left).length !== symbols(right).length) return false;
  }
  return keys.every((key) => Object.prototype.propertyIsEnumerable.call(right, key) &&
    isDeepEqual(left[key], right[key], strict, pairs));
}

module.exports = {
  isDeepEqual: (left, right) => isDeepEqual(left, right, false),
  isDeepStrictEqual: (left, right) => isDeepEqual(left, right, true),
};
