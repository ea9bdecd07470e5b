// R64: the listeners are looked up when a signal is delivered, one by one.
const once = () => {
  console.log('once');
  process.off('SIGHUP', once);
};
process.on('SIGHUP', once);
for (let i = 0; i < 3; i += 1) process.kill(process.pid, 'SIGHUP');
let times = 0;
process.on('SIGUSR2', () => {
  console.log('first');
  times += 1;
  if (times === 1) {
    process.nextTick(() => process.on('SIGUSR2', () => console.log('late')));
  }
});
for (let i = 0; i < 3; i += 1) process.kill(process.pid, 'SIGUSR2');
setImmediate(() => console.log('immediate'));
