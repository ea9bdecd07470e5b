// Following a log that grows
const PERIOD = 200;
let log = 'started\n';
let shown = 0;
let isPaused = false;

const follow = setInterval(() => {
  if (log.length < shown) shown = 0; // it was truncated
  if (isPaused || log.length === shown) return;
  process.stdout.write(log.slice(shown));
  shown = log.length;
}, PERIOD);

setTimeout(() => { log += 'a request\n'; }, 250);
setTimeout(() => { isPaused = true; }, 500);
setTimeout(() => { log += 'not shown yet\n'; }, 550);
setTimeout(() => { isPaused = false; }, 950);
setTimeout(() => { log = 'rotated\n'; }, 1100);
setTimeout(() => clearInterval(follow), 1300);
