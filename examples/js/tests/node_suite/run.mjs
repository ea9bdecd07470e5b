// Runs tests of Node on the host, and reports which pass.
//
//     node examples/js/tests/node_suite/run.mjs NODE/test/parallel [--host PROGRAM] [--node RELEASE] [NAME ...]
//
// NODE is a checkout of Node, of the release whose order the host has (24). Without names, the tests are those
// that `applies.json` lists; it names those that are known to fail, with the reason. A test that uses what the
// host does not have is skipped, and so is one that fails on the Node that runs this script, which should be of
// the same release. The tests are not changed; their module `common` is `common.js`.
// The exit code is 1 if a test has another result than the list says.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const options = { host: path.join(here, '../../../../target/release/nodeloop-js'), node: '24' };
const names = [];
for (let rest = process.argv.slice(2); rest.length > 0;) {
  const [first, ...others] = rest;
  if (first.startsWith('--')) {
    options[first.slice(2)] = others.shift();
  } else {
    names.push(first);
  }
  rest = others;
}
const directory = names.shift();
if (directory === undefined || !fs.existsSync(directory) || !fs.existsSync(options.host)) {
  console.error('usage: run.mjs NODE/test/parallel [--host PROGRAM] [--node RELEASE] [NAME ...]');
  process.exit(9);
}

const { patterns, fails } = JSON.parse(fs.readFileSync(path.join(here, 'applies.json'), 'utf8'));
const MISSING = ['async_hooks', 'child_process', 'cluster', 'crypto', 'dgram', 'diagnostics_channel', 'dns', 'domain', 'http',
  'http2', 'https', 'inspector', 'net', 'readline', 'repl', 'stream', 'stream/promises', 'test', 'tls', 'tty', 'v8', 'vm', 'wasi',
  'worker_threads', 'zlib'];
const FLAGS = ['--expose-gc', '--no-warnings', '--unhandled-rejections'];

// Why a test cannot run here.
function skipReason(text) {
  const flags = /^\/\/ Flags: (.*)$/m.exec(text)?.[1].split(/\s+/) ?? [];
  const unknown = flags.find((flag) => !FLAGS.some((known) => flag.startsWith(known)));
  if (unknown) return `needs ${unknown}`;
  const modules = [...text.matchAll(/(?:require\(|from )['"](?:node:)?([\w/]+)['"]/g)].map((match) => match[1]);
  const missing = modules.find((name) => MISSING.includes(name) || name.startsWith('internal/'));
  if (missing) return `needs the module ${missing}`;
  const common = /require\(['"]\.\.\/common\/([\w-]+)/.exec(text)?.[1];
  if (common && common !== 'index') return `needs common/${common}`;
  return undefined;
}

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'node-suite-'));
fs.mkdirSync(path.join(work, 'common'));
fs.mkdirSync(path.join(work, 'parallel'));
fs.copyFileSync(path.join(here, 'common.js'), path.join(work, 'common/index.js'));

function run(name) {
  const text = fs.readFileSync(path.join(directory, name), 'utf8');
  const reason = skipReason(text);
  if (reason) return { result: 'skipped', reason };
  const file = path.join(work, 'parallel', name);
  fs.writeFileSync(file, text);
  const mode = /^\/\/ Flags: .*(--unhandled-rejections=\S+)/m.exec(text)?.[1] ?? '';
  const settings = { encoding: 'utf8', timeout: 20_000, env: { ...process.env, NODE_OPTIONS: mode } };
  const { status, signal, stdout, stderr } = spawnSync(options.host, ['--node', options.node, file], settings);
  if (/^1\.\.0 # Skipped: (.*)$/m.test(stdout)) return { result: 'skipped', reason: RegExp.$1 };
  if (status === 0) return { result: 'passed' };
  if (spawnSync(process.execPath, [file], settings).status !== 0) {
    return { result: 'skipped', reason: `fails on Node ${process.version}, too` };
  }
  return { result: 'failed', reason: signal ?? stderr.trim().split('\n').slice(-6).join('\n      ') };
}

const listed = new RegExp(`^(${patterns.join('|')})\\.m?js$`);
const tests = names.length > 0 ? names : fs.readdirSync(directory).filter((name) => listed.test(name)).sort();
const counts = { passed: 0, failed: 0, skipped: 0 };
let unexpected = 0;
for (const name of tests) {
  const { result, reason } = run(name);
  counts[result] += 1;
  const known = fails[name];
  if (result === 'failed' ? known === undefined : known !== undefined && result === 'passed') unexpected += 1;
  if (result !== 'passed') console.log(`${result} ${name}: ${result === 'failed' && known ? `known, ${known}` : reason}`);
  else if (known) console.log(`passed ${name}: remove it from the list of failures`);
}
fs.rmSync(work, { recursive: true, force: true });
console.log(`${tests.length} tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(unexpected > 0 ? 1 : 0);
