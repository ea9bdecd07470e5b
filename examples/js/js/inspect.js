// `util.inspect` and `util.format`: text as Node's console prints it.
'use strict';

const { bracesOf, entriesOf } = require('internal/inspect_kinds');
const layout = require('internal/inspect_layout');

const customInspect = Symbol.for('nodejs.util.inspect.custom');
const defaults = {
  showHidden: false,
  depth: 2,
  colors: false,
  customInspect: true,
  maxArrayLength: 100,
  maxStringLength: 10000,
  breakLength: 80,
  compact: 3,
  sorted: false,
  getters: false,
  numericSeparator: false,
};

function inspect(value, options, ...legacy) {
  const context = { ...defaults, seen: [], circular: undefined, level: 0, indentation: 0 };
  if (typeof options === 'boolean') {
    context.showHidden = options;
    if (legacy[0] !== undefined) context.depth = legacy[0];
  } else if (options !== null && typeof options === 'object') {
    for (const [key, setting] of Object.entries(options)) {
      if (setting !== undefined || key in defaults) context[key] = setting;
    }
  }
  if (context.depth === null) context.depth = Infinity;
  if (context.maxArrayLength === null) context.maxArrayLength = Infinity;
  if (context.maxStringLength === null) context.maxStringLength = Infinity;
  return formatValue(context, value, 0, true);
}
inspect.custom = customInspect;
inspect.defaultOptions = defaults;
inspect.colors = Object.create(null);
inspect.styles = Object.create(null);

function formatValue(context, value, depth, isTop = false) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
    return formatPrimitive(context, value, isTop);
  }
  if (context.customInspect) {
    const custom = value[customInspect];
    if (typeof custom === 'function' && custom !== inspect &&
        !(value.constructor && value.constructor.prototype === value)) {
      return formatCustom(context, value, custom, depth);
    }
  }
  if (context.seen.includes(value)) {
    context.circular ??= new Map();
    let index = context.circular.get(value);
    if (index === undefined) {
      index = context.circular.size + 1;
      context.circular.set(value, index);
    }
    return `[Circular *${index}]`;
  }
  return formatObject(context, value, depth);
}

function formatCustom(context, value, custom, depth) {
  const left = context.depth - depth;
  const options = { ...context, depth: left, stylize: (text) => text };
  delete options.seen;
  delete options.circular;
  const result = custom.call(value, left, options, inspect);
  if (result === value) return formatObject(context, value, depth);
  if (typeof result !== 'object') return `${result}`.replaceAll('\n', `\n${' '.repeat(context.indentation)}`);
  return formatValue(context, result, depth);
}

function formatPrimitive(context, value, isTop = false) {
  switch (typeof value) {
    case 'string': return formatString(context, value, isTop);
    case 'number': return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint': return `${value}n`;
    case 'symbol': return value.toString();
    default: return String(value);
  }
}

function formatString(context, text, isTop) {
  let rest = '';
  if (text.length > context.maxStringLength) {
    const more = text.length - context.maxStringLength;
    text = text.slice(0, context.maxStringLength);
    rest = `... ${more} more character${more > 1 ? 's' : ''}`;
  }
  if (!isTop && context.compact !== true && text.length > 16 &&
      text.length > context.breakLength - context.indentation - 4) {
    const lines = text.split(/(?<=\n)/).map(quote);
    return lines.join(` +\n${' '.repeat(context.indentation + 2)}`) + rest;
  }
  return quote(text) + rest;
}

const escapes = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\' };

