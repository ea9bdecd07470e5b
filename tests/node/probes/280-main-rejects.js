// An async main that rejects without a catch ends the process, although an interval is alive: after the
// drain, with code 1.
process.on('beforeExit', () => console.log('never'));
process.on('exit', (code) => console.log('exit', code));
async function main() {
  setInterval(() => console.log('never'), 1);
  setImmediate(() => console.log('never'));
  await null;
  process.nextTick(() => console.log('tick'));
  queueMicrotask(() => console.log('micro'));
  console.log('main fails');
  throw new Error('no');
}
main();
