// R35: refreshing an interval measures its period from now, after the timers of its list.
let ticks = 0;
const interval = setInterval(() => {
  console.log('tick', ++ticks);
  if (ticks === 2) clearInterval(interval);
}, 40);
setTimeout(() => console.log('timer'), 40);
setTimeout(() => {
  interval.refresh();
  setTimeout(() => console.log('timer after the refresh'), 40);
}, 20);
