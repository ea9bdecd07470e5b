// Runs tests of Node on the host and on the Node that runs this script, and reports which pass.
//
//     node examples/js/tests/node_suite/run.mjs NODE/test/parallel [OPTIONS] [NAME ...]
//
//     --host PROGRAM   the host (target/release/nodeloop-js)
//     --node RELEASE   the release whose order the host has: that of the tests (24)
//     --shim           the tests' module `common` is `common.js` of this folder, not Node's own
//     --jobs COUNT     tests that run at once (2)
//     --verbose        prints the output of every test that failed
//
// NODE is a checkout of Node. Without names, the tests are those that `applies.json` lists; it names those that
// are known to fail, with the reason. The tests are not changed. Each has one of these results:
//
//     passed            with the exit code 0, on the host
//     skipped           by itself
//     not applicable    it needs a module or an option that the host does not have
//     fails on both     on the host and on the Node that runs this script: its release may not be that of the
//                       tests, or the shim is wrong; the outputs of both are printed
//     fails on the host
//
// The exit code is 1 if a test that is not listed as known fails only on the host, or a listed one passes.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const options = { host: path.join(here, '../../../../target/release/nodeloop-js'), node: '24', jobs: '2' };
const switches = new Set();
const names = [];
for (let rest = process.argv.slice(2); rest.length > 0;) {
  const [first, ...others] = rest;
  if (first === '--shim' || first === '--verbose') {
    switches.add(first);
  } else if (first.startsWith('--')) {
    options[first.slice(2)] = others.shift();
  } else {
    names.push(first);
  }
  rest = others;
}
options.host = path.resolve(options.host);
const directory = names.length > 0 ? path.resolve(names.shift()) : '';
if (directory === '' || !fs.existsSync(directory) || !fs.existsSync(options.host)) {
  console.error('usage: run.mjs NODE/test/parallel [--host PROGRAM] [--node RELEASE] [--shim] [--jobs COUNT] [NAME ...]');
  process.exit(9);
}

const { patterns, fails } = JSON.parse(fs.readFileSync(path.join(here, 'applies.json'), 'utf8'));
const MISSING = ['_stream_wrap', 'async_hooks', 'cluster', 'crypto', 'dgram', 'diagnostics_channel', 'dns', 'domain', 'http', 'http2', 'https',
  'inspector', 'internal/', 'readline', 'repl', 'stream', 'test', 'tls', 'trace_events', 'tty', 'v8', 'vm', 'wasi',
  'zlib'];
const FLAGS = ['--expose-gc', '--expose_gc', '--expose-internals', '--expose_internals', '--no-warnings', '--unhandled-rejections'];
const EXPOSED = ['internal/event_target', 'internal/test/binding', 'internal/timers', 'internal/util'];
const COMMON = ['index', 'index.mjs', 'countdown', 'fixtures', 'gc', 'hijackstdio', 'process-exit-code-cases', 'tick', 'tmpdir'];

const flagsOf = (text) => /^\/\/ Flags: (.*)$/m.exec(text)?.[1].trim().split(/\s+/) ?? [];

