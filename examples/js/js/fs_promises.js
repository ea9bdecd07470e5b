// `fs/promises`.
'use strict';

require('fs');
const { Buffer } = require('buffer');

const { fsPromised: one, fsJob: job } = internals;

const run = (operation, ...args) => new Promise((resolve, reject) => {
  job((error, value) => (error ? reject(error) : resolve(value)), operation, ...args);
});

const optionsOf = (options) => (typeof options === 'string' ? { encoding: options } : options ?? {});
const text = (bytes, { encoding }) => (encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes);
const bytesOf = (data, { encoding }) => (typeof data === 'string' ? Buffer.from(data, encoding ?? 'utf8')
  : new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

class FileHandle {
  #fd;
  constructor(fd) {
    this.#fd = fd;
  }

  get fd() {
    return this.#fd;
  }

  async close() {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    await run('close', fd);
  }

  stat() {
    return one.fstat(this.#fd);
  }

  sync() {
    return run('fsync', this.#fd);
  }

  truncate(length = 0) {
    return run('ftruncate', this.#fd, length);
  }

  async read(buffer, offset = 0, length = buffer.byteLength - offset, position = null) {
    const bytes = new Uint8Array(await run('read', this.#fd, length, position ?? -1));
    new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).set(bytes, offset);
    return { bytesRead: bytes.length, buffer };
  }

  async write(data, position, encoding) {
    const bytesWritten = await run('write', this.#fd, internals.binary(bytesOf(data, { encoding })), typeof position === 'number' ? position : -1);
    return { bytesWritten, buffer: data };
  }

  async readFile(options) {
    const { size } = await this.stat();
    const chunks = [];
    for (let seen = 0; ;) {
      const chunk = Buffer.from(await run('read', this.#fd, size > 0 ? Math.min(size - seen + 1, 512 * 1024) : 64 * 1024, -1));
      seen += chunk.length;
      chunks.push(chunk);
      if (chunk.length === 0 || size > 0 && seen >= size) return text(Buffer.concat(chunks), optionsOf(options));
    }
  }

  async writeFile(data, options) {
    const bytes = bytesOf(data, optionsOf(options));
    for (let at = 0; at < bytes.length;) at += await run('write', this.#fd, internals.binary(bytes.subarray(at)), -1);
  }

  appendFile(data, options) {
    return this.writeFile(data, options);
  }

  [Symbol.asyncDispose]() {
    return this.close();
  }
}

async function open(path, flags) {
  return new FileHandle(await one.open(path, flags));
}

async function withFile(path, flags, use) {
  const handle = await open(path, flags);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

const promises = {
  ...one,
  open,
  async readFile(path, options) {
    if (path instanceof FileHandle) return path.readFile(options);
    return withFile(path, optionsOf(options).flag ?? 'r', (handle) => handle.readFile(options));
  },
  async writeFile(path, data, options) {
    if (path instanceof FileHandle) return path.writeFile(data, options);
    return withFile(path, optionsOf(options).flag ?? 'w', (handle) => handle.writeFile(data, options));
  },
  appendFile: async (path, data, options) => promises.writeFile(path, data, { ...optionsOf(options), flag: 'a' }),
  constants: require('fs').constants,
};
for (const name of ['close', 'fstat', 'fsync', 'ftruncate']) delete promises[name];

module.exports = promises;
