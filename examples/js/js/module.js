// `module`.
'use strict';

const { Module, isBuiltin } = require('internal/modules');

module.exports = Object.assign(Module, {
  builtinModules: internals.publicNames(),
  createRequire: internals.createRequire,
  isBuiltin,
  Module,
});
