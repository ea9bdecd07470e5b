// `fs`: each asynchronous operation is a job on the pool of the loop.
'use strict';

const { Buffer } = require('buffer');
const { Dirent, Stats } = require('internal/stats');
const { invalidArgType, invalidArgValue, validateFunction } = require('internal/errors');

// The jobs that have not completed, by number.
const pending = new Map();
const { places } = internals;
let nextJob = 1;
internals.onCompletion = onCompletion;
internals.activeRequests = () => Array(pending.size).fill('FSReqCallback');

function job(done, operation, ...args) {
  const id = nextJob;
  nextJob += 1;
  const place = places?.here();
  native.job(id, place, operation, ...args);
  pending.set(id, place ? inPlace(done, place) : done);
}

// Gives the place to the jobs that the operation starts later.
function inPlace(done, place) {
  return (error, value) => {
    places.inherited = place;
    try {
      done(error, value);
    } finally {
      places.inherited = undefined;
    }
  };
}

function onCompletion(id, error, value) {
  const done = pending.get(id);
  pending.delete(id);
  done(error, value);
}

function pathOf(value, name = 'path') {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw invalidArgValue(name, value, 'must be a string, Uint8Array, or URL without null bytes');
    return value;
  }
  if (Buffer.isBuffer(value)) return value.toString();
  if (typeof value?.href === 'string') return require('url').fileURLToPath(value);
  throw invalidArgType(name, 'of type string or an instance of Buffer or URL', value);
}

function bytesOf(data, encoding) {
  if (typeof data === 'string') return Buffer.from(data, encoding ?? 'utf8');
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw invalidArgType('data', 'of type string or an instance of Buffer, TypedArray, or DataView', data);
}

const optionsOf = (options) => (typeof options === 'string' ? { encoding: options } : options ?? {});
const encodingOf = (options) => optionsOf(options).encoding ?? null;
const text = (bytes, encoding) => (encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes);

// The operations that are one job: name -> [arguments of the job, conversion of its result]. The length
// counts the arguments before the callback that a program must give.
const operations = {
  access: (path, mode = 0) => [[pathOf(path), mode]],
  chmod: (path, mode) => [[pathOf(path), Number(mode)]],
  close: (fd) => [[fd]],
  copyFile: (from, to, mode = 0) => [[pathOf(from, 'src'), pathOf(to, 'dest'), mode]],
  fstat: (fd) => [[fd], (values) => new Stats(values)],
  fsync: (fd) => [[fd]],
  ftruncate: (fd, length = 0) => [[fd, length]],
  lstat: (path) => [[pathOf(path)], (values) => new Stats(values)],
  mkdir: (path, options) => [[pathOf(path), Boolean(options?.recursive)]],
  mkdtemp: (prefix) => [[pathOf(prefix, 'prefix')]],
  open: (path, flags = 'r') => [[pathOf(path), flags]],
  readdir: (path, options) => [[pathOf(path)], (found) => names(found, path, options)],
  readlink: (path) => [[pathOf(path)]],
  realpath: (path) => [[pathOf(path)]],
  rename: (from, to) => [[pathOf(from, 'oldPath'), pathOf(to, 'newPath')]],
  rm: (path, options) => [[pathOf(path), Boolean(options?.recursive), Boolean(options?.force)]],
  rmdir: (path) => [[pathOf(path)]],
  stat: (path) => [[pathOf(path)], (values) => new Stats(values)],
  symlink: (target, path) => [[pathOf(target, 'target'), pathOf(path)]],
  truncate: (path, length = 0) => [[pathOf(path), length]],
  unlink: (path) => [[pathOf(path)]],
};

function names(found, directory, options) {
  const result = [];
  for (let at = 0; at < found.length; at += 2) {
    result.push(options?.withFileTypes ? new Dirent(found[at], directory, found[at + 1]) : found[at]);
  }
  return result;
}

const fs = {};
const promised = {}; // the same operations as functions that return promises

for (const [name, prepare] of Object.entries(operations)) {
  fs[`${name}Sync`] = (...args) => {
    const [request, convert] = prepare(...args);
    const value = native.sync(name, ...request);
    return convert ? convert(value) : value;
  };
  fs[name] = (...args) => {
    const callback = args.pop();
    validateFunction(callback, 'cb');
    const [request, convert] = prepare(...args);
    job((error, value) => {
      if (error) callback(error);
      else if (value === undefined) callback(null);
      else callback(null, convert ? convert(value) : value);
    }, name, ...request);
  };
  Object.defineProperty(fs[name], 'name', { value: name });
  promised[name] = async (...args) => {
    const [request, convert] = prepare(...args);
    const value = await new Promise((resolve, reject) => {
      job((error, result) => (error ? reject(error) : resolve(result)), name, ...request);
    });
    return convert ? convert(value) : value;
  };
}
internals.fsPromised = promised;
internals.fsJob = job;

// Reads and writes through a descriptor.
const LARGEST_READ = 512 * 1024;

function readArguments(buffer, offset, length, position) {
  if (offset !== null && typeof offset === 'object') ({ offset, length, position } = offset);
  offset ??= 0;
  length ??= buffer.byteLength - offset;
  return { offset, length, position: typeof position === 'number' ? position : -1 };
}

