// R2, R51: a listener that is removed while the listeners of its event are being called is still
// called this once.
let turns = 0;
const second = () => console.log('second');
const first = () => {
  console.log('first');
  process.off('beforeExit', second);
  process.off('beforeExit', first);
  setTimeout(() => console.log('timeout'), 1);
};
process.on('beforeExit', first);
process.on('beforeExit', second);
process.on('beforeExit', () => console.log('third', ++turns));

const report = (error) => console.log('uncaught', error);
process.on('uncaughtException', report);
process.on('uncaughtException', (error) => {
  console.log('also', error);
  process.off('uncaughtException', report);
});
setImmediate(() => { throw 1; });
setImmediate(() => { throw 2; });
