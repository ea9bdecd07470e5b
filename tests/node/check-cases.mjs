// Runs cases in this Node and compares the traces with the recorded ones.
//
//     node check-cases.mjs [DIR ...] [--jobs N] [--perturb SEED] [--record]
//
// DIR is `cases` beside this file unless given. Prints "N of M cases match" and the
// traces of those that do not; the exit code is 1 if there are any. With --perturb
// the runs are disturbed (interpret.cjs), which must not change any trace. A case
// that does not match is run once more at the end, alone: a busy machine may spoil a
// run.
//
// A case is compared with the trace that it has for the release of this Node, or for the last known
// one before it. Nothing is written, except with --record: then a trace that is new for this release
// is added to the case (FORMAT.md), if five more runs print it. Record on a machine that has nothing
// else to do, and look at what was recorded.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import releases from './releases.cjs';
import { runInNode } from './run-node.mjs';
import { makeSlowFiles } from './slow-files.mjs';

const { values: options, positionals: directories } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: '4' },
    perturb: { type: 'string' },
    record: { type: 'boolean', default: false },
  },
});
const RELEASE = releases.releaseOf(process.version);
const RUNS_TO_RECORD = 5;
const newTraces = new Map();
if (directories.length === 0) directories.push(fileURLToPath(new URL('cases', import.meta.url)));
const slowDirectory = mkdtempSync(join(tmpdir(), 'nodeloop-slow-'));
process.on('exit', () => rmSync(slowDirectory, { recursive: true, force: true }));
process.exitCode = await main();

async function main() {
  const files = directories.flatMap((directory) => readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(directory, name)));
  const slowFiles = makeSlowFiles(slowDirectory).join(',');
  const extra = (file, position) => (options.perturb === undefined ? [] : [
    '--perturb', String(Number(options.perturb) * 1000003 + position), '--slow-files', slowFiles,
  ]);
  const again = [];
  let next = 0;
  await Promise.all(Array.from({ length: Number(options.jobs) }, async () => {
    while (next < files.length) {
      const position = next;
      next += 1;
      const run = await runInNode(files[position], extra(files[position], position));
      if (!matches(files[position], run)) again.push(position);
    }
  }));
  let different = 0;
  for (const position of again) {
    const file = files[position];
    const run = await runInNode(file, extra(file, position));
    if (matches(file, run)) continue;
    if (options.record && await isSteady(file, run)) continue;
    different += 1;
    files[position] = null;
    console.log(`${file}\n  recorded ${JSON.stringify(expected(file))}\n  printed  ${JSON.stringify(run)}`);
  }
  if (options.record) files.filter((file) => file !== null).forEach(record);
  console.log(`${files.length - different} of ${files.length} cases match for ${RELEASE}`);
  return different > 0 || files.length === 0 ? 1 : 0;
}

function matches(file, run) {
  return JSON.stringify(run.trace) === JSON.stringify(expected(file));
}

function expected(file) {
  const { expect, expectIn = {} } = readCase(file);
  const own = releases.KNOWN.filter((release) => release <= RELEASE && release in expectIn);
  return own.length > 0 ? expectIn[own.at(-1)] : expect;
}

function readCase(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

// Whether five more runs print the same; if so, the trace is kept for `record`.
async function isSteady(file, { trace }) {
  for (let run = 0; run < RUNS_TO_RECORD; run += 1) {
    if (JSON.stringify((await runInNode(file)).trace) !== JSON.stringify(trace)) return false;
  }
  newTraces.set(file, trace);
  return true;
}

// Adds this release to the releases of a case, and its trace if that is a new one.
function record(file) {
  const { expect, expectIn, releases: judged = [], main, ...head } = readCase(file);
  const trace = newTraces.get(file);
  if (trace === undefined && judged.includes(RELEASE)) return;
  const all = [...new Set([...judged, RELEASE])].sort((first, second) => first - second);
  const others = { ...expectIn, ...trace && { [RELEASE]: trace } };
  const traces = Object.keys(others).length > 0 ? { expect, expectIn: others } : { expect };
  const text = JSON.stringify({ ...head, releases: all, main, ...traces });
  writeFileSync(file, `${text}\n`);
}