// Why a test does not concern the host.
function inapplicable(text) {
  const flag = flagsOf(text).find((given) => !FLAGS.some((known) => given.startsWith(known)));
  if (flag) return `needs ${flag}`;
  const modules = [...text.matchAll(/(?:require\(|from )['"](?:node:)?([\w/]+)['"]/g)].map((match) => match[1]);
  if (/new Worker\(|MessageChannel|net\.(createServer|connect)/.test(text)) return 'needs workers or sockets';
  const module = modules.find((name) => !EXPOSED.includes(name) && MISSING.some((missing) => name === missing || name.startsWith(missing.replace(/\/?$/, '/'))));
  if (module) return `needs the module ${module}`;
  const helper = [...text.matchAll(/['"]\.\.\/common\/([\w.-]+)['"]/g)].map((match) => match[1].replace(/\.js$/, ''))
    .find((name) => !COMMON.includes(name) || (switches.has('--shim') && !name.startsWith('index')));
  if (helper) return `needs common/${helper}`;
  return undefined;
}

// With the shim, the tests are copied beside it.
let suite = directory;
let work;
if (switches.has('--shim')) {
  work = fs.mkdtempSync(path.join(os.tmpdir(), 'node-suite-'));
  suite = path.join(work, 'parallel');
  fs.mkdirSync(path.join(work, 'common'));
  fs.mkdirSync(suite);
  fs.copyFileSync(path.join(here, 'common.js'), path.join(work, 'common/index.js'));
}

function execute(program, args, env) {
  return new Promise((resolve) => {
    execFile(program, args, { encoding: 'utf8', timeout: 60_000, cwd: os.tmpdir(), env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ status: error ? error.code ?? error.signal : 0, stdout, stderr }));
  });
}

const outputOf = ({ status, stdout, stderr }) => `exit ${status}\n${`${stdout}${stderr}`.trim()}`;

async function run(name) {
  const text = fs.readFileSync(path.join(directory, name), 'utf8');
  const reason = inapplicable(text);
  if (reason) return { result: 'not applicable', reason };
  const file = path.join(suite, name);
  if (work) fs.writeFileSync(file, text);
  const flags = flagsOf(text);
  const env = { NODE_SKIP_FLAG_CHECK: '1', NODE_OPTIONS: '', TEST_THREAD_ID: name };
  const onHost = await execute(options.host, ['--node', options.node, ...flags, file], env);
  const skip = /^1\.\.0 # Skipped: (.*)$/m.exec(onHost.stdout);
  if (onHost.status === 0) return skip ? { result: 'skipped', reason: skip[1] } : { result: 'passed' };
  const onNode = await execute(process.execPath, [...flags, file], env);
  if (onNode.status === 0) return { result: 'fails on the host', output: outputOf(onHost) };
  return { result: 'fails on both', output: `host: ${outputOf(onHost)}\nnode ${process.version}: ${outputOf(onNode)}` };
}

const listed = new RegExp(`^(${patterns.join('|')})\\.m?js$`);
const tests = names.length > 0 ? names : fs.readdirSync(directory).filter((name) => listed.test(name)).sort();
const outcomes = new Map();
const waiting = [...tests];
await Promise.all(Array.from({ length: Number(options.jobs) }, async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) outcomes.set(name, await run(name));
}));
if (work) fs.rmSync(work, { recursive: true, force: true });

const indented = (output) => output.replace(/^/gm, '      ');
const tail = (output) => output.split('\n').slice(-8).join('\n');
const counts = { passed: 0, skipped: 0, 'not applicable': 0, 'fails on both': 0, 'fails on the host': 0 };
let unexpected = 0;
for (const name of tests) {
  const { result, reason, output } = outcomes.get(name);
  counts[result] += 1;
  const known = fails[name];
  if (result === 'fails on the host' && known === undefined) unexpected += 1;
  if (result === 'passed') {
    if (known === undefined) continue;
    unexpected += 1;
    console.log(`passed: ${name}: remove it from the list of failures`);
    continue;
  }
  const explanation = reason ?? (result === 'fails on the host' ? known : undefined);
  console.log(`${result}: ${name}${explanation ? `: ${explanation}` : ''}`);
  if (output === undefined) continue;
  if (switches.has('--verbose')) console.log(indented(output));
  else if (result === 'fails on both') console.log(indented(output.split(/\nnode (?=v\d)/).map(tail).join('\nnode ')));
  else if (known === undefined) console.log(indented(tail(output)));
}
console.log(`${tests.length} tests: ${Object.entries(counts).map(([result, count]) => `${count} ${result}`).join(', ')}`);
process.exit(unexpected > 0 ? 1 : 0);
