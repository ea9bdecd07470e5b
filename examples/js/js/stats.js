// `fs.Stats` and `fs.Dirent`.
'use strict';

const fields = ['dev', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'blksize', 'ino', 'size', 'blocks', 'atimeMs', 'mtimeMs', 'ctimeMs',
  'birthtimeMs'];

class Stats {
  constructor(values) {
    fields.forEach((field, index) => {
      this[field] = values[index];
    });
    for (const time of ['atime', 'mtime', 'ctime', 'birthtime']) this[time] = new Date(this[`${time}Ms`]);
  }

  #is(type) {
    return (this.mode & 0o170000) === type;
  }

  isFile() {
    return this.#is(0o100000);
  }

  isDirectory() {
    return this.#is(0o040000);
  }

  isSymbolicLink() {
    return this.#is(0o120000);
  }

  isFIFO() {
    return this.#is(0o010000);
  }

  isSocket() {
    return this.#is(0o140000);
  }

  isCharacterDevice() {
    return this.#is(0o020000);
  }

  isBlockDevice() {
    return this.#is(0o060000);
  }
}

class Dirent {
  #kind;
  constructor(name, parent, kind) {
    this.name = name;
    this.parentPath = parent;
    this.path = parent;
    this.#kind = kind;
  }

  isFile() {
    return this.#kind === 'file';
  }

  isDirectory() {
    return this.#kind === 'directory';
  }

  isSymbolicLink() {
    return this.#kind === 'link';
  }
}

module.exports = { Dirent, Stats };
