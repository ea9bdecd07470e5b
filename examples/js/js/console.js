// `console`.
'use strict';

const { formatWithOptions, inspect } = require('internal/inspect');

class Console {
  #out;
  #error;
  #indent = '';
  #counts = new Map();
  #timers = new Map();

  constructor(stdout, stderr) {
    const options = stdout?.stdout !== undefined ? stdout : { stdout, stderr };
    this.#out = options.stdout;
    this.#error = options.stderr ?? options.stdout;
    // The methods may be passed on without their object.
    for (const name of Object.getOwnPropertyNames(Console.prototype)) {
      if (name !== 'constructor') this[name] = this[name].bind(this);
    }
  }

  #print(stream, values) {
    let text = formatWithOptions({}, ...values);
    if (this.#indent !== '') text = this.#indent + text.replaceAll('\n', `\n${this.#indent}`);
    stream.write(`${text}\n`);
  }

  log(...values) {
    this.#print(this.#out, values);
  }

  info(...values) {
    this.#print(this.#out, values);
  }

  debug(...values) {
    this.#print(this.#out, values);
  }

  error(...values) {
    this.#print(this.#error, values);
  }

  warn(...values) {
    this.#print(this.#error, values);
  }

  trace(...values) {
    const error = new Error(formatWithOptions({}, ...values));
    error.name = 'Trace';
    this.#print(this.#error, [`Trace: ${error.message}`]);
  }

  dir(value, options) {
    this.#print(this.#out, [inspect(value, { customInspect: false, ...options })]);
  }

  dirxml(...values) {
    this.#print(this.#out, values);
  }

  assert(condition, ...values) {
    if (condition) return;
    if (typeof values[0] === 'string') values[0] = `Assertion failed: ${values[0]}`;
    else values.unshift('Assertion failed');
    this.#print(this.#error, values);
  }

  group(...labels) {
    if (labels.length > 0) this.#print(this.#out, labels);
    this.#indent += '  ';
  }

  groupCollapsed(...labels) {
    this.group(...labels);
  }

  groupEnd() {
    this.#indent = this.#indent.slice(2);
  }

  count(label = 'default') {
    const count = (this.#counts.get(`${label}`) ?? 0) + 1;
    this.#counts.set(`${label}`, count);
    this.#print(this.#out, [`${label}: ${count}`]);
  }

  countReset(label = 'default') {
    this.#counts.delete(`${label}`);
  }

  time(label = 'default') {
    this.#timers.set(`${label}`, native.hrtime());
  }

  timeLog(label = 'default', ...values) {
    const start = this.#timers.get(`${label}`);
    if (start !== undefined) this.#print(this.#out, [`${label}: ${((native.hrtime() - start) / 1e6).toFixed(3)}ms`, ...values]);
  }

  timeEnd(label = 'default') {
    this.timeLog(label);
    this.#timers.delete(`${label}`);
  }

  table(rows) {
    if (rows === null || typeof rows !== 'object') {
      this.#print(this.#out, [rows]);
      return;
    }
    const columns = [];
    let hasValues = false;
    for (const row of Object.values(rows)) {
      if (row === null || typeof row !== 'object') hasValues = true;
      else for (const key of Object.keys(row)) if (!columns.includes(key)) columns.push(key);
    }
    const cell = (value) => inspect(value, { depth: 0 });
    const head = ['(index)', ...columns, ...(hasValues ? ['Values'] : [])];
    const body = Object.entries(rows).map(([index, row]) => {
      const isObject = row !== null && typeof row === 'object';
      return [index, ...columns.map((key) => (isObject && Object.hasOwn(row, key) ? cell(row[key]) : '')),
        ...(hasValues ? [isObject ? '' : cell(row)] : [])];
    });
    this.#print(this.#out, [drawTable(head, body)]);
  }
}

function drawTable(head, body) {
  const widths = head.map((text, column) => Math.max(text.length, ...body.map((row) => row[column].length)) + 2);
  const cell = (text, width) => ` ${text.padEnd(width - 1)}`;
  const row = (cells) => `│${cells.map((text, column) => cell(text, widths[column])).join('│')}│`;
  const line = (left, middle, right) => left + widths.map((width) => '─'.repeat(width)).join(middle) + right;
  return [line('┌', '┬', '┐'), row(head), line('├', '┼', '┤'), ...body.map(row), line('└', '┴', '┘')].join('\n');
}

const standard = new Console(process.stdout, process.stderr);
standard.Console = Console;
Object.defineProperty(standard, Symbol.toStringTag, { value: 'console', configurable: true });
module.exports = standard;
