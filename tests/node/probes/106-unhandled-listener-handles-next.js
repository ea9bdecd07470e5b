// Rejections a and b are reported in one round; the listener for a handles b. b is
// reported all the same, for the round had been taken before, and it counts as
// never handled: no rejectionHandled. c is rejected by the listener: a second
// round. d is rejected and handled by the listener: no event.
const name = new Map();
process.on('rejectionHandled', (p) => console.log('handled', name.get(p)));
process.on('unhandledRejection', (reason, p) => {
  console.log('unhandled', reason);
  name.set(p, reason);
  if (reason === 'a') {
    b.catch(() => console.log('b caught'));
    Promise.reject('c');
    Promise.reject('d').catch(() => console.log('d caught'));
    process.nextTick(() => console.log('tick'));
  }
  if (reason === 'b') a.catch(() => console.log('a caught'));
});
const a = Promise.reject('a');
const b = Promise.reject('b');
setImmediate(() => console.log('immediate'));
