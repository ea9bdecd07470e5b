// Stacks of errors as V8 writes them: the text of the error, then the frames. As in Node, the first line is made when
// the stack is first read, so that it has the name and the code that the error has got meanwhile.
'use strict';

// The errors whose first line has their code: `TypeError [ERR_INVALID_ARG_TYPE]: ...`.
const coded = new WeakSet();
internals.markCoded = (error) => coded.add(error);

function headOf(error) {
  try {
    if (coded.has(error)) return `${error.name} [${error.code}]: ${error.message}`;
    return Error.prototype.toString.call(error);
  } catch {
    return 'Error';
  }
}

const unnamed = new Set(['', '<anonymous>', '<eval>']);

function textOf(frames) {
  let text = '';
  for (const frame of frames) {
    const file = frame.getFileName();
    if (file?.startsWith('node:')) continue;
    const name = frame.getFunctionName() || '';
    const place = frame.isNative() ? 'native' : internals.placeOf(frame);
    text += !unnamed.has(name) ? `\n    at ${name} (${place})` : `\n    at ${place}`;
  }
  return text;
}

// What the engine keeps as the stack of an error until it is read.
class Frames {
  #frames;
  #text;
  constructor(frames) {
    this.#frames = frames;
  }

  static is(value) {
    return typeof value === 'object' && value !== null && #frames in value;
  }

  textFor(error) {
    this.#text ??= headOf(error) + textOf(this.#frames);
    this.#frames = undefined;
    return this.#text;
  }
}
const isUnread = Frames.is;

Error.stackTraceLimit = 10;
Error.prepareStackTrace = (_, frames) => new Frames(frames);

const { apply } = Reflect;
const setStack = (error, value) =>
  Object.defineProperty(error, 'stack', { value, writable: true, enumerable: false, configurable: true });
const stack = Object.getOwnPropertyDescriptor(Error.prototype, 'stack');
const isPrepared = isUnread(new Error().stack);
const heads = new WeakMap(); // the first lines, if the engine does not call `prepareStackTrace`

function withHead(error, frames) {
  if (!heads.has(error)) heads.set(error, headOf(error));
  const text = String(frames).trimEnd();
  return text === '' ? heads.get(error) : `${heads.get(error)}\n${text}`;
}

Object.defineProperty(Error.prototype, 'stack', {
  ...stack,
  get() {
    const value = apply(stack.get, this, []);
    if (isUnread(value)) return value.textFor(this);
    return isPrepared || !native.isError(this) ? value : withHead(this, value ?? '');
  },
});

const capture = Error.captureStackTrace;
Error.captureStackTrace = function captureStackTrace(target, caller = captureStackTrace) {
  if (capture === undefined) setStack(target, headOf(target));
  else capture(target, caller);
  if (isUnread(target.stack)) setStack(target, target.stack.textFor(target));
};
