// Runs cases in this Node and compares the traces with the recorded ones.
//
//     node check-cases.mjs [DIR ...] [--jobs N] [--perturb SEED]
//
// DIR is `cases` beside this file unless given. Prints "N of M cases match" and the
// traces of those that do not; the exit code is 1 if there are any. With --perturb
// the runs are disturbed (interpret.cjs), which must not change any trace. A case
// that does not match is run once more at the end, alone: a busy machine may spoil a
// run. Nothing is written.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runInNode } from './run-node.mjs';
import { makeSlowFiles } from './slow-files.mjs';

const { values: options, positionals: directories } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: '4' }, perturb: { type: 'string' } },
});
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
    different += 1;
    console.log(`${file}\n  recorded ${JSON.stringify(expected(file))}\n  printed  ${JSON.stringify(run)}`);
  }
  console.log(`${files.length - different} of ${files.length} cases match`);
  return different > 0 || files.length === 0 ? 1 : 0;
}

function matches(file, run) {
  return JSON.stringify(run.trace) === JSON.stringify(expected(file));
}

function expected(file) {
  return JSON.parse(readFileSync(file, 'utf8')).expect;
}
