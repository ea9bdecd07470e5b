// Makes cases: random programs with the traces that real Node prints for them.
//
//     node generate.mjs --seed 123 --count 50 --out DIR
//         [--families all | micro,timers,...] [--jobs N] [--perturbed K]
//         [--dropped DIR] [--most-dropped PERCENT] [--release N]
//
// Writes DIR/<family>-<seed>.json, COUNT files for each family, in the format of
// FORMAT.md. Program number n of a family is made from the seed SEED * 1000000 + n,
// and the same seed always makes the same program.
//
// Every program runs in Node once as it is and K times perturbed (once, for families
// without time). One whose trace is not the same each time is dropped, and another
// is made instead; --dropped keeps those for a look. Exit code 1 if more than PERCENT
// (15) of all programs were dropped, 2 for wrong arguments.
//
// The model obeys the rules of the running Node's release (releases.cjs); --release 24 names
// another one. The same seed makes the same program for releases with the same rules.
//
// The traces in the files are those of Node. The model (model.cjs) only chooses the
// programs; where Node steadily prints something else, also at the end, when the machine
// has nothing else to do, the case is kept and the difference reported, for then the model
// is wrong.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import familyTables from './families.cjs';
import releases from './releases.cjs';
import { runInNode } from './run-node.mjs';
import { makeSlowFiles } from './slow-files.mjs';

const { FAMILIES } = familyTables;
const { KNOWN, releaseOf } = releases;
const PROGRAMS_PER_SEED = 1000000;
// More runs for a program that surprises the model, to be sure that it is no race.
const RUNS_OF_SURPRISES = 6;

const options = readOptions();
const workDirectory = mkdtempSync(join(tmpdir(), 'nodeloop-cases-'));
process.on('exit', () => rmSync(workDirectory, { recursive: true, force: true }));
process.exitCode = await generate();

async function generate() {
  const began = performance.now();
  mkdirSync(options.out, { recursive: true });
  if (options.dropped) mkdirSync(options.dropped, { recursive: true });
  const slowFiles = makeSlowFiles(workDirectory).join(',');
  const forge = startForge();
  const results = new Map(options.families.map((family) => [family, {
    next: 0, made: 0, dropped: 0, surprises: [],
  }]));
  const places = placesToFill(results);
  const workers = Array.from({ length: options.jobs }, async () => {
    for (let family = places.pop(); family !== undefined; family = places.pop()) {
      while (!await makeOne(family, results.get(family), forge, slowFiles));
    }
  });
  await Promise.all(workers);
  await forge.stop();
  for (const result of results.values()) await lookAgain(result, slowFiles);
  return report(results, (performance.now() - began) / 1000);
}

// Every family as often as it needs cases, in turns, so that those which wait
// run beside those which compute.
function placesToFill(results) {
  const places = [];
  for (let number = 0; number < options.count; number += 1) places.push(...results.keys());
  return places;
}

// Makes one program and runs it; returns whether it became a case.
async function makeOne(family, result, forge, slowFiles) {
  result.next += 1;
  const seed = options.seed * PROGRAMS_PER_SEED + result.next;
  const { main, trace: modelTrace } = await forge.grow(family, seed);
  const candidate = { format: 1, family, seed, node: process.version, main };
  const file = join(workDirectory, `${family}-${seed}.json`);
  writeFileSync(file, JSON.stringify(candidate));

  const runs = [await runInNode(file)];
  const sameAsModel = () => sameTrace(runs[0], { trace: modelTrace });
  const wanted = () => {
    const perturbed = FAMILIES[family].timed ? options.perturbed : 1;
    return 1 + perturbed + (sameAsModel() ? 0 : RUNS_OF_SURPRISES);
  };
  const isSteady = () => runs.every((run) => sameTrace(run, runs[0]));
  while (isSteady() && runs.length < wanted()) {
    runs.push(await runInNode(file,
      ['--perturb', String(seed + runs.length), '--slow-files', slowFiles]));
  }
  rmSync(file);
  const finished = { ...candidate, expect: runs[0].trace };
  if (!isSteady()) {
    result.dropped += 1;
    console.log(`dropped: ${family}-${seed} (run ${runs.length})`);
    keepDropped(finished, runs, modelTrace);
    return false;
  }
  if (!sameAsModel()) {
    result.surprises.push({ finished, runs, modelTrace });
    console.log(`not as the model has it: ${family}-${seed}`);
    keepDropped(finished, runs, modelTrace);
  }
  result.made += 1;
  writeFileSync(join(options.out, `${family}-${seed}.json`), `${JSON.stringify(finished)}\n`);
  return true;
}

