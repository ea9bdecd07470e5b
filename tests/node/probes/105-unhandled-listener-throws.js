// The unhandledRejection listener throws at the second of three rejections: the
// third is lost, it is never reported, neither in this round nor in a later one;
// and handling it later is no event. The drain ends there; the listener's tick of
// the first report waits for the next drain.
const kept = [];
process.on('uncaughtException', (e) => console.log('uncaught', e));
process.on('rejectionHandled', (p) => console.log('handled', kept.indexOf(p) + 1));
process.on('unhandledRejection', (reason) => {
  console.log('unhandled', reason);
  process.nextTick(() => console.log('tick of report', reason));
  queueMicrotask(() => console.log('micro of report', reason));
  if (reason === 2) throw 'listener';
});
for (const reason of [1, 2, 3]) kept.push(Promise.reject(reason));
setTimeout(() => console.log('timer'), 100);
setImmediate(() => { console.log('immediate'); Promise.reject(4); });
setTimeout(() => { for (const p of kept) p.catch(() => {}); console.log('all caught'); }, 200);
