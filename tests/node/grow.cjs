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
const TRIALS_WHILE_GROWING = 5;
const TRIALS_AT_THE_END = 40;

// Returns { main, trace, duration }: the program and what the model makes of it.
function grow(familyName, seed) {
  const random = new Random(seed);
  const family = FAMILIES[familyName];
  const limits = {
    longestTime: family.timed ? random.pick([200, 300, 300, 400, 580]) : 0,
    size: random.between(...random.pick(family.sizes)),
  };
  const maker = new Maker(random, family);
  const stages = [{ main: [], trace: [] }];
  for (let attempt = 0; attempt < limits.size * 3; attempt += 1) {
    const current = stages[stages.length - 1];
    if (countStatements(current.main) >= limits.size) break;
    const main = maker.extend(current.main);
    const verdict = judge(main, random, {
      trials: TRIALS_WHILE_GROWING,
      longestTime: limits.longestTime,
    });
    if (verdict === null) continue;
    // What changes nothing is welcome too, but should not fill the program.
    if (verdict.trace.length === current.trace.length && random.chance(0.5)) continue;
    stages.push({ main, trace: verdict.trace });
  }
  while (stages.length > 0) {
    const { main } = stages.pop();
    const verdict = judge(main, random, { trials: TRIALS_AT_THE_END, everyPoint: true });
    if (verdict !== null) return { main, ...verdict };
  }
  throw new Error('not even the empty program is fit');
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