// A machine under load can be late by the same amount in every run. So what surprised the model
// runs again when nothing else does, one program at a time; a race is dropped then (and no other
// program made in its place).
async function lookAgain(result, slowFiles) {
  const steady = [];
  for (const { finished, runs, modelTrace } of result.surprises) {
    const file = join(options.out, `${finished.family}-${finished.seed}.json`);
    for (let run = 0; run < RUNS_OF_SURPRISES; run += 1) {
      const perturbed = ['--perturb', String(finished.seed + runs.length), '--slow-files', slowFiles];
      runs.push(await runInNode(file, run % 2 === 0 ? [] : perturbed));
    }
    if (runs.every((run) => sameTrace(run, runs[0]))) {
      steady.push(finished.seed);
      continue;
    }
    console.log(`dropped: ${finished.family}-${finished.seed} (when looked at again)`);
    keepDropped(finished, runs, modelTrace);
    rmSync(file);
    result.made -= 1;
    result.dropped += 1;
  }
  result.surprises = steady;
}

function sameTrace(first, second) {
  return first.trace !== undefined && JSON.stringify(first.trace) === JSON.stringify(second.trace);
}

function keepDropped(program, runs, modelTrace) {
  if (!options.dropped) return;
  const text = JSON.stringify({ ...program, runs, modelTrace }, null, 1);
  writeFileSync(join(options.dropped, `${program.family}-${program.seed}.txt`), text);
}

// The thread that makes programs. Requests are answered in order.
function startForge() {
  const requests = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('forge.cjs', import.meta.url), {
    workerData: { requests: requests.buffer, release: options.release },
  });
  const waiting = [];
  worker.on('message', (program) => waiting.shift().resolve(program));
  worker.on('error', (error) => { throw error; });
  return {
    grow: (family, seed) => new Promise((resolve) => {
      waiting.push({ resolve });
      worker.postMessage({ family, seed });
      Atomics.add(requests, 0, 1);
      Atomics.notify(requests, 0);
    }),
    stop: () => worker.terminate(),
  };
}

function report(results, seconds) {
  let made = 0;
  let dropped = 0;
  console.log(`seed ${options.seed}, node ${process.version}, rules of ${options.release}`);
  for (const [family, result] of results) {
    made += result.made;
    dropped += result.dropped;
    const surprises = result.surprises.length > 0
      ? `, not as the model has it: ${result.surprises.join(' ')}` : '';
    console.log(`${family}: ${result.made} made, ${result.dropped} dropped${surprises}`);
  }
  const share = 100 * dropped / Math.max(1, made + dropped);
  console.log(`${made} cases in ${seconds.toFixed(0)} s, ${(made / seconds).toFixed(1)} per second, ` +
    `${share.toFixed(1)} % dropped`);
  if (share <= options.mostDropped) return 0;
  console.log(`more than ${options.mostDropped} % dropped`);
  return 1;
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string' },
        count: { type: 'string', default: '50' },
        families: { type: 'string', default: 'all' },
        out: { type: 'string' },
        jobs: { type: 'string', default: '6' },
        perturbed: { type: 'string', default: '2' },
        dropped: { type: 'string' },
        'most-dropped': { type: 'string', default: '15' },
        release: { type: 'string', default: String(releaseOf(process.version)) },
      },
    });
    const release = Number(values.release);
    if (!KNOWN.includes(release)) throw new Error(`--release must be one of ${KNOWN.join(', ')}`);
    if (values.out === undefined) throw new Error('--out is missing');
    const families = values.families === 'all' ? Object.keys(FAMILIES) : values.families.split(',');
    const unknown = families.find((family) => !Object.hasOwn(FAMILIES, family));
    if (unknown !== undefined) throw new Error(`unknown family: ${unknown}`);
    const mostDropped = Number(values['most-dropped']);
    if (Number.isNaN(mostDropped)) throw new Error('--most-dropped is no number');
    return {
      seed: wholeNumber('--seed', values.seed, 0, 9e9),
      count: wholeNumber('--count', values.count, 0, PROGRAMS_PER_SEED / 2),
      families,
      out: values.out,
      jobs: wholeNumber('--jobs', values.jobs, 1, 200),
      perturbed: wholeNumber('--perturbed', values.perturbed, 0, 100),
      dropped: values.dropped,
      mostDropped,
      release,
    };
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}

function wholeNumber(name, text, least, most) {
  const number = Number(text);
  if (text === undefined || text.trim() === '' || !Number.isSafeInteger(number) || number < least || number > most) {
    throw new Error(`${name} must be a whole number from ${least} to ${most}`);
  }
  return number;
}
