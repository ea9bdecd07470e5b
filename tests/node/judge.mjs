// node-judge: prints what a version of Node does differently from the last release whose rules are
// known up to it, rule by rule.
//
//     node judge.mjs VERSION [--brief]     27, 26.13.0, latest, …
//
// Fetches the version from the npm registry and runs every probe and every recorded case in it. A probe
// that prints something else is listed under the rules that name it in src/guide/rules.md, with both
// outputs, and with the release that prints the same if there is one. --brief leaves the outputs out.
// Exit code 1 if anything differs.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchNode } from './fetch-node.mjs';
import releases from './releases.cjs';

const DIRECTORY = dirname(fileURLToPath(import.meta.url));
const RULES = join(DIRECTORY, '../../src/guide/rules.md');

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { brief: { type: 'boolean', default: false } },
});
if (positionals.length !== 1) {
  console.error('one version is needed: node judge.mjs 27');
  process.exit(2);
}
process.exitCode = await judge(positionals[0]);

async function judge(version) {
  const binary = fetchNode(version);
  const { version: exact, versions } = JSON.parse(await run(binary,
    ['-p', 'JSON.stringify({ version: process.version, versions: process.versions })']));
  const release = releases.releaseOf(exact);
  console.log(`Node ${exact} (libuv ${versions.uv}, V8 ${versions.v8}), compared with Node ${release}\n`);
  const probes = differences(await run(binary, [join(DIRECTORY, 'probes/check.mjs')]), /^(\d+-\S+\.js): expected$/);
  for (const { id, rule, names } of readRules()) {
    const broken = [...probes.keys()].filter((probe) => names.has(Number(probe.split('-')[0])));
    if (broken.length === 0) continue;
    console.log(`${id}  ${rule}`);
    for (const probe of broken) printProbe(probe, probes.get(probe), release);
    console.log();
  }
  const cases = differences(await run(binary, [join(DIRECTORY, 'check-cases.mjs')]), /^(\S+\.json)$/);
  for (const [file, [recorded, printed]] of cases) printCase(file, recorded, printed);
  console.log(`${probes.size} probes and ${cases.size} cases differ from Node ${release}`);
  return probes.size + cases.size > 0 ? 1 : 0;
}

// The rules of the guide, with the numbers of their probes.
function readRules() {
  const rows = readFileSync(RULES, 'utf8').split('\n').filter((line) => line.startsWith('| **R'));
  return rows.map((row) => {
    const cells = row.slice(2, -2).split(' | ');
    const names = new Set();
    for (const range of cells.at(-1).split(', ')) {
      const [first, last = first] = range.split('–').map(Number);
      for (let number = first; number <= last; number += 1) names.add(number);
    }
    return { id: cells[0].replaceAll('**', ''), rule: cells[1], names };
  });
}

// The indented lines under each headline that matches, by the first group of the match.
function differences(output, headline) {
  const found = new Map();
  let lines = null;
  for (const line of output.split('\n')) {
    const match = headline.exec(line);
    if (match !== null) found.set(match[1], lines = []);
    else if (lines !== null && (line.startsWith(' ') || line === 'printed')) lines.push(line);
    else lines = null;
  }
  return found;
}

function printProbe(probe, lines, release) {
  const split = lines.indexOf('printed');
  const outputs = [lines.slice(0, split), lines.slice(split + 1)];
  const [expected, printed] = outputs.map((output) => output.map((line) => line.trim()));
  const same = releases.KNOWN.filter((known) => known !== release)
    .filter((known) => outputIn(probe, known) === printed.join('\n'));
  console.log(`    ${probe}${same.length > 0 ? `, as Node ${same.join(' and ')}` : ''}`);
  if (options.brief) return;
  console.log(`        Node ${release}: ${expected.join(', ')}\n        now:     ${printed.join(', ')}`);
}

// What a known release prints for a probe.
function outputIn(probe, release) {
  const own = releases.KNOWN.filter((known) => known <= release).map((known) => `.${known}.out`);
  const files = ['.out', ...own].map((end) => join(DIRECTORY, 'probes', probe.replace(/\.js$/, end)));
  return readFileSync(files.findLast(existsSync), 'utf8').trim();
}

function printCase(file, recorded, printed) {
  const expected = JSON.parse(recorded.replace(/^\s*recorded /, ''));
  const { trace, failure } = JSON.parse(printed.replace(/^\s*printed\s+/, ''));
  const name = file.split('/').at(-1);
  if (trace === undefined) {
    console.log(`${name}: ${failure}`);
    return;
  }
  const at = expected.findIndex((label, index) => label !== trace[index]);
  console.log(`${name}: label ${at + 1} is ${trace[at]} instead of ${expected[at]}`);
}

// The standard output of a program, whatever its exit code.
function run(binary, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => { output += text; });
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}