// The text in the quotes that need no escapes, if there are such.
function quote(text) {
  let mark = "'";
  if (text.includes("'")) {
    if (!text.includes('"')) mark = '"';
    else if (!text.includes('`') && !text.includes('${')) mark = '`';
  }
  // eslint-disable-next-line no-control-regex
  const escaped = text.replace(/[\x00-\x1f\\\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (character) => escapes[character] ?? (character.charCodeAt(0) > 0xff
      ? `\\u${character.charCodeAt(0).toString(16).toUpperCase()}`
      : `\\x${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`));
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}

// The class of an object: { name } or { name: null, of } without prototype.
function classOf(value) {
  for (let object = value; object !== null; object = Object.getPrototypeOf(object)) {
    const descriptor = Object.getOwnPropertyDescriptor(object, 'constructor');
    const found = descriptor?.value;
    if (typeof found === 'function' && found.name !== '' && isInstance(value, found)) {
      return String(found.name);
    }
  }
  return null;
}

function isInstance(value, constructor) {
  try {
    return value instanceof constructor;
  } catch {
    return false;
  }
}

function tagOf(value, name) {
  let tag;
  try {
    tag = value[Symbol.toStringTag];
  } catch {
    return '';
  }
  return typeof tag === 'string' && tag !== '' && tag !== name ? tag : '';
}

function prefix(name, tag, fallback, size = '') {
  if (name === null) {
    return tag !== '' && fallback !== tag ? `[${fallback}${size}: null prototype] [${tag}] `
      : `[${fallback}${size}: null prototype] `;
  }
  return tag !== '' && tag !== name ? `${name}${size} [${tag}] ` : `${name}${size} `;
}

function keysOf(context, value) {
  const names = context.showHidden ? Object.getOwnPropertyNames(value) : Object.keys(value);
  const symbols = Object.getOwnPropertySymbols(value).filter((symbol) =>
    context.showHidden || Object.prototype.propertyIsEnumerable.call(value, symbol));
  return [...names, ...symbols];
}

function formatObject(context, value, depth) {
  const name = classOf(value);
  const tag = tagOf(value, name);
  let keys = keysOf(context, value);
  const kind = bracesOf({ context, value, name, tag, keys, prefix, inspect: formatValue, quote });
  if (kind.text !== undefined && (kind.keys ?? keys).length === 0 && kind.entries === undefined) return kind.text;
  keys = kind.keys ?? keys;
  if (kind.isLeaf) return kind.text;
  if (depth > context.depth) {
    const short = name === null ? `[${tag || 'Object'}: null prototype]` : tag !== '' ? `${name} [${tag}]` : name;
    return kind.text === undefined || kind.text === '' ? `[${Array.isArray(value) && name === 'Array' ? 'Array' : short}]`
      : kind.text;
  }
  context.seen.push(value);
  context.level = depth;
  let output;
  try {
    output = kind.entries === undefined ? [] : entriesOf(kind.entries, context, value, depth, formatValue);
    for (const key of keys) output.push(formatProperty(context, value, depth, key, kind.isArray));
    for (const extra of kind.extra ?? []) output.push(formatExtra(context, extra, depth));
  } finally {
    context.seen.pop();
  }
  let open = kind.open ?? '{';
  let base = kind.text ?? '';
  const index = context.circular?.get(value);
  if (index !== undefined) {
    const reference = `<ref *${index}>`;
    if (base === '') open = `${reference} ${open}`;
    else base = `${reference} ${base}`;
  }
  if (context.sorted) output.sort(typeof context.sorted === 'function' ? context.sorted : undefined);
  return layout.reduce({ context, output, base, open, close: kind.close ?? '}', depth, value, isArray: kind.isArray });
}

function formatExtra(context, [label, value], depth) {
  context.indentation += 2;
  const text = formatValue(context, value, depth + 1);
  context.indentation -= 2;
  return `[${label}]: ${text}`;
}

function formatProperty(context, value, depth, key, isArray) {
  const descriptor = Object.getOwnPropertyDescriptor(value, key) ??
    { value: value[key], enumerable: true };
  let text;
  if (descriptor.get !== undefined) {
    text = descriptor.set !== undefined ? '[Getter/Setter]' : '[Getter]';
    if (context.getters) text = formatGetter(context, value, depth, key, descriptor);
  } else if (descriptor.set !== undefined) {
    text = '[Setter]';
  } else {
    const step = context.compact !== true ? 2 : 3;
    context.indentation += step;
    text = formatValue(context, descriptor.value, depth + 1);
    context.indentation -= step;
  }
  if (isArray && typeof key === 'string' && /^(0|[1-9]\d*)$/.test(key)) return text;
  let label;
  if (typeof key === 'symbol') label = `[${key.toString()}]`;
  else if (key === '__proto__') label = "['__proto__']";
  else if (/^[a-zA-Z_][a-zA-Z_0-9]*$/.test(key)) label = key;
  else label = quote(key);
  if (!descriptor.enumerable) label = `[${typeof key === 'symbol' ? key.toString() : key}]`;
  return `${label}: ${text}`;
}

function formatGetter(context, value, depth, key, descriptor) {
  const kind = descriptor.set !== undefined ? 'Getter/Setter' : 'Getter';
  try {
    const result = Reflect.apply(descriptor.get, value, []);
    context.indentation += 2;
    const text = formatValue(context, result, depth + 1);
    context.indentation -= 2;
    return result !== null && typeof result === 'object' ? `[${kind}] ${text}` : `[${kind}: ${text}]`;
  } catch (error) {
    return `[${kind}: <Inspection threw (${error.message})>]`;
  }
}

// util.format: printf-like, then the rest of the arguments.
function format(...values) {
  return formatWithOptions({}, ...values);
}

function formatWithOptions(options, ...values) {
  let text = '';
  let next = 0;
  if (typeof values[0] === 'string') {
    if (values.length === 1) return values[0];
    next = 1;
    text = values[0].replace(/%[sdifjoOc%]/g, (specifier) => {
      if (specifier === '%%') return '%';
      if (next >= values.length) return specifier;
      const value = values[next];
      next += 1;
      return formatSpecifier(specifier, value, options);
    });
  }
  for (; next < values.length; next += 1) {
    const value = values[next];
    if (next > 0) text += ' ';
    text += typeof value === 'string' ? value : inspect(value, { ...consoleOptions, ...options });
  }
  return text;
}
const consoleOptions = { compact: 3, breakLength: 80 };

function formatSpecifier(specifier, value, options) {
  switch (specifier) {
    case '%s':
      if (typeof value === 'bigint') return `${value}n`;
      if (typeof value === 'number') return formatPrimitive(defaults, value);
      if (typeof value !== 'object' || value === null) return String(value);
      if (hasOwnToString(value)) return String(value);
      return inspect(value, { ...options, depth: 0, colors: false, compact: 3, breakLength: 80 });
    case '%d':
      if (typeof value === 'bigint') return `${value}n`;
      return typeof value === 'symbol' || typeof value === 'object' && value !== null && typeof value.valueOf() !== 'number'
        ? 'NaN' : formatPrimitive(defaults, Number(value));
    case '%i':
      if (typeof value === 'bigint') return `${value}n`;
      return typeof value === 'object' || typeof value === 'symbol' ? 'NaN'
        : formatPrimitive(defaults, Number.parseInt(value, 10));
    case '%f': return typeof value === 'symbol' ? 'NaN' : formatPrimitive(defaults, Number.parseFloat(value));
    case '%j':
      try {
        return JSON.stringify(value);
      } catch (error) {
        if (/circular/i.test(error.message)) return '[Circular]';
        throw error;
      }
    case '%o': return inspect(value, { ...options, ...consoleOptions, showHidden: true, depth: 4 });
    case '%O': return inspect(value, { ...options, ...consoleOptions });
    default: return ''; // %c
  }
}

// Whether a class of the program defines how the value becomes text.
function hasOwnToString(value) {
  if (value instanceof Error) return !Object.keys(value).length && value.toString !== Error.prototype.toString;
  if (typeof value.toString !== 'function') return false;
  if (Object.hasOwn(value, 'toString')) return true;
  let owner = value;
  while (owner !== null && !Object.hasOwn(owner, 'toString')) owner = Object.getPrototypeOf(owner);
  const constructor = owner?.constructor;
  return typeof constructor === 'function' && !internals.builtinClasses.has(constructor);
}

module.exports = { inspect, format, formatWithOptions, quote };
