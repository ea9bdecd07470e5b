// Quiz: ticks and microtasks that queue each other
setImmediate(() => console.log('immediate'));

process.nextTick(() => {
  console.log('tick 1');
  process.nextTick(() => console.log('tick 3, queued by tick 1'));
  Promise.resolve().then(() => console.log('microtask 2, queued by tick 1'));
});
Promise.resolve().then(() => {
  console.log('microtask 1');
  process.nextTick(() => console.log('tick 4, queued by microtask 1'));
});
process.nextTick(() => console.log('tick 2'));
