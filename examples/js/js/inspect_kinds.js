// What `util.inspect` prints around and for the entries of each kind of object.
'use strict';

const TypedArray = Object.getPrototypeOf(Uint8Array);
const tagOfTyped = Object.getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get;

// Whether a method of a built-in class accepts the value: its brand.
function hasBrand(prototype, name) {
  const member = Object.getOwnPropertyDescriptor(prototype, name);
  const check = member.get ?? member.value;
  return (value) => {
    try {
      Reflect.apply(check, value, []);
      return true;
    } catch {
      return false;
    }
  };
}
const isMap = hasBrand(Map.prototype, 'size');
const isSet = hasBrand(Set.prototype, 'size');
const isDate = hasBrand(Date.prototype, 'getTime');
const isArrayBuffer = hasBrand(ArrayBuffer.prototype, 'byteLength');
const isSharedArrayBuffer = hasBrand(SharedArrayBuffer.prototype, 'byteLength');
const isRegExp = (value) => value instanceof RegExp && hasBrand(RegExp.prototype, 'source')(value);
const isBoxed = {
  Number: hasBrand(Number.prototype, 'valueOf'),
  String: hasBrand(String.prototype, 'valueOf'),
  Boolean: hasBrand(Boolean.prototype, 'valueOf'),
  BigInt: hasBrand(BigInt.prototype, 'valueOf'),
  Symbol: hasBrand(Symbol.prototype, 'valueOf'),
};
const isError = (value) => value instanceof Error || native.isError(value);
const isTypedArray = (value) => Reflect.apply(tagOfTyped, value, []) !== undefined;

// Describes an object: { open, close } braces, `text` before them or instead of them, the kind of its
// `entries`, the `keys` to print if they are not all of them, and `extra` labelled values.
function bracesOf(subject) {
  const { value, name, tag, keys, prefix } = subject;
  if (typeof value === 'function') return { text: functionText(value, name, tag) };
  if (Array.isArray(value)) return arrayBraces(subject);
  if (isTypedArray(value)) return typedBraces(subject);
  if (isMap(value)) return { open: `${prefix(name, tag, 'Map', `(${mapSize(value)})`)}{`, entries: 'map' };
  if (isSet(value)) return { open: `${prefix(name, tag, 'Set', `(${setSize(value)})`)}{`, entries: 'set' };
  if (isError(value)) return errorBraces(subject);
  if (isDate(value)) return dateBraces(subject);
  if (isRegExp(value)) {
    const text = RegExp.prototype.toString.call(value);
    return { text: name === 'RegExp' ? text : `${prefix(name, tag, 'RegExp')}${text}` };
  }
  if (value instanceof Promise) return { open: `${prefix(name, tag, 'Promise')}{`, entries: 'promise' };
  if (isArrayBuffer(value) || isSharedArrayBuffer(value)) {
    return { open: `${prefix(name, tag, 'ArrayBuffer')}{`, entries: 'buffer' };
  }
  if (value instanceof WeakMap || value instanceof WeakSet) {
    return { open: `${prefix(name, tag, 'WeakMap')}{`, entries: 'unknown' };
  }
  const boxed = boxedText(subject);
  if (boxed) return boxed;
  if (keys.length === 0) {
    const isPlain = name === 'Object' && tag === '';
    if (Object.prototype.toString.call(value) === '[object Arguments]') return { text: '[Arguments] []' };
    return { text: `${isPlain ? '' : prefix(name, tag, 'Object')}{}` };
  }
  if (tag === 'Module') return { open: '[Module: null prototype] {' };
  const head = name === 'Object' && tag === '' ? '' : prefix(name, tag, 'Object');
  return { open: `${head}{` };
}

const mapSize = (value) => Reflect.get(Map.prototype, 'size', value);
const setSize = (value) => Reflect.get(Set.prototype, 'size', value);

function arrayBraces({ value, name, tag, keys, prefix, context }) {
  const head = name === 'Array' && tag === '' ? '' : prefix(name, tag, 'Array', `(${value.length})`);
  const rest = keys.filter((key) => typeof key === 'symbol' || !isIndex(key, value.length));
  const visible = context.showHidden ? rest : rest.filter((key) => key !== 'length');
  if (value.length === 0 && visible.length === 0) return { text: `${head}[]`, isLeaf: true };
  return { open: `${head}[`, close: ']', entries: 'array', keys: visible, isArray: true };
}