fs.readSync = (fd, buffer, ...rest) => {
  const { offset, length, position } = readArguments(buffer, ...rest);
  const bytes = new Uint8Array(native.sync('read', fd, length, position));
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).set(bytes, offset);
  return bytes.length;
};

fs.read = (fd, buffer, ...rest) => {
  const callback = rest.pop();
  validateFunction(callback, 'cb');
  const { offset, length, position } = readArguments(buffer, ...rest);
  job((error, data) => {
    if (error) return callback(error);
    const bytes = new Uint8Array(data);
    new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).set(bytes, offset);
    return callback(null, bytes.length, buffer);
  }, 'read', fd, length, position);
};

function writeArguments(data, first, second, third) {
  if (typeof data === 'string') return [internals.binary(bytesOf(data, second)), typeof first === 'number' ? first : -1];
  const offset = typeof first === 'number' ? first : 0;
  const length = typeof second === 'number' ? second : data.byteLength - offset;
  return [internals.binary(bytesOf(data).subarray(offset, offset + length)), typeof third === 'number' ? third : -1];
}

fs.writeSync = (fd, data, ...rest) => native.sync('write', fd, ...writeArguments(data, ...rest));

fs.write = (fd, data, ...rest) => {
  const callback = rest.pop();
  validateFunction(callback, 'cb');
  job((error, count) => (error ? callback(error) : callback(null, count, data)), 'write', fd, ...writeArguments(data, ...rest));
};

// Whole files: as in Node one job each to open, look, read or write, and close.
fs.readFileSync = (path, options) => {
  const own = typeof path !== 'number';
  const fd = own ? fs.openSync(path, optionsOf(options).flag) : path;
  try {
    const chunks = [];
    for (;;) {
      const chunk = Buffer.from(native.sync('read', fd, LARGEST_READ, -1));
      if (chunk.length === 0) return text(Buffer.concat(chunks), encodingOf(options));
      chunks.push(chunk);
    }
  } finally {
    if (own) fs.closeSync(fd);
  }
};

fs.readFile = (path, options, callback = options) => {
  validateFunction(callback, 'cb');
  if (callback === options) options = undefined;
  const own = typeof path !== 'number';
  const chunks = [];
  let size = 0;
  let seen = 0;
  const finish = (fd, error) => {
    const done = () => (error ? callback(error) : callback(null, text(Buffer.concat(chunks), encodingOf(options))));
    if (own) job(done, 'close', fd);
    else done();
  };
  const readMore = (fd) => job((error, data) => {
    if (error) return finish(fd, error);
    const chunk = Buffer.from(data);
    chunks.push(chunk);
    seen += chunk.length;
    return chunk.length === 0 || seen === size ? finish(fd) : readMore(fd);
  }, 'read', fd, size === 0 ? LARGEST_READ : Math.min(size - seen, LARGEST_READ), -1);
  const look = (fd) => job((error, values) => {
    if (error) return finish(fd, error);
    const stats = new Stats(values);
    size = stats.isFile() ? stats.size : 0;
    return readMore(fd);
  }, 'fstat', fd);
  if (own) job((error, fd) => (error ? callback(error) : look(fd)), 'open', pathOf(path), optionsOf(options).flag ?? 'r');
  else look(path);
};

function writeWhole(name, flag) {
  fs[`${name}Sync`] = (path, data, options) => {
    const bytes = bytesOf(data, encodingOf(options));
    const fd = typeof path === 'number' ? path : fs.openSync(path, optionsOf(options).flag ?? flag);
    try {
      for (let at = 0; at < bytes.length;) at += native.sync('write', fd, internals.binary(bytes.subarray(at)), -1);
    } finally {
      if (fd !== path) fs.closeSync(fd);
    }
  };
  fs[name] = (path, data, options, callback = options) => {
    validateFunction(callback, 'cb');
    if (callback === options) options = undefined;
    const bytes = bytesOf(data, encodingOf(options));
    const own = typeof path !== 'number';
    const finish = (fd, error) => {
      if (own) job(() => callback(error ?? null), 'close', fd);
      else callback(error ?? null);
    };
    const writeMore = (fd, at) => job((error, count) => {
      if (error) return finish(fd, error);
      return at + count < bytes.length ? writeMore(fd, at + count) : finish(fd);
    }, 'write', fd, internals.binary(bytes.subarray(at)), -1);
    if (!own) writeMore(path, 0);
    else job((error, fd) => (error ? callback(error) : writeMore(fd, 0)), 'open', pathOf(path), optionsOf(options).flag ?? flag);
  };
}
writeWhole('writeFile', 'w');
writeWhole('appendFile', 'a');

fs.existsSync = (path) => {
  try {
    return native.sync('kind', pathOf(path)) !== undefined;
  } catch {
    return false;
  }
};
fs.exists = (path, callback) => fs.access(path, (error) => callback(!error));
fs.accessSync = (path, mode = 0) => native.sync('access', pathOf(path), mode);
fs.constants = { F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, COPYFILE_EXCL: 1, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2 };
Object.assign(fs, { F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, Dirent, Stats });
Object.defineProperty(fs, 'promises', { enumerable: true, get: () => require('fs/promises') });

module.exports = fs;
