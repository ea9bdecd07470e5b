// R22: a list whose first timer is not due goes back with the expiry of that timer, not with an
// earlier or a later one. Three lists are overdue at the end; that of A went back at 300.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const say = (s) => () => console.log(s);
setTimeout(() => {
  console.log('A1 due 300');
  setTimeout(say('B due 320'), 20);
  setTimeout(say('C due 590'), 290);
  setImmediate(() => wait(600));
}, 300);
wait(250);
setTimeout(say('A2 due 550'), 300);
