// `child_process`: each child runs to its end in one operation, so its output comes at once when it has ended.
'use strict';

const { Buffer } = require('buffer');
const EventEmitter = require('events');
const { invalidArgType, validateFunction, validateString, withCode } = require('internal/errors');

// What the operation gets: texts, and the counts of those of variable number.
function requestOf(file, args, options) {
  validateString(file, 'file');
  const { cwd = '', env = process.env, input, argv0 = file } = options;
  const variables = Object.entries(env).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${value}`);
  const list = [].concat(options.stdio ?? 'pipe');
  const [stdin, stdout, stderr] = list.length === 1 ? [list[0], list[0], list[0]] : list;
  // A child that is the host itself has the order of the same release.
  if (file === process.execPath) args = ['--node', native.release, ...args];
  return [file, `${argv0}`, `${cwd}`, input === undefined ? '' : internals.binary(Buffer.from(input)),
    `${[stdin, stdout, stderr].map((way) => way ?? 'pipe')}`, args.length, ...args.map(String), ...variables];
}

// spawn(file, args?, options?): the arguments are optional.
function split(rest) {
  const args = Array.isArray(rest[0]) ? rest.shift() : [];
  if (rest[0] === undefined || rest[0] === null) rest.shift();
  const options = typeof rest[0] === 'object' ? rest.shift() : {};
  return [args, options, rest.find((value) => typeof value === 'function')];
}

function shellOf(file, args, options) {
  if (!options.shell) return [file, args, options];
  const shell = typeof options.shell === 'string' ? options.shell : '/bin/sh';
  return [shell, ['-c', [file, ...args].join(' ')], options];
}

const outputOf = (text, encoding) => {
  const bytes = Buffer.from(text, 'latin1');
  return encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes;
};

function resultOf([pid, status, signal, stdout, stderr], encoding) {
  return {
    pid: Number(pid),
    status: status === '' ? null : Number(status),
    signal: signal === '' ? null : signal,
    stdout: outputOf(stdout, encoding),
    stderr: outputOf(stderr, encoding),
  };
}

function spawnError(error, file, args) {
  error.message = `spawn ${file} ${error.code}`;
  return Object.assign(error, { syscall: `spawn ${file}`, path: file, spawnargs: args });
}

function spawnSync(file, ...rest) {
  const [args, options] = split(rest);
  const [program, list, settings] = shellOf(file, args, options);
  try {
    const result = resultOf(native.sync('spawn', ...requestOf(program, list, settings)), options.encoding);
    return { ...result, output: [null, result.stdout, result.stderr] };
  } catch (error) {
    if (error.code === undefined || error.code.startsWith('ERR_')) throw error;
    const failed = spawnError(error, program, list);
    failed.message = failed.message.replace('spawn', 'spawnSync');
    failed.syscall = failed.syscall.replace('spawn', 'spawnSync');
    return { error: failed, pid: 0, status: null, signal: null, output: null, stdout: null, stderr: null };
  }
}

function checked(result, command) {
  if (result.error) throw result.error;
  if (result.status === 0) return result.stdout;
  throw Object.assign(new Error(`Command failed: ${command}\n${result.stderr}`), result);
}

const execFileSync = (file, ...rest) => {
  const [args, options] = split(rest);
  return checked(spawnSync(file, args, options), [file, ...args].join(' '));
};
const execSync = (command, options = {}) => checked(spawnSync(command, [], { ...options, shell: options.shell ?? true }), command);

class ChildProcess extends EventEmitter {
  constructor(spawnfile, spawnargs) {
    super();
    const output = () => Object.assign(new EventEmitter(), {
      setEncoding(encoding) {
        this.encoding = encoding;
        return this;
      },
    });
    Object.assign(this, { spawnfile, spawnargs, stdin: null, stdout: output(), stderr: output(), exitCode: null, signalCode: null });
  }
}

function spawn(file, ...rest) {
  const [args, options] = split(rest);
  const [program, list, settings] = shellOf(file, args, options);
  const child = new ChildProcess(program, [program, ...list]);
  internals.fsJob((error, texts) => {
    if (error) {
      child.emit('error', spawnError(error, program, list));
      return;
    }
    const result = resultOf(texts);
    Object.assign(child, { pid: result.pid, exitCode: result.status, signalCode: result.signal });
    child.emit('exit', result.status, result.signal);
    for (const name of ['stdout', 'stderr']) {
      const stream = child[name];
      if (result[name].length > 0) stream.emit('data', stream.encoding ? result[name].toString(stream.encoding) : result[name]);
      stream.emit('end');
      stream.emit('close');
    }
    child.emit('close', result.status, result.signal);
  }, 'spawn', ...requestOf(program, list, settings));
  return child;
}

function execFile(file, ...rest) {
  const [args, options, callback] = split(rest);
  return collect(spawn(file, args, options), options, [file, ...args].join(' '), callback);
}

function exec(command, ...rest) {
  validateString(command, 'command');
  const [, options, callback] = split([undefined, ...rest]);
  return collect(spawn(command, [], { ...options, shell: options.shell ?? true }), options, command, callback);
}

// Calls back with the output of a child, as `exec` does.
function collect(child, options, command, callback) {
  if (callback === undefined) return child;
  validateFunction(callback, 'callback');
  const { encoding = 'utf8' } = options;
  const texts = { stdout: [], stderr: [] };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => texts[name].push(Buffer.from(data)));
  const output = (name) => {
    const bytes = Buffer.concat(texts[name]);
    return encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes;
  };
  child.on('error', (error) => callback(error, '', ''));
  child.on('close', (code, signal) => {
    const [stdout, stderr] = [output('stdout'), output('stderr')];
    if (code === 0 && signal === null) {
      callback(null, stdout, stderr);
      return;
    }
    const error = new Error(`Command failed: ${command}\n${stderr}`);
    callback(Object.assign(error, { code, killed: false, signal, cmd: command }), stdout, stderr);
  });
  return child;
}

const promisified = Symbol.for('nodejs.util.promisify.custom');
for (const start of [exec, execFile]) {
  Object.defineProperty(start, promisified, {
    value: (...args) => new Promise((resolve, reject) => {
      start(...args, (error, stdout, stderr) => {
        if (error) reject(Object.assign(error, { stdout, stderr }));
        else resolve({ stdout, stderr });
      });
    }),
  });
}

function fork(file) {
  if (typeof file !== 'string') throw invalidArgType('modulePath', 'of type string or an instance of Buffer or URL', file);
  throw withCode(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', 'child_process.fork() is not supported by this host');
}

require('fs'); // defines the jobs

module.exports = { ChildProcess, exec, execFile, execFileSync, execSync, fork, spawn, spawnSync };
