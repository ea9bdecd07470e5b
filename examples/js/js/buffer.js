// `buffer`: as much of it as files and texts need.
'use strict';

const { inspect } = require('internal/inspect');
const { invalidArgType, withCode } = require('internal/errors');

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function encodeBase64(bytes, isUrl) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const count = Math.min(3, bytes.length - at);
    for (let digit = 0; digit <= count; digit += 1) text += digits[(group >> (18 - 6 * digit)) & 63];
    text += '='.repeat(3 - count);
  }
  return isUrl ? text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '') : text;
}

function decodeBase64(text) {
  const bytes = [];
  let group = 0;
  let bits = 0;
  for (const character of text.replaceAll('-', '+').replaceAll('_', '/')) {
    const digit = digits.indexOf(character);
    if (character === '=') break;
    if (digit < 0) continue;
    group = (group << 6) | digit;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((group >> bits) & 255);
    }
  }
  return bytes;
}

function encode(text, encoding = 'utf8') {
  switch (`${encoding}`.toLowerCase()) {
    case 'utf8': case 'utf-8': return native.encode(text);
    case 'hex': return (text.match(/[0-9a-f]{2}/gi) ?? []).map((pair) => Number.parseInt(pair, 16));
    case 'base64': case 'base64url': return decodeBase64(text);
    case 'latin1': case 'binary': case 'ascii': return Array.from(text, (character) => character.charCodeAt(0) & 255);
    case 'utf16le': case 'ucs2': return Array.from(text).flatMap((_, at) => [text.charCodeAt(at) & 255, text.charCodeAt(at) >> 8]);
    default: throw withCode(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
  }
}

class Buffer extends Uint8Array {
  static from(value, encoding, length) {
    if (typeof value === 'string') return new Buffer(encode(value, encoding));
    if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Buffer(value, encoding, length);
    if (value !== null && typeof value === 'object') {
      if (value.type === 'Buffer' && Array.isArray(value.data)) return new Buffer(value.data);
      if (value.length !== undefined || Symbol.iterator in value) return new Buffer(Array.from(value));
    }
    throw invalidArgType('first argument', 'of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object', value);
  }

  static alloc(size, fill, encoding) {
    const buffer = new Buffer(size);
    return fill === undefined ? buffer : buffer.fill(fill, 0, size, encoding);
  }

  static allocUnsafe(size) {
    return new Buffer(size);
  }

  static isBuffer(value) {
    return value instanceof Buffer;
  }

  static isEncoding(encoding) {
    return /^(utf-?8|hex|base64(url)?|latin1|binary|ascii|utf16le|ucs2)$/i.test(encoding);
  }

  static byteLength(value, encoding) {
    return typeof value === 'string' ? encode(value, encoding).byteLength ?? encode(value, encoding).length : value.byteLength;
  }

  static concat(list, total = list.reduce((sum, part) => sum + part.length, 0)) {
    const result = Buffer.alloc(total);
    let at = 0;
    for (const part of list) {
      result.set(part.subarray(0, Math.max(0, total - at)), at);
      at += part.length;
    }
    return result;
  }

  static compare(left, right) {
    const length = Math.min(left.length, right.length);
    for (let at = 0; at < length; at += 1) if (left[at] !== right[at]) return left[at] < right[at] ? -1 : 1;
    return Math.sign(left.length - right.length);
  }

  toString(encoding = 'utf8', start = 0, end = this.length) {
    const bytes = this.subarray(start, end);
    switch (`${encoding}`.toLowerCase()) {
      case 'utf8': case 'utf-8': return native.decode(binary(bytes), false);
      case 'hex': return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
      case 'base64': return encodeBase64(bytes, false);
      case 'base64url': return encodeBase64(bytes, true);
      case 'ascii': return Array.from(bytes, (byte) => String.fromCharCode(byte & 127)).join('');
      case 'latin1': case 'binary': return binary(bytes);
      default: throw withCode(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
    }
  }

  toJSON() {
    return { type: 'Buffer', data: Array.from(this) };
  }

  equals(other) {
    return Buffer.compare(this, other) === 0;
  }

  compare(other) {
    return Buffer.compare(this, other);
  }

  write(text, offset = 0, encoding = 'utf8') {
    const bytes = new Uint8Array(encode(text, encoding)).subarray(0, this.length - offset);
    this.set(bytes, offset);
    return bytes.length;
  }

  fill(value, start = 0, end = this.length, encoding = 'utf8') {
    if (typeof value !== 'string') return super.fill(value, start, end);
    const bytes = new Uint8Array(encode(value, encoding));
    for (let at = start; bytes.length > 0 && at < end; at += 1) this[at] = bytes[(at - start) % bytes.length];
    return this;
  }

  indexOf(value, from = 0, encoding = 'utf8') {
    if (typeof value === 'number') return super.indexOf(value & 255, from);
    return binary(this).indexOf(binary(typeof value === 'string' ? new Uint8Array(encode(value, encoding)) : value), from);
  }

  includes(value, from, encoding) {
    return this.indexOf(value, from, encoding) >= 0;
  }

  slice(start, end) {
    return this.subarray(start, end);
  }

  [inspect.custom]() {
    const shown = Array.from(this.subarray(0, 50), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const more = this.length > 50 ? ` ... ${this.length - 50} more byte${this.length > 51 ? 's' : ''}` : '';
    return `<Buffer${shown === '' ? '' : ` ${shown}`}${more}>`;
  }
}

// The bytes as a text of one character for each: native code reads a text.
function binary(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) {
    text += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(at, at + 4096));
  }
  return text;
}
internals.binary = binary;

function characterError(text) {
  const { DOMException } = require('internal/event_target');
  return new DOMException(text, 'InvalidCharacterError');
}

function atob(text) {
  if (arguments.length === 0) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "input" argument must be specified');
  const given = `${text}`.replace(/[\t\n\f\r ]/g, '');
  const digits = given.length % 4 === 0 ? given.replace(/==?$/, '') : given;
  if (/[^A-Za-z0-9+/]/.test(digits)) throw characterError('Invalid character');
  if (digits.length % 4 === 1) throw characterError('The string to be decoded is not correctly encoded.');
  return Buffer.from(digits, 'base64').toString('latin1');
}

function btoa(text) {
  if (arguments.length === 0) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "input" argument must be specified');
  const given = `${text}`;
  if (/[^\0-\xff]/.test(given)) throw characterError('Invalid character');
  return Buffer.from(given, 'latin1').toString('base64');
}

module.exports = {
  Buffer,
  atob,
  btoa,
  constants: { MAX_LENGTH: 2 ** 32 },
  kMaxLength: 2 ** 32,
};
