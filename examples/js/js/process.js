// The object `process`, uncaught errors, rejections and warnings.
'use strict';

require('buffer');
const EventEmitter = require('events');
const { invalidArgType, outOfRange, validateFunction, validateString, withCode } = require('internal/errors');

const process = Object.create(Object.create(EventEmitter.prototype, {
  constructor: { value: function process() {}, configurable: true, writable: true },
  [Symbol.toStringTag]: { value: 'process', configurable: true },
}));
EventEmitter.call(process);

const { release } = native;
const versions = { 20: 'v20.20.2', 22: 'v22.23.3', 24: 'v24.21.0', 26: 'v26.12.1' };
const startedAt = native.hrtime();
// The variable may have the option and its mode as two words.
const nodeOptions = native.nodeOptions.replace(/(--unhandled-rejections)\s+/g, '$1=');
const flags = [...nodeOptions.split(/\s+/), ...(native.nodeFlags ?? [])];
internals.hasFlag = (flag) => flags.includes(flag);
let exitCode;
let captureFunction = null;
let umask = 0o22;

Object.assign(process, {
  title: 'nodeloop-js',
  version: versions[release],
  versions: { node: versions[release].slice(1), quickjs: native.engine },
  release: { name: 'node' },
  arch: native.arch,
  platform: native.platform,
  pid: native.pid,
  ppid: native.ppid,
  execPath: native.execPath,
  execArgv: native.nodeFlags ?? [],
  argv: native.args,
  argv0: 'node',
  env: native.env,
  _exiting: false,
  features: {},
  config: { target_defaults: {}, variables: {} },
  debugPort: 9229,
  allowedNodeEnvironmentFlags: new Set(),
});

Object.defineProperty(process, 'exitCode', {
  configurable: false,
  enumerable: true,
  get: () => exitCode,
  set(code) {
    if (code !== undefined && code !== null) checkExitCode(code);
    exitCode = code ?? undefined;
  },
});

function checkExitCode(code) {
  const number = typeof code === 'string' && code !== '' ? Number(code) : code;
  if (typeof number !== 'number' || (typeof code === 'string' && Number.isNaN(number))) {
    throw invalidArgType('code', 'of type number', code);
  }
  if (!Number.isInteger(number)) {
    throw withCode(RangeError, 'ERR_OUT_OF_RANGE',
      `The value of "code" is out of range. It must be an integer. Received ${number}`);
  }
}

// Ticks: a callback and its arguments, or undefined, for each. One tick of the loop runs all of them, in a row as
// Node does (R10). A loop that is observed has a tick for each.
const ticks = [];
let firstTick = 0;
let endOfTicks = 0;
let isTickQueued = false; // the tick of the loop
const { places } = internals;
const isTickedEach = places !== undefined || native.isSandboxed === true;
const tickPlaces = []; // if places are shown

process.nextTick = function nextTick(callback, ...args) {
  if (typeof callback !== 'function') validateFunction(callback, 'callback');
  if (process._exiting) return;
  ticks[endOfTicks] = callback;
  ticks[endOfTicks + 1] = args.length > 0 ? args : undefined;
  endOfTicks += 2;
  if (places) tickPlaces.push(places.here());
  if (isTickQueued && !isTickedEach) return;
  isTickQueued = true;
  native.tick();
};

function onTick() {
  try {
    do {
      const callback = ticks[firstTick];
      const args = ticks[firstTick + 1];
      ticks[firstTick] = undefined;
      if (args !== undefined) ticks[firstTick + 1] = undefined;
      firstTick += 2;
      if (firstTick >= endOfTicks) {
        if (endOfTicks > 4096) ticks.length = 0; // a burst does not keep its memory
        firstTick = 0;
        endOfTicks = 0;
      } else if (firstTick > 4096 && firstTick * 2 > endOfTicks) {
        compactTicks();
      }
      if (places) labelTick();
      if (args === undefined) callback();
      else callback(...args);
    } while (firstTick < endOfTicks && !isTickedEach);
  } finally {
    // What a tick that throws leaves waits for the next drain point (R53).
    isTickQueued = firstTick < endOfTicks;
    if (isTickQueued && !isTickedEach) native.tick();
  }
}

function compactTicks() {
  ticks.splice(0, firstTick);
  endOfTicks -= firstTick;
  firstTick = 0;
}

function labelTick() {
  const place = tickPlaces.shift();
  if (place) native.labelStep(place);
}

// The end of the process.
function emitExit() {
  process._exiting = true;
  process.emit('exit', Number(exitCode ?? 0));
  native.setExitCode(Number(exitCode ?? 0));
}

process.exit = function exit(code) {
  if (code !== undefined && code !== null) process.exitCode = code;
  if (!process._exiting) {
    process._exiting = true;
    process.emit('exit', Number(exitCode ?? 0));
  }
  process.reallyExit(Number(exitCode ?? 0));
};
process.reallyExit = (code = 0) => native.exit(code);
process.abort = () => native.exit(134);

