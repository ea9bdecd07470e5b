// Makes random programs of the eight families.
//
// A program grows: again and again a statement, or one of the small arrangements of
// motifs.cjs, is put somewhere into it, and stays if the model finds the program
// still fit (judge.cjs). So programs become large and tangled without becoming
// races, and nothing but the seed decides what comes out.
//
// Nothing is run in Node's own loop here and nothing is written to a file.
'use strict';

const { FAMILIES } = require('./families.cjs');
const { judge } = require('./judge.cjs');
const { Maker } = require('./maker.cjs');
const { Random } = require('./random.cjs');

// Disturbed runs for a program that goes on growing, and for one that is done.
const TRIALS_WHILE_GROWING = 6;
const TRIALS_AT_THE_END = 100;
// How often a program that had to be cut back by more than half grows again.
const MOST_ROUNDS = 4;
// Additions tried in one round; many fail once a program has used up its time.
const MOST_ATTEMPTS = 60;

// Returns { main, trace, duration }: the program and what the model makes of it.
function grow(familyName, seed) {
  const random = new Random(seed);
  const family = FAMILIES[familyName];
  const limits = {
    longestTime: family.timed ? random.pick([200, 300, 400, 500, 580]) : 0,
    size: random.between(...random.pick(family.sizes)),
  };
  const maker = new Maker(random, family);
  let program = { main: [], trace: ['beforeExit', 'exit'], duration: 0 };
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const stages = extendToSize(program, maker, limits);
    program = lastThatStands(stages, random, family);
    if (countStatements(program.main) >= limits.size / 2) break;
  }
  return program;
}

// Returns the stages of growth, from `program` on.
function extendToSize(program, maker, limits) {
  const { random, family } = maker;
  const stages = [program];
  for (let attempt = 0; attempt < Math.min(limits.size, MOST_ATTEMPTS); attempt += 1) {
    const current = stages[stages.length - 1];
    if (countStatements(current.main) >= limits.size) break;
    const main = maker.extend(current.main);
    const verdict = judge(main, random, {
      trials: family.timed ? TRIALS_WHILE_GROWING : 0,
      longestTime: limits.longestTime,
    });
    if (verdict === null) continue;
    // What changes nothing is welcome too, but should not fill the program.
    if (verdict.trace.length === current.trace.length && random.chance(0.5)) continue;
    stages.push({ main, ...verdict });
  }
  return stages;
}

// The few runs while growing may overlook a race: goes back to before it came in.
// The first stage has been through this before, or is the empty program.
function lastThatStands(stages, random, family) {
  const trials = family.timed ? TRIALS_AT_THE_END : 1;
  while (stages.length > 1) {
    const { main } = stages[stages.length - 1];
    if (judge(main, random, { trials, everyPoint: family.timed }) !== null) break;
    stages.pop();
  }
  return stages[stages.length - 1];
}

// The number of statements, those of nested bodies included.
function countStatements(value) {
  if (!Array.isArray(value)) {
    if (typeof value !== 'object' || value === null) return 0;
    return countStatements(value.body);
  }
  const own = typeof value[0] === 'string' ? 1 : 0;
  return value.reduce((sum, part) => sum + countStatements(part), own);
}

module.exports = { grow };
