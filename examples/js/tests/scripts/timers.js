// All that timers can do.
'use strict';
const timers = require('timers');
const log = (...values) => console.log(...values);

const first = setTimeout((a, b) => log('arguments', a, b), 10, 'x', 'y');
log(first.hasRef(), first.unref().hasRef(), first.ref().hasRef(), typeof +first, first.constructor.name);
const byNumber = setTimeout(() => log('never'), 1);
clearTimeout(Number(byNumber));
const byText = setTimeout(() => log('never'), 1);
clearTimeout(`${+byText}`);
setTimeout(function () { log('this', this === own, this instanceof first.constructor); }, 12);
const own = setTimeout(function () { log('own', this === own); }, 14);

let calls = 0;
const interval = setInterval(() => {
  calls += 1;
  log('interval', calls);
  if (calls === 3) {
    clearInterval(interval);
    afterwards();
  }
}, 15);

let rounds = 0;
function afterwards() {
  const again = setTimeout(() => {
    rounds += 1;
    log('round', rounds);
    if (rounds < 3) again.refresh();
    else immediates();
  }, 5);
}

function immediates() {
  const cleared = setImmediate(() => log('never'));
  clearImmediate(cleared);
  setImmediate((value) => log('immediate', value), 7);
  setImmediate(() => {
    log('second');
    setImmediate(() => {
      log('next check');
      conversion();
    });
    process.nextTick(() => log('tick'));
    Promise.resolve().then(() => log('micro'));
  });
  setImmediate(() => log('third'));
  const unref = setTimeout(() => log('never'), 100000).unref();
  const timersOnly = (kind) => kind === 'Timeout' || kind === 'Immediate'; // not the standard streams
  log(process.getActiveResourcesInfo().filter(timersOnly).sort(), unref.hasRef());
}

function conversion() {
  const converted = setTimeout(() => {
    log('converted');
    converted._repeat = 4;
    setTimeout(() => clearInterval(converted), 50);
    converted._onTimeout = () => { log('as an interval'); clearInterval(converted); };
  }, 4);
}
log(timers.setTimeout === setTimeout, timers.promises === require('timers/promises'));
for (const wrong of [undefined, 'text', {}]) {
  try {
    setTimeout(wrong, 1);
  } catch (error) {
    log(error.name, error.code, error.message);
  }
}
clearTimeout(undefined);
clearTimeout(null);
clearTimeout({});
clearTimeout(987654);
process.on('exit', (code) => log('exit', code));