// Uncaught errors (R51). Returns if a listener took the error, and ends the process otherwise.
function onUncaught(error, fromRejection) {
  if (typeof process._fatalException !== 'function') {
    native.write(2, `${require('internal/fatal').report(error)}\n`);
    native.exit(6);
  }
  const origin = fromRejection ? 'unhandledRejection' : 'uncaughtException';
  try {
    process.emit('uncaughtExceptionMonitor', error, origin);
    if (captureFunction !== null) {
      captureFunction(error);
      return;
    }
    if (process.emit('uncaughtException', error, origin)) return;
  } catch (thrown) {
    fatal(thrown, 7);
    return;
  }
  fatal(error, 1);
}

process._fatalException = (error, fromRejection) => {
  onUncaught(error, fromRejection);
  return true;
};

function fatal(error, code) {
  if (!process._exiting && code === 1) {
    process.exitCode = 1;
    process._exiting = true;
    try {
      process.emit('exit', 1);
    } catch {
      // What the listener throws is lost, as in Node.
    }
  }
  native.write(2, `${require('internal/fatal').report(error)}\n\nNode.js ${process.version}\n`);
  native.exit(code === 7 ? 7 : Number(exitCode ?? 1));
}

process.setUncaughtExceptionCaptureCallback = (callback) => {
  if (callback === null) {
    captureFunction = null;
    return;
  }
  if (typeof callback !== 'function') throw invalidArgType('fn', 'of type function or null', callback);
  if (captureFunction !== null) {
    throw withCode(Error, 'ERR_UNCAUGHT_EXCEPTION_CAPTURE_ALREADY_SET', '`process.setupUncaughtExceptionCapture()` ' +
      'was called while a capture callback was already active');
  }
  captureFunction = callback;
};
process.hasUncaughtExceptionCaptureCallback = () => captureFunction !== null;

// Rejections (R14-R18).
const mode = flags.findLast((flag) => flag.startsWith('--unhandled-rejections='))?.split('=')[1] ?? 'throw';
let rejectionNumber = 0;
const reported = new Map(); // the numbers of the rejections in warnings, by promise

function onUnhandled(promise, reason) {
  rejectionNumber += 1;
  const number = rejectionNumber;
  reported.set(promise, number);
  const emit = () => process.emit('unhandledRejection', reason, promise);
  switch (mode) {
    case 'none':
      emit();
      return;
    case 'warn':
      emit();
      warnOfRejection(reason, number);
      return;
    case 'strict':
      onUncaught(asError(reason), true);
      if (!emit()) warnOfRejection(reason, number);
      return;
    case 'warn-with-error-code':
      if (!emit()) {
        warnOfRejection(reason, number);
        process.exitCode = 1;
      }
      return;
    default:
      if (!emit()) onUncaught(asError(reason), true);
  }
}

function onHandledLate(promise) {
  const number = reported.get(promise);
  reported.delete(promise);
  if (process.emit('rejectionHandled', promise)) return;
  const warning = new Error(`Promise rejection was handled asynchronously (rejection id: ${number})`);
  warning.name = 'PromiseRejectionHandledWarning';
  warning.id = number;
  process.emitWarning(warning);
}

function asError(reason) {
  if (reason instanceof Error || native.isError(reason)) return reason;
  const error = new Error('This error originated either by throwing inside of an async function without a catch block, ' +
    `or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "${
      shortText(reason)}".`);
  error.code = 'ERR_UNHANDLED_REJECTION';
  error.name = 'UnhandledPromiseRejection';
  return error;
}

// A value as V8 describes it without running code of the program.
function shortText(value) {
  if (Array.isArray(value)) return '[object Array]';
  if (typeof value === 'object' && value !== null) {
    const { constructor } = value;
    return typeof constructor === 'function' && constructor.name ? `#<${constructor.name}>` : '[object Object]';
  }
  if (typeof value === 'symbol') return value.toString();
  if (typeof value === 'function') return Function.prototype.toString.call(value);
  return String(value);
}

function warnOfRejection(reason, number) {
  // Errors of the engine have no property `stack` of their own.
  const isErrorLike = native.isError(reason) ||
    (typeof reason === 'object' && reason !== null && Object.hasOwn(reason, 'stack'));
  process.emitWarning(isErrorLike ? String(reason.stack) : shortText(reason), 'UnhandledPromiseRejectionWarning');
  const warning = new Error('Unhandled promise rejection. This error originated either by throwing inside of an async ' +
    'function without a catch block, or by rejecting a promise which was not handled with .catch(). To terminate the ' +
    'node process on unhandled promise rejection, use the CLI flag `--unhandled-rejections=strict` (see ' +
    `https://nodejs.org/api/cli.html#cli_unhandled_rejections_mode). (rejection id: ${number})`);
  warning.name = 'UnhandledPromiseRejectionWarning';
  if (isErrorLike) Object.defineProperty(warning, 'stack', { value: reason.stack, writable: true, configurable: true });
  process.emitWarning(warning);
}

// Warnings.
let toldHowToTrace = false;

