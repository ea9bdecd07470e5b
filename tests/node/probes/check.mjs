// Runs every probe in this Node and compares what it prints with its .out file.
//
//     node check.mjs            all probes; exit code 1 if one prints something else
//     node check.mjs 16 101     only those with these numbers
//     node check.mjs --record   writes .out files for probes that have none yet
//
// Probes wait for real time, and a busy machine may spoil a run. So a probe that
// prints something else is run again at the end, alone, and counts as different only
// if it never prints what was recorded. A new .out is written only after five equal
// runs. Existing .out files are never changed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIRECTORY = dirname(fileURLToPath(import.meta.url));
const RUNS_ALONE = 5;
const RUNS_TO_RECORD = 5;
const AT_ONCE = 2;

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
  console.log(`${probes.length - bad} of ${probes.length} probes as recorded, node ${process.version}`);
  return bad > 0 || probes.length === 0 ? 1 : 0;
}

// Returns what is wrong with a probe, or null.
async function examineAlone(probe) {
  if (!existsSync(outFile(probe))) {
    return record ? recordNew(probe) : `${probe}: no .out file`;
  }
  if (await isAsRecorded(probe, RUNS_ALONE)) return null;
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

function outFile(probe) {
  return join(DIRECTORY, probe.replace(/\.js$/, '.out'));
}

async function recordNew(probe) {
  const printed = await print(probe);
  for (let run = 1; run < RUNS_TO_RECORD; run += 1) {
    if (await print(probe) !== printed) return `${probe}: not the same in all runs`;
  }
  writeFileSync(outFile(probe), printed);
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
