// Decides by the model whether a program is fit to be a case: legal, ending by
// itself within the time FORMAT.md allows, and independent of how long things take.
//
// Independent means: the trace stays the same when everything costs a little, when
// the thread is held up here and there, and when pool jobs are slow. This never
// runs anything in Node's own loop; Node itself decides in the end (generate.mjs).
'use strict';

const { prepare, LONGEST_TIME } = require('./model.cjs');

// Longest pause, longest sum of pauses shortly after each other, and slowest job a
// program must be able to stand, in milliseconds.
// More than the perturbed runs of interpret.cjs do, as machines add their own.
const LONGEST_PAUSE = 16;
const MOST_IN_ONE_PLACE = 24;
const SLOWEST_JOB = 9;
const LONGEST_TRACE = 160;

// Returns { trace, duration } if `main` is fit, else null. `trials` is the number
// of disturbed runs; `everyPoint` adds one for a long pause at each single point.
function judge(main, random, { trials, longestTime = LONGEST_TIME, everyPoint = false }) {
  const run = prepare(main);
  const ideal = run();
  if (ideal.faults.length > 0 || ideal.duration > longestTime) return null;
  if (ideal.trace.length > LONGEST_TRACE) return null;
  const expected = ideal.trace.join('\n');
  const stands = (disturbance) => {
    const disturbed = run(disturbance);
    return disturbed.faults.length === 0 && disturbed.trace.join('\n') === expected;
  };
  for (let trial = 0; trial < trials; trial += 1) {
    if (!stands(randomDisturbance(random, ideal.points, trial))) return null;
  }
  if (everyPoint) {
    const step = Math.max(1, Math.floor(ideal.points / 80));
    for (let point = random.below(step); point < ideal.points; point += step) {
      if (!stands(pauseAt(random, new Map([[point, LONGEST_PAUSE]]), 0.05))) return null;
    }
  }
  return { trace: ideal.trace, duration: ideal.duration };
}

function randomDisturbance(random, points, trial) {
  const pauses = new Map();
  const count = trial === 0 ? 0 : random.between(1, 4);
  const near = random.chance(0.4);
  const first = random.below(points);
  let left = near ? MOST_IN_ONE_PLACE : Infinity;
  for (let pause = 0; pause < count; pause += 1) {
    const length = Math.min(2 + random.fraction() * (LONGEST_PAUSE - 2), left);
    left -= length;
    pauses.set(near ? first + random.below(10) : random.below(points), length);
  }
  return pauseAt(random, pauses, random.pick([0.02, 0.1, 0.4]));
}

// Small costs at every point, and the pauses: a map from points to milliseconds.
function pauseAt(random, pauses, cost) {
  const slowest = random.chance(0.5) ? SLOWEST_JOB : 1;
  return {
    start: 1000 + random.fraction(),
    delay: (point) => random.fraction() * cost + (pauses.get(point) ?? 0),
    jobDuration: () => 0.02 + random.fraction() * slowest,
  };
}

module.exports = { judge };
