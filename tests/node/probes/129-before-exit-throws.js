// A beforeExit listener that throws: reported; its drain is left out, but the empty
// immediate after every handled error keeps the loop alive, and the opening of its
// check phase drains. Then beforeExit once more.
process.on('uncaughtException', (e) => console.log('uncaught', e));
let times = 0;
process.on('beforeExit', () => {
  times += 1;
  console.log('beforeExit', times);
  if (times === 1) {
    process.nextTick(() => console.log('tick'));
    setImmediate(() => console.log('immediate'));
    throw 'x';
  }
});
process.on('exit', (code) => console.log('exit', code));
