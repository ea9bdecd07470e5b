// What keeps a program alive
const forever = setInterval(() => console.log('interval'), 100);
forever.unref(); // does not keep the loop alive
setTimeout(() => console.log('the last timer'), 250);
let again = true;
process.on('beforeExit', () => {
  console.log('beforeExit: nothing is left');
  if (again) setTimeout(() => console.log('but a listener may add work'), 10);
  again = false;
});
process.on('exit', (code) => console.log(`exit: ${code}`));
