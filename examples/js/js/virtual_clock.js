// The clock of a program on virtual time, in nanoseconds. It stands still while the program runs, so a loop that
// waits by reading the clock would never end. A program that reads the same time very often is taken to wait: from
// then on each reading moves the clock, until the loop moves it.
'use strict';

const READINGS = 10_000; // of the same time, more than a program makes for another reason
const STEP_MS = 0.01;

const { hrtime, blockFor } = native;
let last = -1;
let readings = 0;

module.exports = function read() {
  const now = hrtime();
  if (now !== last) {
    last = now;
    readings = 0;
    return now;
  }
  readings += 1;
  if (readings < READINGS) return now;
  blockFor(STEP_MS);
  last = hrtime();
  return last;
};
