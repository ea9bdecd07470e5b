// CommonJS: resolving, loading and caching the modules of a program. ES modules are the engine's; the
// text of a built-in one comes from here.
'use strict';

const path = require('path');
const { invalidArgType, invalidArgValue, plainWithCode, validateString, withCode } = require('internal/errors');

const cache = Object.create(null);
const sources = new Map(); // by file, for the excerpts of fatal errors

class Module {
  constructor(id, parent) {
    this.id = id;
    this.path = path.dirname(id);
    this.exports = {};
    this.filename = id;
    this.loaded = false;
    this.children = [];
    this.paths = nodeModulesFrom(this.path);
    Object.defineProperty(this, 'parent', { value: parent, writable: true, configurable: true });
    parent?.children.push(this);
  }

  require(id) {
    validateString(id, 'id');
    return load(id, this);
  }

  _compile(source, filename) {
    internals.wrapped.add(filename);
    const compiled = native.compile(withoutShebang(source), filename);
    Reflect.apply(compiled, this.exports, [this.exports, makeRequire(this), this, filename, path.dirname(filename)]);
  }
}

function withoutShebang(source) {
  return source.startsWith('#!') ? `//${source}` : source;
}

function makeRequire(module) {
  const require = (id) => module.require(id);
  require.resolve = (id) => (isBuiltin(id) ? id : resolve(id, module));
  require.main = internals.mainModule;
  require.cache = cache;
  require.extensions = Object.assign(Object.create(null), { '.js': null, '.json': null });
  return require;
}

const isBuiltin = (id) => internals.isPublic(id.startsWith('node:') ? id.slice(5) : id);

function load(id, parent) {
  if (isBuiltin(id)) return internals.requireBuiltin(id.startsWith('node:') ? id.slice(5) : id);
  if (id.startsWith('internal/') && (internals.hasFlag('--expose-internals') || internals.hasFlag('--expose_internals'))) {
    const exposed = internals.requireBuiltin('internal/exposed')(id);
    if (exposed !== undefined) return exposed;
  }
  if (id.startsWith('node:')) throw unknownBuiltin(id);
  return loadFile(resolve(id, parent), parent).exports;
}

function loadFile(file, parent, isMain = false) {
  const cached = cache[file];
  if (cached !== undefined) return cached;
  const module = new Module(file, parent);
  if (isMain) {
    internals.mainModule = module;
    process.mainModule = module;
    module.id = '.';
  }
  cache[file] = module;
  let isLoaded = false;
  try {
    const source = native.sync('readText', file);
    sources.set(file, source);
    if (file.endsWith('.json')) module.exports = parseJson(source, file);
    else if (file.endsWith('.mjs')) throw withCode(Error, 'ERR_REQUIRE_ESM', `require() of ES Module ${file} not supported.`);
    else module._compile(source, file);
    isLoaded = true;
  } finally {
    if (!isLoaded) delete cache[file];
  }
  module.loaded = true;
  return module;
}

function parseJson(source, file) {
  try {
    return JSON.parse(source.replace(/^\ufeff/, ''));
  } catch (error) {
    const { message, stack } = error;
    error.message = `${file}: ${message}`;
    // The stack was made with the message of the engine, which calls the text its input.
    if (typeof stack === 'string') {
      const named = stack.replace(message, () => error.message).replace('at <input>:', () => `at ${file}:`);
      Object.defineProperty(error, 'stack', { value: named, writable: true, configurable: true });
    }
    throw error;
  }
}

function nodeModulesFrom(directory) {
  const found = [];
  for (let at = directory; ; at = path.dirname(at)) {
    if (path.basename(at) !== 'node_modules') found.push(path.join(at, 'node_modules'));
    if (at === path.dirname(at)) return found;
  }
}

function resolve(id, parent) {
  if (id === '') throw invalidArgValue('id', id, 'must be a non-empty string');
  const file = find(id, parent?.path ?? native.cwd());
  if (file === undefined) throw notFound(id, parent);
  return file;
}

const isPath = (id) => id.startsWith('/') || /^\.\.?(\/|$)/.test(id);

// The file of a name in a module of the directory, if there is one.
function find(id, directory) {
  const candidates = isPath(id) ? [path.resolve(directory, id)] : nodeModulesFrom(directory).map((base) => path.join(base, id));
  for (const candidate of candidates) {
    const file = asFile(candidate) ?? asDirectory(candidate);
    if (file !== undefined) return native.sync('realpath', file);
  }
  return undefined;
}

function notFound(id, parent) {
  const stack = [];
  for (let at = parent; at; at = at.parent) stack.push(at.filename);
  const tail = stack.length > 0 ? `\nRequire stack:\n- ${stack.join('\n- ')}` : '';
  const error = plainWithCode(Error, 'MODULE_NOT_FOUND', `Cannot find module '${id}'${tail}`);
  error.requireStack = stack;
  return error;
}