process.emitWarning = function emitWarning(warning, type, code) {
  let detail;
  if (type !== null && typeof type === 'object' && !Array.isArray(type)) {
    ({ type, code, detail } = type);
    if (typeof detail !== 'string') detail = undefined;
  }
  else if (typeof type === 'function') type = undefined;
  if (type !== undefined) validateString(type, 'type');
  if (typeof code === 'function') code = undefined;
  if (code !== undefined) validateString(code, 'code');
  if (typeof warning === 'string') {
    warning = new Error(warning);
    warning.name = String(type || 'Warning');
    if (code !== undefined) warning.code = code;
    if (detail !== undefined) warning.detail = detail;
  } else if (!(warning instanceof Error)) {
    throw invalidArgType('warning', 'of type string or an instance of Error', warning);
  }
  if (warning.name === 'DeprecationWarning' && process.noDeprecation) return;
  if (warning.name === 'DeprecationWarning' && process.throwDeprecation) {
    process.nextTick(() => {
      throw warning;
    });
    return;
  }
  process.nextTick(() => process.emit('warning', warning));
};

function printWarning(warning) {
  if (process.noProcessWarnings || !(warning instanceof Error)) return;
  const isDeprecation = warning.name === 'DeprecationWarning';
  if (isDeprecation && process.noDeprecation) return;
  const isTraced = process.traceProcessWarnings || (isDeprecation && process.traceDeprecation);
  const code = warning.code ? `[${warning.code}] ` : '';
  const said = isTraced && warning.stack ? warning.stack : `${warning.name}: ${warning.message}`;
  let text = `(${process.release.name}:${process.pid}) ${code}${said}`;
  if (typeof warning.detail === 'string') text += `\n${warning.detail}`;
  if (!toldHowToTrace && !isTraced) {
    const flag = isDeprecation ? '--trace-deprecation' : '--trace-warnings';
    text += `\n(Use \`node ${flag} ...\` to show where the warning was created)`;
    toldHowToTrace = true;
  }
  process.stderr.write(`${text}\n`);
}
for (const [flag, property] of [['--no-deprecation', 'noDeprecation'], ['--throw-deprecation', 'throwDeprecation'],
  ['--trace-deprecation', 'traceDeprecation'], ['--trace-warnings', 'traceProcessWarnings']]) {
  if (internals.hasFlag(flag)) process[property] = true;
}
if (native.env.NODE_NO_WARNINGS !== '1' && !internals.hasFlag('--no-warnings')) process.on('warning', printWarning);

// Time, memory and the rest.
process.hrtime = function hrtime(since) {
  const now = native.hrtime();
  let seconds = Math.floor(now / 1e9);
  let nanoseconds = Math.floor(now % 1e9);
  if (since !== undefined) {
    if (!Array.isArray(since)) throw invalidArgType('time', 'an instance of Array', since);
    if (since.length !== 2) throw outOfRange('time', '2', since.length);
    seconds -= since[0];
    nanoseconds -= since[1];
    if (nanoseconds < 0) {
      seconds -= 1;
      nanoseconds += 1e9;
    }
  }
  return [seconds, nanoseconds];
};
process.hrtime.bigint = () => BigInt(Math.floor(native.hrtime()));
process.uptime = () => (native.hrtime() - startedAt) / 1e9;
process.memoryUsage = () => native.memoryUsage();
process.memoryUsage.rss = () => native.memoryUsage().rss;
process.cpuUsage = () => ({ user: Math.floor(native.hrtime() / 1e3), system: 0 });
process.cwd = () => native.cwd();
process.chdir = (path) => native.sync('chdir', path);
process.umask = (mask) => {
  const before = umask;
  if (mask !== undefined) umask = typeof mask === 'string' ? Number.parseInt(mask, 8) : mask;
  return before;
};
process.getActiveResourcesInfo = () => [...(internals.activeRequests?.() ?? []), ...internals.timers.activeResources()];
process.binding = (name) => {
  throw new Error(`No such module: ${name}`);
};
process.kill = () => {
  throw withCode(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', 'process.kill() is not supported by this host');
};

function outputStream(fd) {
  const stream = new EventEmitter();
  return Object.assign(stream, {
    fd,
    writable: true,
    isTTY: native.isTerminal(fd) || undefined,
    columns: 80,
    write(data, encoding, done = encoding) {
      if (native.isRecorded) native.record(String(data), places.here());
      if (typeof data === 'string') native.write(fd, data);
      else native.writeBytes(fd, internals.binary(data));
      if (typeof done === 'function') process.nextTick(done);
      return true;
    },
    end(data, encoding, done) {
      if (data !== undefined && typeof data !== 'function') stream.write(data, encoding);
      if (typeof done === 'function') process.nextTick(done);
    },
    getColorDepth: () => 1,
    hasColors: () => false,
  });
}
process.stdout = outputStream(1);
process.stderr = outputStream(2);
process.stdin = Object.assign(new EventEmitter(), { fd: 0, isTTY: native.isTerminal(0) || undefined });

Object.assign(internals, {
  onTick,
  onUncaught,
  reportUnhandled: onUnhandled,
  reportHandledLate: onHandledLate,
  emitBeforeExit: () => process.emit('beforeExit', Number(exitCode ?? 0)),
  emitExit,
});

module.exports = process;
