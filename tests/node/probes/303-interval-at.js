// R26, R30: an interval whose first tick is not after one period counts from the first tick.
let ticks = 0;
const tick = () => console.log('tick', ++ticks);
setTimeout(() => {
  tick();
  const interval = setInterval(() => { tick(); if (ticks === 3) clearInterval(interval); }, 20);
}, 5);
setTimeout(() => {
  console.log('timer of 5');
  setTimeout(() => {
    console.log('timer of 20');
    setTimeout(() => console.log('timer of 20 again'), 20);
  }, 20);
}, 5);
