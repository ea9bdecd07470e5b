// Makes the globals. The host calls this once, with its functions, and keeps what it returns: the entries
// into JavaScript. Each other file of this folder is a module that is compiled when it is first required.
(function bootstrap(native) {
  'use strict';

  const internals = { builtinClasses: new Set() };
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (/^[A-Z]/.test(name) && typeof globalThis[name] === 'function') internals.builtinClasses.add(globalThis[name]);
  }
  const files = {
    'internal/errors': 'errors', 'internal/inspect': 'inspect', 'internal/inspect_kinds': 'inspect_kinds',
    'internal/inspect_layout': 'inspect_layout', 'internal/fatal': 'fatal', 'internal/modules': 'modules',
    'internal/event_target': 'event_target', 'internal/deep_equal': 'deep_equal', 'internal/globals': 'globals', 'internal/timers_legacy': 'timers_legacy', 'internal/exposed': 'exposed',
    'internal/structured_clone': 'structured_clone', 'internal/stats': 'stats',
    'internal/rejections': 'rejections', 'internal/stacks': 'stacks', 'internal/places': 'places', 'internal/sandbox': 'sandbox',
    'internal/virtual_clock': 'virtual_clock',
    assert: 'assert', 'assert/strict': 'assert_strict', buffer: 'buffer', child_process: 'child_process', console: 'console',
    events: 'events', fs: 'fs', 'fs/promises': 'fs_promises', module: 'module', net: 'net', os: 'os', path: 'path', perf_hooks: 'perf_hooks', process: 'process',
    timers: 'timers', 'timers/promises': 'timers_promises', url: 'url', util: 'util',
    worker_threads: 'worker_threads',
  };
  const loaded = new Map();

  function requireBuiltin(id) {
    let module = loaded.get(id);
    if (module !== undefined) return module.exports;
    const file = files[id];
    if (file === undefined) throw new Error(`no builtin module ${id}`);
    module = { exports: {} };
    loaded.set(id, module);
    const compiled = native.builtin(file);
    compiled(module.exports, requireBuiltin, module, native, internals);
    return module.exports;
  }

  internals.isPublic = (id) => Object.hasOwn(files, id) && !id.startsWith('internal/');
  internals.publicNames = () => Object.keys(files).filter(internals.isPublic);
  internals.requireBuiltin = requireBuiltin;

  // The position of a frame. The wrapper of a CommonJS module is in its first line.
  internals.wrapped = new Set();
  internals.placeOf = (frame) => {
    const [file, line, column] = [frame.getFileName(), frame.getLineNumber(), frame.getColumnNumber()];
    const isShifted = line === 1 && internals.wrapped.has(file) && column >= native.wrapperLength;
    return `${file}:${line}:${isShifted ? Math.max(1, column - native.wrapperLength) : column}`;
  };

  requireBuiltin('internal/stacks');
  if (native.isVirtualTime) native.hrtime = requireBuiltin('internal/virtual_clock');
  internals.places = native.showsPlaces ? requireBuiltin('internal/places') : undefined;

  const define = (name, value) => Object.defineProperty(globalThis, name,
    { value, writable: true, configurable: true, enumerable: false });
  // A global that is a property with functions, as in Node; assigning replaces it.
  internals.accessor = accessor;
  function accessor(name, load) {
    let value;
    let isLoaded = false;
    Object.defineProperty(globalThis, name, {
      configurable: true,
      enumerable: false,
      get() {
        if (!isLoaded) value = load();
        isLoaded = true;
        return value;
      },
      set(given) {
        value = given;
        isLoaded = true;
      },
    });
  }
  define('global', globalThis);
  const sandbox = native.isSandboxed ? requireBuiltin('internal/sandbox') : undefined;
  accessor('process', () => requireBuiltin('process'));
  define('console', requireBuiltin('console'));
  const timers = requireBuiltin('timers');
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']) {
    Object.defineProperty(globalThis, name, { value: timers[name], writable: true, configurable: true, enumerable: true });
  }
  requireBuiltin('internal/globals');
  const modules = requireBuiltin('internal/modules');
  const rejections = requireBuiltin('internal/rejections');
  const marked = internals.marked ?? ((entry) => entry);
  return {
    tick: marked(internals.onTick),
    timer: marked(internals.timers.onTimer),
    immediate: marked(internals.timers.onImmediate),
    completion: (id, [error, value]) => internals.onCompletion(id, error, value),
    uncaught: marked(internals.onUncaught),
    unhandled: marked(rejections.onUnhandled),
    handledLate: marked(rejections.onHandledLate),
    rejection: rejections.onRejection,
    beforeExit: marked(internals.emitBeforeExit),
    exit: internals.emitExit,
    main: marked(modules.runMain),
    mark: sandbox?.mark ?? (() => {}),
    importSource: modules.importSource,
    resolve: internals.resolveFrom,
    promise: (promise, isNew) => internals.places.onPromise(promise, isNew),
  };
});
