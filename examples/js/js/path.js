// `path`, for POSIX systems.
'use strict';

const { validateString } = require('internal/errors');

function normalizeParts(path, isAbsolute) {
  const parts = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (!isAbsolute) parts.push('..');
  }
  return parts.join('/');
}

function normalize(path) {
  validateString(path, 'path');
  if (path === '') return '.';
  const isAbsolute = path.startsWith('/');
  const end = path.endsWith('/') ? '/' : '';
  const text = normalizeParts(path, isAbsolute);
  if (text === '') return isAbsolute ? '/' : `.${end}`;
  return (isAbsolute ? '/' : '') + text + end;
}

function join(...paths) {
  for (const path of paths) validateString(path, 'path');
  const text = paths.filter((path) => path !== '').join('/');
  return text === '' ? '.' : normalize(text);
}

function resolve(...paths) {
  let resolved = '';
  for (let at = paths.length - 1; at >= 0; at -= 1) {
    const path = paths[at];
    validateString(path, `paths[${at}]`);
    if (path === '') continue;
    resolved = resolved === '' ? path : `${path}/${resolved}`;
    if (path.startsWith('/')) break;
  }
  if (!resolved.startsWith('/')) resolved = `${process.cwd()}/${resolved}`;
  return `/${normalizeParts(resolved, true)}`;
}

function withoutEnd(path) {
  let end = path.length;
  while (end > 1 && path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

function dirname(path) {
  validateString(path, 'path');
  if (path === '') return '.';
  const text = withoutEnd(path);
  const slash = text.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : text.slice(0, slash);
}

function basename(path, suffix) {
  validateString(path, 'path');
  const text = withoutEnd(path);
  const name = text === '/' ? '' : text.slice(text.lastIndexOf('/') + 1);
  return suffix !== undefined && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

function extname(path) {
  const name = basename(path);
  const dot = name.lastIndexOf('.');
  return dot <= 0 || name === '..' ? '' : name.slice(dot);
}

function parse(path) {
  validateString(path, 'path');
  const root = path.startsWith('/') ? '/' : '';
  const base = basename(path);
  const ext = extname(path);
  const text = withoutEnd(path);
  const slash = text.lastIndexOf('/');
  const dir = slash < 0 ? '' : slash === 0 ? '/' : text.slice(0, slash);
  return { root, dir, base, ext, name: ext === '' ? base : base.slice(0, -ext.length) };
}

function format({ root = '', dir, base, name = '', ext = '' }) {
  const file = base || name + (ext === '' || ext.startsWith('.') ? ext : `.${ext}`);
  const directory = dir || root;
  if (!directory) return file;
  return directory === root ? directory + file : `${directory}/${file}`;
}

function relative(from, to) {
  validateString(from, 'from');
  validateString(to, 'to');
  const source = resolve(from).split('/').filter(Boolean);
  const target = resolve(to).split('/').filter(Boolean);
  let same = 0;
  while (same < source.length && source[same] === target[same]) same += 1;
  return [...source.slice(same).map(() => '..'), ...target.slice(same)].join('/');
}

const path = {
  sep: '/',
  delimiter: ':',
  basename,
  dirname,
  extname,
  format,
  isAbsolute: (text) => {
    validateString(text, 'path');
    return text.startsWith('/');
  },
  join,
  normalize,
  parse,
  relative,
  resolve,
  toNamespacedPath: (text) => text,
};
path.posix = path;
module.exports = path;
