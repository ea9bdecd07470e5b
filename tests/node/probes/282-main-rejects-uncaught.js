// Without one, a listener for uncaught errors gets the rejection of main, and the loop goes on.
process.on('uncaughtException', (e, origin) => console.log('uncaught', e.message, origin));
process.on('exit', (code) => console.log('exit', code));
async function main() {
  setTimeout(() => console.log('timer'), 5);
  process.nextTick(() => console.log('tick'));
  await null;
  console.log('main fails');
  throw new Error('no');
}
main();
