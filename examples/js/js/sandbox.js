// A program in a sandbox: takes away what is outside of it, and marks in the recording what it does.
//
// The engine doesn't tell which jobs wait. So a mark is a job of the host as well: the jobs that run
// between two marks were queued between them. Marks change the order of no other job.
'use strict';

const FILE = native.sandboxFile;
const { defineProperty } = Object;
const queueJob = globalThis.queueMicrotask;
const SystemError = Error;
const REFUSED = new Set(['fs', 'fs/promises', 'module', 'child_process', 'cluster', 'dgram', 'dns', 'dns/promises', 'http',
  'http2', 'https', 'inspector', 'net', 'readline', 'repl', 'stream', 'tls', 'v8', 'vm', 'worker_threads', 'zlib', 'crypto']);

// What the program finds instead of the machine.
native.args = ['/usr/local/bin/node', FILE];
native.execPath = '/usr/local/bin/node';
native.env = {};
native.nodeOptions = '';
native.nodeFlags = [];
native.pid = 1;
native.ppid = 0;
native.cwd = () => '/playground';
native.isTerminal = () => false;

function refusal(text) {
  const error = new SystemError(text);
  error.code = 'ERR_ACCESS_DENIED';
  return error;
}

// The only file is the program. `require` of everything else fails as if nothing else existed.
native.sync = (name, file) => {
  if (name === 'kind') return file === FILE ? 'file' : 'none';
  if (name === 'realpath' && file === FILE) return FILE;
  if (name === 'readText' && file === FILE) return native.sandboxSource;
  throw refusal('there are no files in the playground');
};
native.job = () => {
  throw refusal('there are no files in the playground');
};

const { isPublic, requireBuiltin } = internals;
internals.isPublic = (id) => REFUSED.has(id) || isPublic(id);
internals.requireBuiltin = (id) => {
  if (REFUSED.has(id)) throw refusal(`'${id}' is not available in the playground: a program has no files and no network`);
  return requireBuiltin(id);
};

// On real time the limit applies to a blocked thread, too.
const { blockFor } = native;
native.blockFor = (ms) => {
  if (native.isVirtualTime) {
    blockFor(ms);
    return;
  }
  for (let left = Number(ms); left > 0; left -= 20) {
    blockFor(left < 20 ? left : 20);
    native.checkTime();
  }
};

// Returns the calls of the program that are on the stack, the innermost first, as lines of text.
function frames() {
  const { prepareStackTrace, stackTraceLimit } = SystemError;
  let text = '';
  try {
    SystemError.prepareStackTrace = (_, list) => list;
    SystemError.stackTraceLimit = 30;
    const list = new SystemError().stack;
    for (let at = 0; at < list.length; at += 1) {
      if (list[at].getFileName() !== FILE) continue;
      const [line, column] = [list[at].getLineNumber(), list[at].getColumnNumber()];
      const shift = line === 1 && FILE.endsWith('.js') ? native.wrapperLength : 0;
      text += `${line}\t${column - shift}\t${list[at].getFunctionName() ?? ''}\n`;
    }
  } finally {
    SystemError.prepareStackTrace = prepareStackTrace;
    SystemError.stackTraceLimit = stackTraceLimit;
  }
  return text;
}

let isMarking = false;

function mark(kind) {
  if (isMarking || !native.isTracing()) return;
  isMarking = true;
  try {
    native.mark(kind, kind === 'end' ? '' : frames());
    queueJob(native.passed);
  } catch {
    // Close to a limit of the program, which its own code is going to meet.
  } finally {
    isMarking = false;
  }
}

for (const name of ['armTimer', 'refreshTimer', 'clearTimer', 'immediate', 'clearImmediate', 'tick', 'write', 'writeBytes']) {
  const original = native[name];
  native[name] = (first, second, third) => {
    mark(name.startsWith('write') && first === 2 ? 'writeError' : name);
    return original(first, second, third);
  };
}
defineProperty(globalThis, 'queueMicrotask', {
  value: (job) => {
    mark('queueMicrotask');
    queueJob(job);
  },
  writable: true,
  configurable: true,
  enumerable: true,
});

// An entry of the loop, with a mark at its end.
internals.marked = (entry) => (...values) => {
  try {
    entry(...values);
  } finally {
    mark('end');
  }
};

module.exports = { mark };
