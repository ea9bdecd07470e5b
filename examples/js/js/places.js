// Places in the script, for the page of a run and the report of `nodeHost.whyAlive()`. To find one costs
// more than to queue a callback, so nothing here is called in a run that shows no places.
'use strict';

const createdAt = new WeakMap(); // where promises were created

// The frames of the program, the innermost first. The engine keeps at most 64.
function frames() {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.prepareStackTrace = (error, all) => all;
  Error.stackTraceLimit = 64;
  const all = new Error().stack;
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  if (!Array.isArray(all)) return []; // the program's own `prepareStackTrace` is running
  return all.filter((frame) => {
    const file = frame.getFileName();
    return file && !frame.isNative() && !file.startsWith('node:');
  });
}

// Where the running code is. A job of the engine has no place of its own: it gets that of its first line
// that reaches the host.
function here() {
  const found = frames();
  if (found.length === 0) return module.exports.inherited;
  if (native.needsPlace()) native.labelStep(internals.placeOf(found.at(-1)));
  return internals.placeOf(found[0]);
}

// The engine calls this in the middle of other code. A job that does nothing else has the place at which
// the promise was created that it fulfils last.
function onPromise(promise, isNew) {
  if (isNew) createdAt.set(promise, here());
  else if (native.needsPlace()) native.proposePlace(createdAt.get(promise));
}

module.exports = {
  here,
  onPromise,
  // The place of an operation that has several jobs, of which the program has started only the first.
  inherited: undefined,
};