// The error of `import`, which has the file of a path, or the name of a package.
function notFoundByImport(id, importer) {
  const directory = path.dirname(importer);
  let target;
  if (isPath(id)) {
    target = path.resolve(directory, id);
  } else {
    const name = id.split('/').slice(0, id.startsWith('@') ? 2 : 1).join('/');
    const packages = nodeModulesFrom(directory).filter((base) => native.sync('kind', path.join(base, name)) === 'directory');
    if (packages.length === 0) {
      return withCode(Error, 'ERR_MODULE_NOT_FOUND', `Cannot find package '${name}' imported from ${importer}`);
    }
    target = path.join(packages[0], id);
  }
  const error = withCode(Error, 'ERR_MODULE_NOT_FOUND', `Cannot find module '${target}' imported from ${importer}`);
  error.url = `file://${target}`;
  return error;
}

const unknownBuiltin = (id) => withCode(Error, 'ERR_UNKNOWN_BUILTIN_MODULE', `No such built-in module: ${id}`);

const isFile = (file) => native.sync('kind', file) === 'file';

function asFile(file) {
  return [file, `${file}.js`, `${file}.json`, `${file}.cjs`].find(isFile);
}

function asDirectory(directory) {
  const description = path.join(directory, 'package.json');
  if (isFile(description)) {
    const { main } = parseJson(native.sync('readText', description), description);
    if (typeof main === 'string') {
      const entry = path.join(directory, main);
      const file = asFile(entry) ?? asFile(path.join(entry, 'index'));
      if (file !== undefined) return file;
    }
  }
  return asFile(path.join(directory, 'index'));
}

// Runs the text of the option `--eval`, or that of standard input, as a script with the variables of a module.
function runText(text, name) {
  sources.set(name, text);
  const module = new Module(path.join(native.cwd(), name), undefined);
  const variables = { require: makeRequire(module), module, exports: module.exports, __filename: name, __dirname: '.' };
  for (const [name, value] of Object.entries(variables)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
  const result = native.script(withoutShebang(text), name);
  if (native.isPrinted) console.log(result);
}

// Runs the main script, or starts the main module. The exit code is 13 if a module never ends.
function runMain(script) {
  if (native.evaluated !== undefined) {
    runText(native.evaluated, native.evaluatedName);
    return;
  }
  const file = resolve(path.resolve(script), undefined);
  process.argv[1] = file;
  if (internals.places) native.labelStep(`${file}:1:1`);
  if (!file.endsWith('.mjs')) {
    loadFile(file, undefined, true);
    return;
  }
  const source = native.sync('readText', file);
  sources.set(file, source);
  let isSettled = false;
  process.on('exit', () => {
    if (!isSettled) process.exitCode ??= 13;
  });
  native.runModule(withoutShebang(source), file).then(() => {
    isSettled = true;
  }, (error) => {
    isSettled = true;
    internals.onUncaught(error, true);
  });
}

// The text of a module for `import`, if it is not one of the language: a built-in or CommonJS module.
function importSource(id) {
  let value;
  let load;
  if (isBuiltin(id)) {
    value = internals.requireBuiltin(id.startsWith('node:') ? id.slice(5) : id);
    load = `process.getBuiltinModule(${JSON.stringify(id)})`;
  } else if (/\.(js|cjs|json)$/.test(id)) {
    value = loadFile(id, undefined).exports;
    load = `process.getBuiltinModule('module').createRequire(${JSON.stringify(id)})(${JSON.stringify(id)})`;
  } else {
    return undefined;
  }
  const names = Object.keys(Object(value)).filter((key) => /^[A-Za-z_$][\w$]*$/.test(key) && key !== 'default');
  return `const m = ${load};\nexport default m;\n` +
    names.map((key) => `const v_${key} = m.${key}; export { v_${key} as ${key} };`).join('\n');
}


process.getBuiltinModule = (id) => {
  if (typeof id !== 'string') throw invalidArgType('id', 'of type string', id);
  const name = id.startsWith('node:') ? id.slice(5) : id;
  return internals.isPublic(name) ? internals.requireBuiltin(name) : undefined;
};

internals.sourceLine = (file, line) => sources.get(file)?.split('\n')[line - 1];
internals.createRequire = (file) => {
  const text = typeof file === 'object' && file !== null && typeof file.href === 'string' ? file.href : file;
  if (typeof text !== 'string' || !(path.isAbsolute(text) || text.startsWith('file://'))) {
    throw invalidArgValue('filename', file, 'must be a file URL object, file URL string, or absolute path string');
  }
  return makeRequire(new Module(text.replace(/^file:\/\//, ''), undefined));
};

internals.resolveFrom = (base, id) => {
  if (isBuiltin(id)) return id;
  if (id.startsWith('node:')) throw unknownBuiltin(id);
  const importer = path.resolve(native.cwd(), base); // that of a text has no directory
  const name = id.replace(/^file:\/\//, '');
  const file = find(name, path.dirname(importer));
  if (file === undefined) throw notFoundByImport(name, importer);
  return file;
};

module.exports = { runMain, importSource, Module, isBuiltin };
