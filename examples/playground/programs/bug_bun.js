// An order bug: a tick that a microtask queues
// Another runtime has run the tick before the second microtask.
Promise.resolve().then(() => {
  console.log('microtask 1');
  process.nextTick(() => console.log('tick'));
});
Promise.resolve().then(() => console.log('microtask 2'));
