// The playground in a headless Chromium, and its output against Node's.
//
//     node examples/playground/tests/check.mjs [PROGRAMS] [FOLDER]
//
// First the page, at the size of a desktop and of a phone: programs, replay, sharing, messages. Then every program
// of `programs/`, and PROGRAMS (16) random ones of `tests/node/generate.mjs` (all families but `io`, for there are
// no files), are run by the page and by the Node that runs this file, under the rules of its release; what they
// print must be equal. The screenshots are written to FOLDER, or nowhere. `replay.png` is the picture of the README.
//
// Exit code 77: there is no browser, and none could be installed.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Browser, findBrowser } from '../../../tests/browser/chromium.mjs';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844, mobile: true };
const RELEASE = Number(process.versions.node.split('.')[0]);
const FAMILIES = ['micro', 'timers', 'immediate', 'promise', 'async', 'errors', 'mixed'];

/** Starts the playground, and returns its address and how to end it. */
async function start() {
  const cargo = process.env.CARGO || 'cargo';
  const built = spawnSync(cargo, ['build', '--quiet', '-p', 'nodeloop-playground'], { cwd: ROOT, stdio: 'inherit' });
  assert.equal(built.status, 0, 'the playground is built');
  const target = process.env.CARGO_TARGET_DIR || path.join(ROOT, 'target');
  const server = spawn(path.join(target, 'debug/nodeloop-playground'), ['--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => server.kill('SIGKILL'));
  const url = await new Promise((resolve, reject) => {
    server.stdout.on('data', (data) => resolve(/http:\S+/.exec(data)[0]));
    server.on('exit', () => reject(new Error('the playground has ended')));
  });
  return { url, end: () => server.kill() };
}

/** The page of the playground. */
class Playground {
  constructor(page, size) {
    this.page = page;
    this.size = size;
  }

  static async open(browser, url, size, fragment = '') {
    const playground = new Playground(await browser.page(size), size);
    await playground.page.open(`${url}${fragment}`);
    await playground.until('programs.length > 0 && document.body.classList.contains("editing")', 'the programs are there');
    return playground;
  }

  value(expression) {
    return this.page.value(expression);
  }

  /** Waits until an expression is true. */
  async until(expression, what) {
    for (let waited = 0; !await this.value(`Boolean(${expression})`); waited += 20) {
      assert.ok(waited < 60_000, `it did not happen: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Runs what the editor has, as a click on Run does, and waits for the answer. */
  async run() {
    await this.value('ran = null; document.getElementById("run").click()');
    await this.until('!document.getElementById("run").disabled', 'the run is over');
  }

  /** Puts a program into the editor, runs it, and returns what the answer and the last step show. */
  async output(source, { release = RELEASE, isModule = false } = {}) {
    await this.value(`edit(true); $("text").value = ${JSON.stringify(source)}; $("text").oninput();
      $("module").checked = ${isModule}; document.querySelector('#releases input[value="${release}"]').checked = true`);
    await this.run();
    return this.value(`(() => {
      if (!ran) return { problem: $("what").textContent + " " + $("why").textContent };
      go(steps.length - 1, false);
      const text = ran.output.filter(([fd]) => fd === 1).map(([, text]) => text).join("");
      const lines = stateAt(steps.at(-1).end).log.map((index) => events[index]).filter((event) => !event.err);
      return { text, exitCode: ran.exitCode, shown: lines.map((event) => event.text).join("\\n"), omitted: recording.omitted };
    })()`);
  }

  async assertFits() {
    const found = await this.value(`({
      width: document.documentElement.scrollWidth,
      cut: [...document.querySelectorAll('#source, #source code, .card code, #text')]
        .filter((code) => code.offsetParent && code.scrollWidth > code.clientWidth + 1).map((code) => code.textContent),
      letters: Math.min(...[...document.querySelectorAll('#ring text')].filter((text) => text.textContent)
        .map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)),
      small: [...document.querySelectorAll('#bar button, #bar select')].filter((element) => element.offsetParent)
        .filter((element) => element.offsetHeight < 36).map((element) => element.id),
    })`);
    assert.ok(found.width <= this.size.width, `nothing is wider than the screen: ${found.width}`);
    assert.deepEqual(found.cut, [], 'no code is cut off');
    assert.ok(!(found.letters < 12), `the drawing is legible: letters of ${found.letters} px`);
    assert.deepEqual(found.small, [], 'what can be pressed is large enough');
  }

  /** The console is empty, and only the playground was asked. */
  async close(url) {
    assert.deepEqual(this.page.complaints, [], 'the console is empty');
    assert.deepEqual(this.page.requests.filter((request) => !request.startsWith(url)), [], 'nothing else is loaded');
    await this.page.close();
  }

  async shot(folder, name) {
    if (folder) await this.page.screenshot(path.join(folder, `${name}.png`));
  }
}

async function look(browser, url, name, size, folder) {
  const playground = await Playground.open(browser, url, size, '#job_queue');
  await playground.assertFits();
  await playground.shot(folder, `${name}-edit`);
  assert.equal(await playground.value('$("programs").value'), 'job_queue', 'the address names a program');
  assert.equal(await playground.value('ran'), null, 'nothing runs before it is asked for');

  await playground.run();
  assert.equal(await playground.value('current'), 0, 'the replay opens on its first step');
  assert.equal(await playground.value('document.getAnimations().length'), 0, 'and nothing moves there');
  const count = await playground.value('steps.length');
  assert.ok(count > 20, `${count} steps`);
  for (let step = 0; step < count; step++) {
    const seen = await playground.value('({ what: $("what").textContent, why: $("why").textContent })');
    assert.ok(seen.what.length > 10, 'every step has a sentence');
    await playground.assertFits();
    await playground.page.press('ArrowRight');
  }
  const lines = await playground.value('[...document.querySelectorAll("#log li")].map((line) => line.textContent)');
  assert.deepEqual(lines, ['Script start', 'Script End', 'Promise 1 resolved', 'Promise 2 resolved', 'Promise 3 resolved', 'setTimeout']);
  const at = (text) => playground.value(`steps.findIndex((step) => step.log && events[step.end - 1].text === ${JSON.stringify(text)})`);
  await playground.value(`go(${await at('Script End')}, false)`);
  assert.equal(await playground.value('document.querySelectorAll("#microtasks .card").length'), 2, 'two promise jobs wait');
  assert.equal(await playground.value('document.querySelector("#source .here .n").textContent'), '9', 'the line that runs');
  await playground.shot(folder, `${name}-job_queue`);
  await playground.value(`go(${await at('Promise 2 resolved')}, false)`);
  assert.equal(await playground.value('document.querySelectorAll("#stack .card").length'), 1, 'the job is on the stack');

  for (const [program, line] of [['call_stack', 'in third'], ['kitchen', 'poll:    Ben has made the steak'], ['uncaught', 'listener: the first']]) {
    await playground.value(`choose(${JSON.stringify(program)})`);
    await playground.run();
    await playground.value(`go(${await at(line)}, false)`);
    if (program === 'call_stack') {
      const stack = await playground.value('[...document.querySelectorAll("#stack .card b")].map((label) => label.textContent)');
      assert.deepEqual(stack, ['main script', 'first()', 'second()', 'third()'], 'the functions that have been called');
    }
    await playground.assertFits();
    await playground.shot(folder, `${name}-${program}`);
  }
  await playground.close(url);
  console.log(`the page, ${name}: ${count} steps`);
}

/** A program that is stopped, a release that is chosen, an address that is shared. */
async function behave(browser, url) {
  const playground = await Playground.open(browser, url, DESKTOP);
  await playground.output('console.log("begun"); while (true) {}');
  const stopped = await playground.value('$("what").textContent + " " + $("why").textContent');
  assert.match(stopped, /The program was stopped\. .*after 2 seconds.*endless loop/);

  const timers = fs.readFileSync(path.join(ROOT, 'examples/playground/programs/release_timers.js'), 'utf8');
  const old = await playground.output(timers, { release: 20 });
  await playground.value('document.querySelector(\'#releases input[value="24"]\').click()'); // runs it again
  await playground.until('!$("run").disabled', 'the run is over');
  const now = await playground.value('ran.output.map(([, text]) => text).join("")');
  assert.deepEqual([old.text, now], ['A\ntick\nB\nimmediate\nC\n', 'A\ntick\nimmediate\nB\nC\n']);

  const shared = 'console.log("Grüße 👋");\n'.repeat(40);
  await playground.value(`edit(true); $("text").value = ${JSON.stringify(shared)}; $("virtual").checked = false; $("module").checked = true`);
  await playground.value('share()');
  const address = await playground.value('location.href');
  assert.ok(address.length < 300, 'the program is compressed');
  const other = await Playground.open(browser, url, PHONE, address.slice(address.indexOf('#')));
  await other.until('$("text").value !== ""', 'the shared program is there');
  const received = await other.value('({ ...options(), ran })');
  assert.deepEqual(received, { source: shared, node: 24, virtualTime: false, module: true, ran: null }, 'and did not run');
  await other.close(url);
  const broken = await Playground.open(browser, url, PHONE, '#p=AAAA');
  await broken.until('$("what").classList.contains("problem")', 'a broken address is reported');
  await broken.close(url);

  // A text of the program is shown as text.
  const { shown } = await playground.output('console.log("<img src=x onerror=alert(1)>"); // </script><script>alert(2)</script>');
  assert.equal(shown, '<img src=x onerror=alert(1)>');
  assert.equal(await playground.value('document.querySelectorAll("img").length'), 0);
  await playground.close(url);
  console.log('messages, releases and shared addresses');
}

/** Every program of the page against Node. */
async function programs(playground, temporary) {
  const folder = path.join(ROOT, 'examples/playground/programs');
  const files = fs.readdirSync(folder);
  for (const file of files) {
    const source = fs.readFileSync(path.join(folder, file), 'utf8');
    const isModule = source.includes('\nimport ');
    const script = path.join(temporary, isModule ? 'program.mjs' : 'program.js');
    fs.writeFileSync(script, source);
    const here = await playground.output(source, { isModule });
    // On a busy machine timers of Node's are late, and then its own output differs from run to run.
    for (let left = 4; ; left -= 1) {
      const node = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 60_000 });
      if (left > 0 && node.stdout !== here.text) continue;
      assert.deepEqual([here.text, here.exitCode], [node.stdout, node.status], `${file} prints what it prints in Node`);
      break;
    }
  }
  console.log(`${files.length} programs of the page print what Node ${RELEASE} prints`);
}

/** A script without files that runs a recorded program, as `tests/node/interpret.cjs` does. */
function scriptOf(main) {
  const text = (name) => fs.readFileSync(path.join(ROOT, 'tests/node', name), 'utf8');
  return `const load = (make) => { const module = { exports: {} }; make(module, module.exports); return module.exports; };
const compiler = load((module, exports) => {\n${text('compile.cjs')}\n});
const files = { readFileSync: () => ${JSON.stringify(JSON.stringify({ main }))}, writeSync: (fd, text) => process.stdout.write(text) };
const argv = ['node', 'interpret.cjs', 'case.json'];
((require, process) => {\n${text('interpret.cjs')}\n})(
  (name) => (name === 'fs' ? files : name === './compile.cjs' ? compiler : require(name)), Object.assign(Object.create(process), { argv }));\n`;
}

/** Random programs, with the traces that Node has just printed for them. */
async function random(playground, temporary, count) {
  const seed = Number(process.env.NODELOOP_FRESH_SEED) || Math.floor(Date.now() / 1000);
  const cases = path.join(temporary, 'cases');
  const each = Math.ceil(count / (FAMILIES.length - 1)) + 1; // most of `mixed` use files
  execFileSync(process.execPath, [path.join(ROOT, 'tests/node/generate.mjs'), '--seed', seed, '--count', each,
    '--families', FAMILIES.join(','), '--out', cases], { stdio: ['ignore', 'ignore', 'inherit'] });
  const rounds = fs.readdirSync(cases).map((file) => ({ file, at: Number(/-(\d+)/.exec(file)[1]) }));
  rounds.sort((a, b) => a.at - b.at || a.file.localeCompare(b.file)); // the families in turn
  let compared = 0;
  for (const { file } of rounds) {
    if (compared === count) break;
    const { main, expect } = JSON.parse(fs.readFileSync(path.join(cases, file), 'utf8'));
    if (JSON.stringify(main).includes('["io"')) continue;
    const here = await playground.output(scriptOf(main));
    assert.equal(here.problem, undefined, file);
    assert.deepEqual(JSON.parse(here.text), expect, `${file}, seed ${seed}: the page prints what Node ${RELEASE} prints`);
    assert.ok(here.omitted > 0 || `${here.shown}\n` === here.text, `${file}: the replay shows what was printed`);
    compared += 1;
  }
  assert.equal(compared, count, 'as many programs as asked for');
  console.log(`${compared} random programs print what Node ${RELEASE} prints (seed ${seed})`);
}

// Much longer than the test needs. A browser that stops responding is a failure, too.
setTimeout(() => {
  console.error('the browser does not answer');
  process.exit(1);
}, 1_800_000).unref();

const count = Number(process.argv[2] ?? 16);
const folder = process.argv[3];
let program;
try {
  program = findBrowser();
} catch (error) {
  console.error(error.message);
  process.exit(77); // skipped
}
if (folder) fs.mkdirSync(folder, { recursive: true });
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'nodeloop-playground-'));
const { url, end } = await start();
try {
  const browser = await Browser.start(program);
  try {
    for (const theme of ['light', 'dark']) {
      await look(browser, url, `desktop-${theme}`, { ...DESKTOP, dark: theme === 'dark' }, folder);
      await look(browser, url, `phone-${theme}`, { ...PHONE, dark: theme === 'dark' }, folder);
    }
    await behave(browser, url);
    const playground = await Playground.open(browser, url, DESKTOP);
    await programs(playground, temporary);
    await random(playground, temporary, count);
    await playground.close(url);
  } finally {
    await browser.close();
  }
} finally {
  end();
  fs.rmSync(temporary, { recursive: true, force: true });
}
