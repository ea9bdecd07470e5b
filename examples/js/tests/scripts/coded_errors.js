// Errors with the codes of Node: the first line of the stack, the name, the code and the text of each.
'use strict';
const assert = require('assert');
const { Buffer } = require('buffer');
const childProcess = require('child_process');
const { EventEmitter, errorMonitor, getEventListeners, on, once, setMaxListeners } = require('events');
const fs = require('fs');
const { createRequire } = require('module');
const path = require('path');
const timers = require('timers/promises');
const { fileURLToPath } = require('url');
const util = require('util');

const firstLine = (text) => String(text).split('\n')[0].replaceAll(__dirname, 'HERE');

function show(what, error) {
  console.log(`${what}: ${error.name}, ${error.code}${Object.hasOwn(error, 'code') ? '' : ', inherited'}`);
  console.log(`  ${firstLine(error.stack)}`);
  if (firstLine(error) !== firstLine(error.stack)) console.log(`  as text: ${firstLine(error)}`);
}

function throws(what, call) {
  try {
    call();
  } catch (error) {
    show(what, error);
    return;
  }
  console.log(`${what}: no error`);
}

const none = { toString: () => 'none' };
const emitter = new EventEmitter();
const target = new EventTarget();
const aborted = AbortSignal.abort();

throws('setTimeout', () => setTimeout('text'));
throws('setInterval', () => setInterval(null));
throws('setImmediate', () => setImmediate(1));
throws('queueMicrotask', () => queueMicrotask({}));
throws('nextTick', () => process.nextTick(Symbol('x')));
throws('exitCode, a text', () => { process.exitCode = 'x'; });
throws('exitCode, a fraction', () => { process.exitCode = 1.5; });
throws('exit', () => process.exit('x'));
throws('hrtime, no array', () => process.hrtime(1));
throws('hrtime, one part', () => process.hrtime([1]));
throws('emitWarning, no warning', () => process.emitWarning(1));
throws('emitWarning, no type', () => process.emitWarning('x', 1));
throws('capture, no function', () => process.setUncaughtExceptionCaptureCallback(1));
process.setUncaughtExceptionCaptureCallback(() => {});
throws('capture, twice', () => process.setUncaughtExceptionCaptureCallback(() => {}));
process.setUncaughtExceptionCaptureCallback(null);
throws('binding', () => process.binding('none'));

throws('on', () => emitter.on('x', 'listener'));
throws('once', () => emitter.once('x', undefined));
throws('setMaxListeners', () => emitter.setMaxListeners(-1));
throws('setMaxListeners, a text', () => emitter.setMaxListeners('1'));
throws('defaultMaxListeners', () => { EventEmitter.defaultMaxListeners = -1; });
throws('events.setMaxListeners', () => setMaxListeners(1, {}));
throws('captureRejections', () => new EventEmitter({ captureRejections: 1 }));
throws('EventEmitter.captureRejections', () => { EventEmitter.captureRejections = 1; });
throws('emit error, a number', () => emitter.emit('error', 1));
throws('emit error, nothing', () => emitter.emit('error'));
throws('emit error, an object', () => emitter.emit('error', { a: 1 }));
throws('errorMonitor', () => new EventEmitter().on(errorMonitor, () => {}).emit('error', 'x'));
throws('getEventListeners', () => getEventListeners({}, 'x'));
throws('events.on, aborted', () => on(emitter, 'x', { signal: aborted }));
throws('events.on, no signal', () => on(emitter, 'x', { signal: 1 }));

throws('Event, no type', () => new Event());
throws('Event, no options', () => new Event('x', 1));
throws('addEventListener, no arguments', () => target.addEventListener());
throws('addEventListener, one argument', () => target.addEventListener('x'));
throws('addEventListener, no listener', () => target.addEventListener('x', 1));
throws('dispatchEvent', () => target.dispatchEvent({}));
throws('dispatchEvent, of another', () => EventTarget.prototype.dispatchEvent.call({}, new Event('x')));
throws('dispatchEvent, twice', () => {
  let problem;
  const event = new Event('again');
  target.addEventListener('again', () => {
    try {
      target.dispatchEvent(event);
    } catch (error) {
      problem = error;
    }
  }, { once: true });
  target.dispatchEvent(event);
  throw problem;
});
throws('AbortSignal', () => new AbortSignal());
throws('AbortSignal.aborted', () => Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted').get.call({}));
throws('AbortSignal.timeout, a text', () => AbortSignal.timeout('1'));
throws('AbortSignal.timeout, negative', () => AbortSignal.timeout(-1));
throws('throwIfAborted', () => aborted.throwIfAborted());
throws('throwIfAborted, no error', () => AbortSignal.abort(new DOMException('texts', 'DataCloneError')).throwIfAborted());
throws('structuredClone, nothing', () => structuredClone());
throws('structuredClone, a function', () => structuredClone(() => {}));
throws('atob, nothing', () => atob());
throws('atob', () => atob('*'));
throws('btoa', () => btoa('\u{1f600}'));

throws('assert.ok', () => assert.ok(0, 'not zero'));
throws('assert.strictEqual', () => assert.strictEqual(1, 2));
throws('assert.strictEqual, one argument', () => assert.strictEqual(1));
throws('assert.throws, none', () => assert.throws(() => {}));
throws('assert.throws, no function', () => assert.throws(1));
throws('assert.throws, an empty object', () => assert.throws(() => { throw new Error('x'); }, {}));
throws('assert.match', () => assert.match('a', 'b'));
throws('assert.match, no match', () => assert.match('a', /b/));
throws('assert.fail', () => assert.fail());
throws('assert.fail, a text', () => assert.fail('failed'));
throws('assert.ifError', () => assert.ifError('given'));

throws('Buffer.from', () => Buffer.from(1));
throws('Buffer.from, an encoding', () => Buffer.from('x', 'none'));
throws('buffer.toString', () => Buffer.from('x').toString('none'));
throws('TextDecoder', () => new util.TextDecoder('none'));
throws('TextDecoder, fatal', () => new util.TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])));