function isIndex(key, length) {
  const index = Number(key);
  return Number.isInteger(index) && index >= 0 && index < length && String(index) === key;
}

function typedBraces({ value, name, tag, keys, prefix }) {
  const kind = Reflect.apply(tagOfTyped, value, []);
  const rest = keys.filter((key) => typeof key === 'symbol' || !isIndex(key, value.length));
  const head = prefix(name, tag === kind ? '' : tag, kind, `(${value.length})`);
  if (value.length === 0 && rest.length === 0) return { text: `${head}[]`, isLeaf: true };
  return { open: `${head}[`, close: ']', entries: 'typed', keys: rest, isArray: true };
}

function functionText(value, name, tag) {
  const source = Function.prototype.toString.call(value);
  if (/^class\b/.test(source)) {
    const parent = Object.getPrototypeOf(value);
    const base = parent !== Function.prototype && parent?.name ? ` extends ${parent.name}` :
      parent === null ? ' extends null' : '';
    return `[class ${Object.hasOwn(value, 'name') && value.name !== '' ? value.name : '(anonymous)'}${base}]`;
  }
  const kinds = { AsyncFunction: 'AsyncFunction', GeneratorFunction: 'GeneratorFunction',
    AsyncGeneratorFunction: 'AsyncGeneratorFunction' };
  const kind = kinds[tag] ?? kinds[name] ?? 'Function';
  let text = `[${kind}`;
  if (name === null) text += ' (null prototype)';
  text += typeof value.name !== 'string' || value.name === '' ? ' (anonymous)]' : `: ${value.name}]`;
  if (name !== kind && name !== null && name !== 'Function') text += ` ${name}`;
  return text;
}

function dateBraces({ value, name, tag, prefix }) {
  const time = Date.prototype.getTime.call(value);
  const text = Number.isNaN(time) ? 'Invalid Date' : Date.prototype.toISOString.call(value);
  return { text: name === 'Date' ? text : `${prefix(name, tag, 'Date')}${text}` };
}

function boxedText({ context, value, name, tag, keys, inspect, quote }) {
  for (const [kind, is] of Object.entries(isBoxed)) {
    if (!is(value)) continue;
    const primitive = globalThis[kind].prototype.valueOf.call(value);
    let text = `[${kind}`;
    if (name !== kind) text += name === null ? ' (null prototype)' : ` (${name})`;
    text += `: ${kind === 'String' ? quote(primitive) : inspect(context, primitive, 0)}]`;
    if (tag !== '' && tag !== name) text += ` [${tag}]`;
    const rest = kind === 'String' ? keys.filter((key) => typeof key === 'symbol' || !isIndex(key, primitive.length)) : keys;
    return { text, keys: rest.filter((key) => key !== 'length') };
  }
  return undefined;
}

// The stack as V8 writes it, or the text in brackets if there are no frames.
function errorBraces({ context, value, name, keys }) {
  const stack = typeof value.stack === 'string' && value.stack !== '' ? value.stack : undefined;
  let text = stack ?? headerOf(value);
  if (name !== null && stack !== undefined) text = improveName(text, value, name);
  const isWhole = context.isFatalOfHost && context.seen.length === 0;
  if (!/\n\s+at /.test(text) && !isWhole) text = `[${text}]`;
  if (context.indentation > 0) text = text.replaceAll('\n', `\n${' '.repeat(context.indentation)}`);
  const rest = keys.filter((key) => !((key === 'name' || key === 'message' || key === 'stack') &&
    text.includes(String(value[key]))));
  const extra = [];
  if ('cause' in value && !rest.includes('cause') && Object.hasOwn(value, 'cause')) extra.push(['cause', value.cause]);
  if (Array.isArray(value.errors) && !rest.includes('errors')) extra.push(['errors', value.errors]);
  const result = { text, keys: rest, extra };
  if (extra.length > 0) result.entries = 'none';
  return result;
}

