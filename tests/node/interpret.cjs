// Runs the program of one case in this very Node and prints its trace.
//
//     node interpret.cjs CASE.json
//     node interpret.cjs CASE.json --perturb SEED [--slow-files FILE,FILE]
//
// Standard output gets one line, the trace as a JSON list, when the process emits
// 'exit'. With --perturb the thread is sometimes blocked for some milliseconds
// and some of the pool jobs become slow (see slow-files.mjs): a program whose trace
// changes by that is a race and no case.
//
// This is a CommonJS main script on purpose: only there do the ticks of the program
// come before its promise jobs. It never compares the trace with anything, and it
// puts nothing of its own into the loop that could change the trace.
'use strict';

const fs = require('fs');
const timersPromises = require('timers/promises');
const { compileProgram, format } = require('./compile.cjs');

// A cell that is never notified, to wait on.
const BLOCKING_CELL = new Int32Array(new SharedArrayBuffer(4));

const [caseFile, ...options] = process.argv.slice(2);
const disturber = makeDisturber(options);
const trace = [];
listenToProcess();
const program = compileProgram(JSON.parse(fs.readFileSync(caseFile, 'utf8')).main, {
  pauses: disturber !== null,
});
program(makeHost());

function makeHost() {
  return {
    P: [], R: [], T: [], I: [],
    log,
    format,
    pause: disturber?.pause,
    spin: block,
    io: (callback) => fs.stat(disturber?.fileForJob() ?? __filename, () => callback()),
    nextTick: process.nextTick,
    queueMicrotask,
    setTimeout,
    setInterval,
    clearTimeout,
    setImmediate,
    clearImmediate,
    sleep: timersPromises.setTimeout,
    yieldImmediate: timersPromises.setImmediate,
  };
}

function log(label) {
  trace.push(label);
}

// Keeps the thread busy without running JavaScript: a hot loop would let the
// engine's compiler threads post tasks, and these wake the loop.
function block(ms) {
  Atomics.wait(BLOCKING_CELL, 0, 0, ms);
}

function listenToProcess() {
  process.on('unhandledRejection', (reason) => log(`unhandled:${format(reason)}`));
  process.on('rejectionHandled', () => log('handled'));
  process.on('uncaughtException', (error) => log(`uncaught:${format(error)}`));
  process.once('beforeExit', () => log('beforeExit'));
  process.on('exit', () => {
    log('exit');
    fs.writeSync(1, `${JSON.stringify(trace)}\n`);
  });
}

// The source of disturbance, or null without --perturb. The sum of the pauses is
// bounded: the cases stand pauses here and there, not a machine that is slower
// throughout. The machine adds pauses of its own to these.
function makeDisturber(list) {
  const seed = optionValue(list, '--perturb');
  if (seed === undefined) return null;
  const { Random } = require('./random.cjs');
  const random = new Random(Number(seed));
  const slowFiles = optionValue(list, '--slow-files')?.split(',') ?? [];
  let millisecondsLeft = 16;
  let pointsUntilPause = random.below(12);
  return {
    pause() {
      if (millisecondsLeft <= 0) return;
      pointsUntilPause -= 1;
      if (pointsUntilPause >= 0) return;
      pointsUntilPause = random.below(random.pick([3, 12, 60]));
      const pause = Math.min(millisecondsLeft, 1 + random.fraction() * 11);
      millisecondsLeft -= pause;
      block(pause);
    },
    fileForJob() {
      return slowFiles.length > 0 && random.chance(0.4) ? random.pick(slowFiles) : undefined;
    },
  };
}

function optionValue(list, name) {
  const position = list.indexOf(name);
  return position < 0 ? undefined : list[position + 1];
}
