// Turns the program of a case (FORMAT.md) into JavaScript.
//
// The program becomes real source text: `await`, `try`, `return` and `throw` of a
// case are the keywords themselves. An interpreter walking over the statements
// could not do that without adding promise jobs of its own, and then the trace
// would be that of the interpreter.
//
// The text calls nothing but the functions of the `host` it is given, so the same
// program runs in Node itself (interpret.cjs) and on the model (model.cjs). This
// file never runs a program and never touches the event loop.
'use strict';

// The names a host has to provide; P, R, T and I are the four tables.
const HOST_NAMES = [
  'P', 'R', 'T', 'I', 'log', 'format', 'pause', 'spin', 'io',
  'nextTick', 'queueMicrotask', 'setTimeout', 'setInterval', 'clearTimeout',
  'setImmediate', 'clearImmediate', 'sleep', 'yieldImmediate',
];

// Returns a function of one argument, the host, whose call runs `main`. With
// `pauses`, `pause()` is called before every statement and at the start of
// every callback.
function compileProgram(main, { pauses = false } = {}) {
  const writer = new Writer(pauses);
  return new Function('host', `const { ${HOST_NAMES.join(', ')} } = host;\n${writer.body(main)}`);
}

class Writer {
  constructor(pauses) {
    this.pause = pauses ? 'pause(); ' : '';
  }

  body(statements) {
    return statements.map((statement) => this.statement(statement)).join('\n');
  }

  statement([name, ...operands]) {
    if (!Object.hasOwn(STATEMENTS, name)) throw new Error(`unknown statement: ${name}`);
    return this.pause + STATEMENTS[name](this, ...operands);
  }

  // A callback without parameters: BODY of FORMAT.md.
  callback(statements) {
    return `() => { ${this.pause}${this.body(statements)} }`;
  }

  // H of FORMAT.md: the handler of a `then`.
  reaction(handler) {
    if (handler === null) return 'undefined';
    const head = `log(${quote(handler.label)} + ":" + format(x));`;
    return `(x) => { ${this.pause}${head} ${this.body(handler.body)} ${this.ending(handler.ret)} }`;
  }

  // F of FORMAT.md: the handler of a `finally`.
  finalizer(handler) {
    if (handler === null) return 'undefined';
    const head = `log(${quote(handler.label)});`;
    return `() => { ${this.pause}${head} ${this.body(handler.body)} ${this.ending(handler.ret)} }`;
  }

  ending([kind, operand]) {
    switch (kind) {
      case 'value': return `return ${quote(operand)};`;
      case 'promise': return `return P[${index(operand)}];`;
      case 'throw': return `throw ${quote(operand)};`;
      default: throw new Error(`unknown ending of a handler: ${kind}`);
    }
  }

  combinator(name, id, members) {
    const list = members.map((member) => `P[${index(member)}]`).join(', ');
    return `P[${index(id)}] = Promise.${name}([${list}]);`;
  }
}

