// The page of a recorded run, in a real browser: `node tests/browser/check.mjs [folder]`.
//
// The picture of the README is a copy of `replay.png`, one of the screenshots:
//
//     node tests/browser/check.mjs target/pages && cp target/pages/replay.png examples/
//
// The examples write the pages. The test opens them in a headless Chromium at the size of a desktop
// and of a phone, and walks through all steps with the keyboard. The screenshots are written to the
// folder, or to a temporary one that is removed at the end.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { Browser, findBrowser } from './chromium.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844, mobile: true };
const expected = (example) => fs.readFileSync(path.join(ROOT, `examples/expected/${example}.txt`), 'utf8').trimEnd().split('\n');
const JOB_QUEUE = expected('job_queue');

/** Runs an example and returns the address of the page it writes. */
function recordPage(example, folder) {
  const file = path.join(folder, `${example}.html`);
  const command = ['run', '--quiet', '--example', example, '--', '--html', file];
  const { status } = spawnSync(process.env.CARGO || 'cargo', command, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  assert.equal(status, 0, `cargo ${command.join(' ')}`);
  return pathToFileURL(file).href;
}

/** Returns what the page shows. */
const see = (page) => page.value(`({
  step: Number(document.getElementById('slider').value),
  steps: Number(document.getElementById('slider').max),
  count: document.getElementById('count').textContent,
  what: document.getElementById('what').textContent,
  hub: document.getElementById('hub-what').textContent,
  log: [...document.querySelectorAll('#log li')].map((line) => line.textContent),
  stack: [...document.querySelectorAll('#stack .card')].map((card) => card.dataset.id),
  ticks: document.querySelectorAll('#ticks .card').length,
  microtasks: document.querySelectorAll('#microtasks .card').length,
  waiting: document.querySelectorAll('#waiting .card').length,
  phase: document.querySelector('.phase.here .name')?.textContent ?? null,
  line: document.querySelector('#source .here')?.textContent ?? null,
})`);

/** Walks through all steps with the keyboard and returns what the page shows at each. */
async function walk(page) {
  const seen = [await see(page)];
  for (let step = 1; step <= seen[0].steps; step++) {
    await page.press('ArrowRight');
    seen.push(await see(page));
  }
  assert.deepEqual(seen.map(({ step }) => step), seen.map((_, index) => index), 'each key is one step');
  assert.ok(seen.every(({ what }) => what.length > 10), 'a sentence for every step');
  return seen;
}

async function assertFits(page, size) {
  const { content, small } = await page.value(`({
    content: document.documentElement.scrollWidth,
    small: [...document.querySelectorAll('nav button, #theme')].filter((button) => button.offsetParent)
      .map((button) => [button.id, button.offsetWidth, button.offsetHeight])
      .filter(([id, width, height]) => Math.min(width, height) < (id === 'theme' ? 36 : 44)),
  })`);
  assert.ok(content <= size.width, `nothing is wider than the screen: ${content} > ${size.width}`);
  assert.deepEqual(small, [], 'every button is large enough for a finger');
  const { letters, cut } = await page.value(`({
    letters: Math.min(...[...document.querySelectorAll('#ring text')].filter((text) => text.textContent)
      .map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)),
    cut: [...document.querySelectorAll('#source, #source code, .card code')]
      .filter((code) => code.scrollWidth > code.clientWidth + 1).map((code) => code.textContent),
  })`);
  assert.ok(letters >= 12, `the drawing of the loop is legible: letters of ${letters} px`);
  assert.deepEqual(cut, [], 'no code is cut off');
}

/** The page is drawn at rest: nothing moves that has not been asked for. */
async function assertOpensAtRest(page) {
  const moving = await page.value(`document.getAnimations().length`);
  assert.equal(moving, 0, 'nothing moves when the page opens');
  assert.equal((await see(page)).step, 0, 'it opens on the first step');
}

const assertQuiet = (page, url) => {
  assert.deepEqual(page.complaints, [], 'the console is empty');
  assert.deepEqual(page.requests.filter((request) => request !== url), [], 'nothing is loaded');
};

async function jobQueue(browser, url, name, size, folder) {
  const page = await browser.page(size);
  await page.open(url);
  await assertOpensAtRest(page);
  const seen = await walk(page);
  const last = seen.at(-1);
  assert.deepEqual(last.log, JOB_QUEUE, 'the six lines in their order');
  for (const [index, now] of seen.entries()) {
    const before = index === 0 ? [] : seen[index - 1].log;
    assert.ok(now.log.length - before.length <= 1, 'one line at a time');
    assert.deepEqual(now.log.slice(0, before.length), before, 'printed lines stay');
  }
  const at = (line) => seen[seen.findIndex(({ log }) => log.includes(line))];
  assert.equal(at('Script End').microtasks, 2, 'two promises are queued');
  assert.equal(at('Script End').hub, 'main script');
  assert.match(at('Promise 1 resolved').line, /first\.then/, 'the line in the source');
  assert.equal(at('setTimeout').phase, 'timers');
  assert.ok(seen.some(({ stack, what }) => stack.length === 0 && /call stack is empty/.test(what)));
  assert.deepEqual([last.stack.length, last.ticks, last.microtasks, last.waiting], [0, 0, 0, 0]);

  for (let step = seen.length - 2; step >= 0; step--) { // and back again
    await page.press('ArrowLeft');
    assert.deepEqual(await see(page), seen[step]);
  }
  await page.press('End');
  assert.deepEqual(await see(page), last);
  await page.press('Home');
  assert.deepEqual(await see(page), seen[0]);
  await page.value(`document.getElementById('next').click()`);
  assert.deepEqual(await see(page), seen[1]);
  await page.press('End');
  await page.value(`document.querySelector('#log li').click()`);
  assert.deepEqual(await see(page), at('Script start'), 'a click on a line of the output selects its step');
  await page.value(`document.getElementById('theme').click()`);
  assert.notEqual(await page.value(`getComputedStyle(document.body).backgroundColor`), 'rgb(250, 248, 244)', 'dark');
  await page.value(`document.getElementById('theme').click()`);
  await page.press('Home');
  await page.press('ArrowRight');
  if (size.mobile) {
    await page.swipe([300, 700], [120, 690]);
    assert.deepEqual(await see(page), seen[2], 'a swipe to the left is a step');
    await page.swipe([120, 700], [300, 690]);
    assert.deepEqual(await see(page), seen[1], 'and one to the right is a step back');
  }
  await page.press(' ');
  const start = (await see(page)).step;
  for (let waited = 0; (await see(page)).step <= start + 1; waited++) {
    assert.ok(waited < 300, 'it has not played a step');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await page.press(' ');
  assert.equal(await page.value(`document.getElementById('play').className`), '', 'it is paused');

  await assertFits(page, size);
  for (const line of [...JOB_QUEUE, null]) {
    const step = line ? seen.indexOf(at(line)) : 0;
    await page.value(`go(${step}, false)`);
    await page.screenshot(path.join(folder, `job_queue-${name}-${step + 1}.png`));
  }
  assertQuiet(page, url);
  await page.close();
  console.log(`job_queue, ${name}: ${seen.length} steps, forward and back`);
}

async function tour(browser, url, name, size, folder) {
  const page = await browser.page(size);
  await page.open(url);
  const seen = await walk(page);
  const text = seen.at(-1).log.join('\n');
  for (const heading of ['SCRIPT', 'TIMERS', 'PENDING', 'POLL', 'CHECK', 'CLOSE']) {
    assert.match(text, new RegExp(`^${heading} `, 'm'), `the page contains ${heading}`);
  }
  const phases = new Set(seen.map(({ phase }) => phase));
  assert.deepEqual(phases, new Set([null, 'timers', 'pending', 'poll', 'check', 'close']), 'the loop enters every phase');
  await assertFits(page, size);
  const shots = [0.1, 0.35, 0.6, 0.85].map((part) => Math.round(part * seen.length));
  for (const step of shots) {
    await page.value(`go(${step}, false)`);
    await page.screenshot(path.join(folder, `tour-${name}-${step + 1}.png`));
  }
  assertQuiet(page, url);
  await page.close();
  console.log(`tour, ${name}: ${seen.length} steps`);
}

/** The picture of the README: small, because a README is narrow. */
async function picture(browser, url, folder) {
  const size = { width: 1120, height: 690 };
  const page = await browser.page(size);
  await page.open(url);
  const seen = await walk(page);
  await assertFits(page, size);
  const step = seen.findIndex(({ log }) => log.includes('Script End'));
  await page.value(`go(${step}, false)`);
  await page.screenshot(path.join(folder, 'replay.png'));
  await page.close();
}

/** A recording with thousands of steps. */
async function starvation(browser, url, size) {
  const page = await browser.page(size);
  await page.open(url);
  const { steps } = await see(page);
  assert.ok(steps > 3000, `${steps} steps`);
  await page.press('End');
  assert.deepEqual((await see(page)).log, expected('starvation'));
  await page.press('ArrowLeft');
  await page.press('Home');
  assert.deepEqual((await see(page)).log, []);
  assertQuiet(page, url);
  await page.close();
  console.log(`starvation: ${steps + 1} steps`);
}

// Much longer than the test needs. A browser that stops responding is a failure, too.
setTimeout(() => {
  console.error('the browser does not answer');
  process.exit(1);
}, 600_000).unref();

let program;
try {
  program = findBrowser();
} catch (error) {
  console.error(error.message);
  process.exit(77); // skipped
}

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'nodeloop-pages-'));
const folder = process.argv[2] ?? temporary;
fs.mkdirSync(folder, { recursive: true });
try {
  const pages = Object.fromEntries(['job_queue', 'tour', 'starvation'].map((name) => [name, recordPage(name, folder)]));
  const browser = await Browser.start(program);
  try {
    await jobQueue(browser, pages.job_queue, 'desktop', { ...DESKTOP, calm: false }, folder);
    await jobQueue(browser, pages.job_queue, 'phone', PHONE, folder);
    await tour(browser, pages.tour, 'desktop-dark', { ...DESKTOP, dark: true }, folder);
    await tour(browser, pages.tour, 'phone-dark', { ...PHONE, dark: true }, folder);
    await picture(browser, pages.job_queue, folder);
    await starvation(browser, pages.starvation, DESKTOP);
  } finally {
    await browser.close();
  }
} finally {
  fs.rmSync(temporary, { recursive: true, force: true });
}
