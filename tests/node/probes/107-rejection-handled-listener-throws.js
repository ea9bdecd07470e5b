// The rejectionHandled listener throws at the first of two: the drain ends, the
// second event and the fresh rejection are kept for the next drain.
process.on('uncaughtException', (e) => console.log('uncaught', e));
process.on('unhandledRejection', (reason) => console.log('unhandled', reason));
let events = 0;
process.on('rejectionHandled', () => { events += 1; console.log('handled', events); if (events === 1) throw 'listener'; });
const a = Promise.reject('a');
const b = Promise.reject('b');
setImmediate(() => {
  console.log('immediate 1');
  a.catch(() => console.log('a caught'));
  b.catch(() => console.log('b caught'));
  Promise.reject('c');
});
setImmediate(() => console.log('immediate 2'));
setImmediate(() => console.log('immediate 3'));
