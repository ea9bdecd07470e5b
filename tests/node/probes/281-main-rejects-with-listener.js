// With a listener for unhandled rejections the loop goes on after main has rejected.
process.on('unhandledRejection', (e) => console.log('unhandled', e));
process.on('exit', (code) => console.log('exit', code));
async function main() {
  setTimeout(() => console.log('timer'), 5);
  process.nextTick(() => console.log('tick'));
  await null;
  console.log('main fails');
  throw 'no';
}
main();
