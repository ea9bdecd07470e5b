// The value of an AsyncLocalStorage in each kind of callback; the same program is in
// tests/rules/async_local.rs.
const { AsyncLocalStorage } = require('async_hooks');
const fs = require('fs');
const als = new AsyncLocalStorage();
const log = (what) => console.log(what + ' ' + als.getStore());
process.on('unhandledRejection', () => log('unhandled'));
process.on('uncaughtException', () => log('uncaught'));
als.run(1, () => {
  log('run');
  process.nextTick(() => log('tick'));
  queueMicrotask(() => log('micro'));
  setTimeout(() => log('timer'), 10);
  setImmediate(() => log('immediate'));
  let calls = 0;
  const i = setInterval(() => { log('interval'); als.enterWith(9); if (++calls === 2) clearInterval(i); }, 40);
  setTimeout(() => fs.stat('.', () => log('job')), 20);

});
log('outside');
// then: registered where, settled where
let resolve;
const p = als.run(2, () => new Promise((y) => resolve = y));
als.run(3, () => p.then(() => log('then registered in 3, made in 2, resolved in 4')));
als.run(4, () => resolve());
// await
als.run(5, async () => { await p; log('await in 5'); await null; log('again'); });
// enterWith in the sync part of an async function leaks into the caller
als.run(6, () => {
  async function f() { als.enterWith(7); await null; log('f after await'); }
  f(); log('caller of f');
});
log('outside again');
// enterWith after an await stays with the function
als.run(8, () => {
  async function g() { await null; als.enterWith(9); await null; log('g'); }
  g().then(() => log('then of g'));
});
// exit
als.run(10, () => { als.exit(() => log('exit')); log('after exit'); });
// throw leaves run
try { als.run(11, () => { throw 1; }); } catch { log('after throw'); }
// nested
als.run(12, () => { als.run(13, () => process.nextTick(() => log('nested tick'))); log('back'); });
als.run(14, () => { Promise.reject(1); });
als.run(15, () => { process.nextTick(() => { throw 1; }); });
setTimeout(() => log('a later timer'), 120);
als.run(16, () => { const t = setTimeout(() => log('refreshed'), 60); als.run(17, () => t.refresh()); });
als.run(18, () => setImmediate(() => { als.enterWith(19); process.nextTick(() => log('tick of immediate')); }));
setImmediate(() => log('next immediate'));
