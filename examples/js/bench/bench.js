// Times the queues: `nodeloop-js bench/bench.js` beside `node bench/bench.js`. Prints the best of 25 runs for each, in
// nanoseconds for one step: short runs, so that some of them have a busy machine for themselves. `bench.js NAME STEPS`
// runs one workload once, for a profile.
'use strict';

const [only, steps] = process.argv.slice(2);
const STEPS = Number(steps ?? 20_000);

// Each calls `done` after all steps.
const workloads = {
  'promise chain, one await after another': async (done) => {
    for (let step = 0; step < STEPS; step += 1) await null;
    done();
  },
  'promise reactions, all queued at once': (done) => {
    let left = STEPS;
    for (let step = 0; step < STEPS; step += 1) {
      Promise.resolve().then(() => {
        left -= 1;
        if (left === 0) done();
      });
    }
  },
  'ticks, one after another': (done) => {
    let left = STEPS;
    const tick = () => {
      left -= 1;
      if (left === 0) done();
      else process.nextTick(tick);
    };
    process.nextTick(tick);
  },
  'timers of 1 ms, armed at once': (done) => {
    let left = STEPS;
    const fired = () => {
      left -= 1;
      if (left === 0) done();
    };
    for (let step = 0; step < STEPS; step += 1) setTimeout(fired, 1);
  },
  'immediates, one after another': (done) => {
    let left = STEPS;
    const next = () => {
      left -= 1;
      if (left === 0) done();
      else setImmediate(next);
    };
    setImmediate(next);
  },
  'calls of an empty function, in a loop': (done) => {
    let sum = 0;
    const call = () => { sum += 1; };
    for (let step = 0; step < STEPS; step += 1) call();
    if (sum !== STEPS) throw new Error(`${sum} calls`);
    done();
  },
};

(async () => {
  if (only !== undefined) {
    await new Promise((resolve) => workloads[only](resolve));
    return;
  }
  for (const [name, work] of Object.entries(workloads)) {
    let best = Infinity;
    for (let run = 0; run < 25; run += 1) {
      const start = performance.now();
      await new Promise((resolve) => work(resolve));
      best = Math.min(best, performance.now() - start);
    }
    console.log(`${name.padEnd(40)} ${(best * 1e6 / STEPS).toFixed(0).padStart(6)} ns`);
  }
})();
