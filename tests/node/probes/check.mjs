// Runs every probe in this Node and compares what it prints with its .out file.
//
//     node check.mjs            all probes; exit code 1 if one prints something else
//     node check.mjs 16 101     only those with these numbers
//     node check.mjs --record   writes .out files for probes that have none yet
//
// Where a release of Node prints something else than the one before it, the file for it and for
// those after it is `NN-name.RELEASE.out`. An unknown release is compared with the last known one.
// With --record, a probe that differs gets a file of the running release.
//
// Probes wait for real time, and a busy machine may spoil a run. So a probe that
// prints something else is run again at the end, alone, and counts as different only
// if it never prints what was recorded. A new .out is written only after five equal
// runs, and existing .out files are never changed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import releases from '../releases.cjs';

const DIRECTORY = dirname(fileURLToPath(import.meta.url));
const RUNS_ALONE = 5;
const RUNS_TO_RECORD = 5;
const AT_ONCE = 2;
const { KNOWN, releaseOf } = releases;
const RELEASE = releaseOf(process.version);

const record = process.argv.includes('--record');
const numbers = process.argv.slice(2).filter((argument) => argument !== '--record');
process.exitCode = await main();

async function main() {
  const probes = readdirSync(DIRECTORY)
    .filter((name) => /^\d+-.*\.js$/.test(name))
    .filter((name) => numbers.length === 0 || numbers.includes(name.split('-')[0]));
  const waiting = [...probes];
  const suspicious = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let probe = waiting.shift(); probe !== undefined; probe = waiting.shift()) {
      if (!await isAsRecorded(probe, 1)) suspicious.push(probe);
    }
  }));
  let bad = 0;
  for (const probe of suspicious) {
    const complaint = await examineAlone(probe);
    if (complaint === null) continue;
    bad += 1;
    console.log(complaint);
  }
  console.log(`${probes.length - bad} of ${probes.length} probes as recorded for ${RELEASE}, node ${process.version}`);
  return bad > 0 || probes.length === 0 ? 1 : 0;
}

// Returns what is wrong with a probe, or null.
async function examineAlone(probe) {
  if (!existsSync(outFile(probe))) {
    return record ? recordNew(probe, outFile(probe)) : `${probe}: no .out file`;
  }
  if (await isAsRecorded(probe, RUNS_ALONE)) return null;
  const own = ownFile(probe, RELEASE);
  if (record && !existsSync(own)) return recordNew(probe, own);
  const expected = readFileSync(outFile(probe), 'utf8');
  return `${probe}: expected\n${indented(expected)}printed\n${indented(await print(probe))}`;
}

async function isAsRecorded(probe, runs) {
  if (!existsSync(outFile(probe))) return false;
  const expected = readFileSync(outFile(probe), 'utf8');
  for (let run = 0; run < runs; run += 1) {
    if (await print(probe) === expected) return true;
  }
  return false;
}

// What a probe prints in the running release: the file of the last release that prints
// something else than the one before it.
function outFile(probe) {
  const files = KNOWN.filter((release) => release <= RELEASE).map((release) => ownFile(probe, release));
  return files.findLast(existsSync) ?? join(DIRECTORY, probe.replace(/\.js$/, '.out'));
}

function ownFile(probe, release) {
  return join(DIRECTORY, probe.replace(/\.js$/, `.${release}.out`));
}

async function recordNew(probe, file) {
  const printed = await print(probe);
  for (let run = 1; run < RUNS_TO_RECORD; run += 1) {
    if (await print(probe) !== printed) return `${probe}: not the same in all runs`;
  }
  writeFileSync(file, printed);
  return null;
}

// The standard output of a probe, whatever its exit code.
function print(probe) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [probe], {
      cwd: DIRECTORY,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH },
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => { output += text; });
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

function indented(text) {
  return text.replace(/^(?=.)/gm, '    ');
}
