// Snapshots of the async context; the same program is in tests/rules/async_local.rs.
const { AsyncLocalStorage } = require('async_hooks');
const a = new AsyncLocalStorage();
const b = new AsyncLocalStorage();
const log = (what) => console.log(what, a.getStore() ?? '-', b.getStore() ?? '-');
const snapshot = a.run(1, () => b.run(2, () => AsyncLocalStorage.snapshot()));
const empty = AsyncLocalStorage.snapshot();
log('outside');
console.log(snapshot((x, y) => { log('in the snapshot'); return x + y; }, 3, 4));
log('after it');
a.run(9, () => {
  snapshot(() => log('within another value'));
  log('back');
});
a.run(6, () => empty(() => log('empty')));
try { snapshot(() => { throw new Error(); }); } catch { log('after a throw'); }
// What the snapshot schedules.
setTimeout(() => {
  log('timer');
  snapshot(() => {
    setTimeout(() => log('timer of the snapshot'), 1);
    Promise.resolve().then(() => log('reaction of the snapshot'));
    process.nextTick(() => log('tick of the snapshot'));
    (async () => { log('task'); await null; log('task, after its await'); })();
  });
  log('end of the timer');
}, 20);
// A bound callback.
const bound = a.run(7, () => AsyncLocalStorage.bind((x) => { log('bound'); return x; }));
a.run(8, () => { console.log(bound('result')); log('after the bound one'); });
setImmediate(a.run(11, () => AsyncLocalStorage.bind(async () => {
  log('bound task');
  await null;
  log('bound task, after its await');
})));
// A value that is entered in a snapshot stays in it.
const changed = a.run(20, () => AsyncLocalStorage.snapshot());
changed(() => a.enterWith(21));
log('after entering');
changed(() => log('the next call'));