function headerOf(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return '[object Error]';
  }
}

// Puts the name of the class into the first line, if the stack was made before the name was set.
function improveName(stack, error, className) {
  const own = error.name ?? 'Error';
  const named = String(own);
  let text = stack;
  if (className !== named && !text.includes(className) && text.startsWith(named)) {
    text = /^\w*Error$/.test(named) && /^[A-Z]/.test(className) ? className + text.slice(named.length) : text;
  }
  return text;
}

// The entries of a collection as texts.
function entriesOf(kind, context, value, depth, inspect) {
  switch (kind) {
    case 'array': return arrayEntries(context, value, depth, inspect);
    case 'typed': return typedEntries(context, value);
    case 'map': return mapEntries(context, value, depth, inspect);
    case 'set': return setEntries(context, value, depth, inspect);
    case 'promise': return promiseEntries(context, value, depth, inspect);
    case 'buffer': return bufferEntries(value);
    case 'unknown': return ['<items unknown>'];
    default: return [];
  }
}

function more(count) {
  return `... ${count} more item${count > 1 ? 's' : ''}`;
}

function indented(context, write) {
  context.indentation += 2;
  const text = write();
  context.indentation -= 2;
  return text;
}

function arrayEntries(context, value, depth, inspect) {
  const output = [];
  const limit = Math.min(Math.max(0, context.maxArrayLength), value.length);
  let index = 0;
  while (index < value.length && output.length < limit) {
    if (Object.hasOwn(value, index)) {
      const at = index;
      const descriptor = Object.getOwnPropertyDescriptor(value, at);
      output.push(descriptor.get ? '[Getter]' : indented(context, () => inspect(context, descriptor.value, depth + 1)));
      index += 1;
      continue;
    }
    const start = index;
    while (index < value.length && !Object.hasOwn(value, index)) index += 1;
    const count = index - start;
    output.push(`<${count} empty item${count > 1 ? 's' : ''}>`);
  }
  if (index < value.length) output.push(more(value.length - index));
  return output;
}

function typedEntries(context, value) {
  const limit = Math.min(Math.max(0, context.maxArrayLength), value.length);
  const output = Array.from(value.subarray(0, limit), (item) =>
    (typeof item === 'bigint' ? `${item}n` : Object.is(item, -0) ? '-0' : String(item)));
  if (limit < value.length) output.push(more(value.length - limit));
  return output;
}

function mapEntries(context, value, depth, inspect) {
  const output = [];
  context.indentation += 2;
  for (const [key, item] of Map.prototype.entries.call(value)) {
    if (output.length >= context.maxArrayLength) {
      output.push(more(mapSize(value) - output.length));
      break;
    }
    output.push(`${inspect(context, key, depth + 1)} => ${inspect(context, item, depth + 1)}`);
  }
  context.indentation -= 2;
  return output;
}

function setEntries(context, value, depth, inspect) {
  const output = [];
  context.indentation += 2;
  for (const item of Set.prototype.values.call(value)) {
    if (output.length >= context.maxArrayLength) {
      output.push(more(setSize(value) - output.length));
      break;
    }
    output.push(inspect(context, item, depth + 1));
  }
  context.indentation -= 2;
  return output;
}

function promiseEntries(context, value, depth, inspect) {
  const [state, result] = native.promiseState(value);
  if (state === 'pending') return ['<pending>'];
  const text = indented(context, () => inspect(context, result, depth + 1));
  return [state === 'rejected' ? `<rejected> ${text}` : text];
}

function bufferEntries(value) {
  const bytes = Array.from(new Uint8Array(value).subarray(0, 50), (byte) => byte.toString(16).padStart(2, '0'));
  const rest = value.byteLength > 50 ? ` ... ${value.byteLength - 50} more byte${value.byteLength > 51 ? 's' : ''}` : '';
  return [`[Uint8Contents]: <${bytes.join(' ')}${rest}>`, `byteLength: ${value.byteLength}`];
}

module.exports = { bracesOf, entriesOf, isArrayBuffer, isBoxed, isDate, isError, isMap, isRegExp, isSet,
  isSharedArrayBuffer, isTypedArray };