throws('path.join', () => path.join(1));
throws('path.resolve', () => path.resolve({}));
throws('path.dirname', () => path.dirname(null));
throws('path.basename', () => path.basename());
throws('path.relative', () => path.relative('a', []));
throws('fileURLToPath', () => fileURLToPath('http://host/'));
throws('promisify', () => util.promisify(1));
throws('promisify.custom', () => util.promisify(Object.assign(() => {}, { [util.promisify.custom]: 1 })));
throws('callbackify', () => util.callbackify(1));
throws('callbackify, no callback', () => util.callbackify(async () => {})());

throws('fs.readFileSync, no path', () => fs.readFileSync({}));
throws('fs.readFileSync, a null byte', () => fs.readFileSync('a\0b'));
throws('fs.readFileSync, no file', () => fs.readFileSync('/none'));
throws('fs.readFile, no callback', () => fs.readFile('/none'));
throws('fs.unlink, no callback', () => fs.unlink('/none', 1));
throws('fs.writeFileSync', () => fs.writeFileSync('/none/x', none));
throws('fs.readdirSync', () => fs.readdirSync('/none'));
throws('exec', () => childProcess.exec(1));
throws('spawn', () => childProcess.spawn(1));
throws('fork', () => childProcess.fork(1));

throws('require, no text', () => require(1));
throws('require, an empty text', () => require(''));
throws('require, no module', () => require('./none'));
throws('require, no package', () => require('none'));
throws('require, no builtin', () => require('node:none'));
throws('createRequire', () => createRequire(1));

// The first line is made when the stack is first read.
class Named extends Error {
  constructor(message) {
    super(message);
    this.name = 'NamedError';
    this.code = 'ERR_OF_THE_PROGRAM';
  }
}
const changed = new Error('before');
changed.message = 'after';
const read = new TypeError('read');
console.log(read.stack.split('\n')[0]);
read.message = 'changed later';
const captured = { name: 'Captured', message: 'an object' };
Error.captureStackTrace(captured);
throws('a class with a name', () => { throw new Named('named'); });
throws('a changed message', () => { throw changed; });
throws('a message that was changed later', () => { throw read; });
console.log(captured.stack.split('\n')[0], Object.hasOwn(captured, 'stack'));
console.log(new Named('printed').stack.split('\n')[0]);

const fails = [
  ['setTimeout, a delay', () => timers.setTimeout('x')],
  ['setTimeout, options', () => timers.setTimeout(1, 0, 1)],
  ['setTimeout, no signal', () => timers.setTimeout(1, 0, { signal: {} })],
  ['setTimeout, ref', () => timers.setTimeout(1, 0, { ref: 1 })],
  ['setTimeout, aborted', () => timers.setTimeout(1, 0, { signal: aborted })],
  ['setImmediate, aborted', () => timers.setImmediate(0, { signal: aborted })],
  ['setInterval, aborted', () => timers.setInterval(1, 0, { signal: aborted }).next()],
  ['scheduler', async () => new timers.scheduler.constructor()],
  ['events.once, aborted', () => once(emitter, 'x', { signal: aborted })],
  ['events.once, no emitter', () => once({}, 'x')],
  ['assert.rejects, a number', () => assert.rejects(1)],
  ['assert.rejects, none', () => assert.rejects(Promise.resolve())],
  ['fs.promises', () => fs.promises.readFile('/none')],
  ['fs.promises, no path', () => fs.promises.readFile({})],
  ['a falsy rejection', () => new Promise((_, reject) => {
    util.callbackify(() => Promise.reject(null))((error) => reject(error));
  })],
];

process.once('uncaughtException', (error) => {
  show('a rejection with a number', error);
});

(async () => {
  for (const [what, call] of fails) {
    try {
      await call();
      console.log(`${what}: no error`);
    } catch (error) {
      show(what, error);
    }
  }
  Promise.reject(1);
})();
