// The releases of Node whose rules are known, and how they differ. src/event_loop/release.rs has the
// same table, and src/guide/exactness.md says which change of Node or libuv made each difference.
'use strict';

const RELEASES = {
  20: { timersPhaseRepeats: true, checkPhaseDrains: true },
  22: { timersPhaseRepeats: false, checkPhaseDrains: true },
  24: { timersPhaseRepeats: false, checkPhaseDrains: true },
  26: { timersPhaseRepeats: false, checkPhaseDrains: false },
};

// The numbers of the releases, in order.
const KNOWN = Object.keys(RELEASES).map(Number);

// Returns the release whose rules a version of Node is judged by: its own, or the last known one
// before it.
function releaseOf(version) {
  const major = Number(/^v?(\d+)/.exec(version)?.[1]);
  const before = KNOWN.filter((release) => release <= major);
  if (before.length === 0) throw new Error(`no release is known up to ${version}`);
  return before.at(-1);
}

module.exports = { RELEASES, KNOWN, releaseOf };
