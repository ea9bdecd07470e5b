// Timers and immediates that are armed, cleared and armed again by their own callbacks. Each part starts the next.
'use strict';
const log = (text) => console.log(text);

function refreshedLater() {
  let calls = 0;
  const again = setTimeout(() => {
    calls += 1;
    log(`call ${calls}`);
    if (calls === 2) clearsItself();
    else setTimeout(() => again.refresh(), 1);
  }, 1);
}

function clearsItself() {
  const cleared = setTimeout(function callback() {
    clearTimeout(cleared);
    log(`cleared itself: ${cleared._destroyed} ${this === cleared}`);
    const other = setTimeout(() => log('must not run'), 1);
    setTimeout(endsInterval, 5);
    clearTimeout(other);
    clearTimeout(cleared);
  }, 1);
}

function endsInterval() {
  let rounds = 0;
  const interval = setInterval(() => {
    rounds += 1;
    log(`interval ${rounds}`);
    if (rounds < 3) return;
    clearInterval(interval);
    setTimeout((...args) => {
      log(`arguments ${args}`);
      becomesInterval();
    }, 1, 'a', 'b');
  }, 2);
}

function becomesInterval() {
  const timer = setTimeout(() => {
    log(`repeats ${timer._repeat}`);
    if (timer._repeat === null) {
      timer._repeat = 3;
      return;
    }
    clearTimeout(timer);
    refreshesItself();
  }, 1);
}

function refreshesItself() {
  let isLast = false;
  const timer = setTimeout(() => {
    log(`refreshes itself: ${!isLast}`);
    if (isLast) throw new Error('of a timeout');
    isLast = true;
    timer.refresh();
  }, 1);
}

process.once('uncaughtException', (error) => {
  log(`caught ${error.message}`);
  setTimeout(() => log('timeout of the listener'), 1);
});

const first = setImmediate(() => {
  log(`immediate, cleared ${first._destroyed}`);
  const second = setImmediate(() => log('must not run'));
  setImmediate((value) => {
    log(`immediate with ${value}`);
    refreshedLater();
  }, 'an argument');
  clearImmediate(second);
  clearImmediate(first);
});
