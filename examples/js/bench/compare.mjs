// Times `bench.js` on the host and on the Node that runs this script, in turn, and counts with callgrind what the
// host spends a step on. Prints two tables.
//
//     cargo build --profile bench -p nodeloop-js
//     node examples/js/bench/compare.mjs [--host PROGRAM] [--rounds COUNT]
//
// The first table has the best of all rounds, in nanoseconds for one step. The second has instructions for one step:
// the difference of two runs with different numbers of steps, by the source file of each instruction. What the C
// library does counts for its caller. Without valgrind there is no second table.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const bench = path.join(here, 'bench.js');
const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const host = path.resolve(option('host', path.join(here, '../../../target/release/nodeloop-js')));
const rounds = Number(option('rounds', '3'));

// The best time of each workload, by name.
function time(program, best) {
  const printed = execFileSync(program, [bench], { encoding: 'utf8' });
  for (const [, name, ns] of printed.matchAll(/^(.+?) +(\d+) ns$/gm)) {
    best.set(name, Math.min(Number(ns), best.get(name) ?? Infinity));
  }
}

const onHost = new Map();
const onNode = new Map();
for (let round = 0; round < rounds; round += 1) {
  time(host, onHost);
  time(process.execPath, onNode);
}
console.log(`| nanoseconds for one step | host | Node ${process.version.slice(1)} |\n|---|---|---|`);
for (const [name, ns] of onHost) console.log(`| ${name} | ${ns} | ${onNode.get(name)} |`);

// Whose code a source file is.
const PARTS = [
  ['QuickJS', /rquickjs-sys/],
  ['rquickjs', /rquickjs/],
  ['host', /examples\/js\/src/],
  ['loop', /(^|\/)src\/(event_loop|phases|schedule|reactor|promise|observe|hooks|host|async_local|runtime|time)[/.]/],
  ['Rust library', /./],
];
const partOf = (file) => PARTS.find(([, pattern]) => pattern.test(file))[0];
const isSystem = (object) => !object.endsWith(path.basename(host));

// The instructions of a run: all of them, and by part.
function profile(workload, steps) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'nodeloop-js-bench-'));
  const out = path.join(directory, 'callgrind.out');
  execFileSync('valgrind', ['--tool=callgrind', '--compress-strings=no', '--compress-pos=no', `--callgrind-out-file=${out}`,
    host, bench, workload, String(steps)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = fs.readFileSync(out, 'utf8').split('\n');
  fs.rmSync(directory, { recursive: true });
  const costs = new Map(PARTS.map(([part]) => [part, 0]));
  let all = 0;
  let [object, file, called, isCall] = ['', '', '', false];
  for (const line of lines) {
    const [, field, value] = /^(ob|fl|fi|fe|fn|cob|cfn|calls|totals)(?:=|: )(.*)$/.exec(line) ?? [];
    if (field === 'ob') object = value;
    else if (field === 'cob') called = value;
    else if (field === 'cfn' && value.startsWith('__libc_start_main')) called = ''; // which calls the whole program
    else if (field === 'calls') isCall = true;
    else if (field === 'totals') all = Number(value);
    else if (field === 'fl' || field === 'fi' || field === 'fe') file = value;
    if (!/^\d/.test(line)) continue;
    const isCounted = !isSystem(object) && (!isCall || (called !== '' && isSystem(called)));
    if (isCounted) costs.set(partOf(file), costs.get(partOf(file)) + Number(line.split(' ')[1]));
    if (isCall) [isCall, called] = [false, ''];
  }
  return { all, costs };
}

if (spawnSync('valgrind', ['--version']).error) {
  console.log('skipped: there is no valgrind here, which counts the instructions');
} else {
  const [few, many] = [5_000, 25_000];
  console.log(`\n| instructions for one step | ${PARTS.map(([part]) => part).join(' | ')} | all | share of QuickJS |`);
  console.log(`|${'---|'.repeat(PARTS.length + 3)}`);
  for (const name of onHost.keys()) {
    const [less, more] = [profile(name, few), profile(name, many)];
    const each = PARTS.map(([part]) => (more.costs.get(part) - less.costs.get(part)) / (many - few));
    const sum = each.reduce((total, count) => total + count);
    const all = (more.all - less.all) / (many - few);
    if (Math.abs(sum - all) > all / 100) throw new Error(`${name}: the parts add up to ${sum} instructions, not to ${all}`);
    console.log(`| ${name} | ${each.map((count) => Math.round(count)).join(' | ')} | ${Math.round(all)} | ${
      Math.round(each[0] / all * 100)} % |`);
  }
}