// One entry per statement and step: (writer, ...operands) => source text.
const STATEMENTS = {
  log: (writer, label) => `log(${quote(label)});`,
  spin: (writer, ms) => `spin(${quote(ms)});`,
  io: (writer, body) => `io(${writer.callback(body)});`,
  throw: (writer, value) => `throw ${quote(value)};`,

  tick: (writer, body) => `nextTick(${writer.callback(body)});`,
  micro: (writer, body) => `queueMicrotask(${writer.callback(body)});`,

  timeout: (writer, id, ms, body) =>
    `T[${index(id)}] = setTimeout(${writer.callback(body)}, ${quote(ms)});`,
  interval: (writer, id, ms, times, body) => `{ let calls = 0;
    const timer = T[${index(id)}] = setInterval(() => {
      ${writer.pause}calls += 1; if (calls === ${quote(times)}) clearTimeout(timer);
      ${writer.body(body)} }, ${quote(ms)}); }`,
  clearTimeout: (writer, id) => `clearTimeout(T[${index(id)}]);`,
  clearInterval: (writer, id) => `clearTimeout(T[${index(id)}]);`,
  refresh: (writer, id) => `T[${index(id)}]?.refresh();`,
  ref: (writer, id) => `T[${index(id)}]?.ref();`,
  unref: (writer, id) => `T[${index(id)}]?.unref();`,

  immediate: (writer, id, body) => `I[${index(id)}] = setImmediate(${writer.callback(body)});`,
  clearImmediate: (writer, id) => `clearImmediate(I[${index(id)}]);`,
  refImmediate: (writer, id) => `I[${index(id)}]?.ref();`,
  unrefImmediate: (writer, id) => `I[${index(id)}]?.unref();`,

  defer: (writer, id) =>
    `P[${index(id)}] = new Promise((y, n) => { R[${index(id)}] = { y, n }; });`,
  resolve: (writer, id, value) => `R[${index(id)}]?.y(${quote(value)});`,
  reject: (writer, id, value) => `R[${index(id)}]?.n(${quote(value)});`,
  // The promise is looked up first, whether or not there is anything to resolve, so
  // that a model which watches the table sees every use of an id.
  adopt: (writer, id, other) => `{ const q = P[${index(other)}]; R[${index(id)}]?.y(q); }`,
  resolved: (writer, id, value) => `P[${index(id)}] = Promise.resolve(${quote(value)});`,
  rejected: (writer, id, value) => `P[${index(id)}] = Promise.reject(${quote(value)});`,
  then: (writer, id, source, onOk, onErr) =>
    `P[${index(id)}] = P[${index(source)}].then(${writer.reaction(onOk)}, ${writer.reaction(onErr)});`,
  finally: (writer, id, source, handler) =>
    `P[${index(id)}] = P[${index(source)}].finally(${writer.finalizer(handler)});`,
  all: (writer, id, members) => writer.combinator('all', id, members),
  allSettled: (writer, id, members) => writer.combinator('allSettled', id, members),
  race: (writer, id, members) => writer.combinator('race', id, members),
  any: (writer, id, members) => writer.combinator('any', id, members),
  async: (writer, id, steps) =>
    `P[${index(id)}] = (async () => { ${writer.pause}${writer.body(steps)} })();`,

  // Steps: these appear only inside an async function.
  await: (writer, label, id) =>
    `{ const x = await P[${index(id)}]; ${writer.pause}log(${quote(label)} + ":" + format(x)); }`,
  awaitValue: (writer, label, value) =>
    `{ const x = await ${quote(value)}; ${writer.pause}log(${quote(label)} + ":" + format(x)); }`,
  sleep: (writer, label, ms) => `await sleep(${quote(ms)}); ${writer.pause}log(${quote(label)});`,
  yieldImmediate: (writer, label) =>
    `await yieldImmediate(); ${writer.pause}log(${quote(label)});`,
  try: (writer, label, steps, catchSteps) =>
    `try { ${writer.body(steps)} } catch (e) {
      ${writer.pause}log(${quote(label)} + ":" + format(e)); ${writer.body(catchSteps)} }`,
  return: (writer, value) => `return ${quote(value)};`,
  returnPromise: (writer, id) => `return P[${index(id)}];`,
};

// A label, value or number of milliseconds as source text.
function quote(value) {
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new Error(`neither a number nor a string: ${JSON.stringify(value)}`);
  }
  return JSON.stringify(value);
}

// An id of one of the tables as source text.
function index(id) {
  if (!Number.isSafeInteger(id)) throw new Error(`no id: ${JSON.stringify(id)}`);
  return String(id);
}

// The text of a value in a trace: `fmt` of FORMAT.md.
function format(value) {
  if (Array.isArray(value)) return `[${value.map(format).join(',')}]`;
  if (value instanceof AggregateError) return `AggregateError[${value.errors.map(format).join(',')}]`;
  if (value instanceof TypeError) return 'TypeError';
  if (typeof value === 'object' && value !== null) {
    if (value.status === 'fulfilled') return `{ok:${format(value.value)}}`;
    if (value.status === 'rejected') return `{err:${format(value.reason)}}`;
  }
  return String(value);
}

module.exports = { compileProgram, format };
