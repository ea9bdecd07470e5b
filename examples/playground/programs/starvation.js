// Ticks starve the loop, immediates do not
const LINKS = 100;

function chain(name, schedule, whenTimerRan) {
  let links = 0;
  const link = () => {
    links += 1;
    if (links === 1) {
      setTimeout(() => {
        console.log(`${name}: the timer runs after link ${links}`);
        whenTimerRan();
      }, 1);
      blockFor(5); // from now on the timer is due
    }
    if (links < LINKS) schedule(link);
    else console.log(`${name}: the chain is over`);
  };
  schedule(link);
}

function blockFor(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

chain('ticks', process.nextTick, () => chain('immediates', setImmediate, () => {}));
