// An interval that throws is armed again before the listener for the error is called, so a timer of the
// same duration that the listener arms comes after it.
process.on('uncaughtException', (e) => {
  console.log('uncaught', e);
  setTimeout(() => console.log('timer of the listener'), 10);
});
let n = 0;
const i = setInterval(() => {
  console.log('interval', ++n);
  if (n === 1) throw 'x';
  clearInterval(i);
}, 10);
