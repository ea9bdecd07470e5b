// A headless Chromium, driven over a pipe: its DevTools protocol is JSON between two zero bytes,
// on the descriptors 3 and 4. No package is needed.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Returns the browser: `CHROMIUM`, else one from the PATH, else Debian's package, which it installs. */
export function findBrowser() {
  const find = () => [process.env.CHROMIUM, ...NAMES].find(
    (name) => name && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  let browser = find();
  if (!browser && spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0) {
    const sudo = process.getuid() === 0 ? [] : ['sudo', '-n'];
    const apt = (...words) => {
      const [command, ...rest] = [...sudo, 'apt-get', ...words];
      console.log(`$ ${[command, ...rest].join(' ')}`);
      return spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
    };
    apt('update');
    apt('install', '-y', '--no-install-recommends', 'chromium');
    browser = find();
  }
  if (!browser) {
    throw new Error('no Chromium was found and it could not be installed; run `apt-get install chromium` or set CHROMIUM');
  }
  return browser;
}

export class Browser {
  #child; #profile; #pending = new Map(); #last = 0; #listeners = []; #text = '';

  static async start(browser) {
    const self = new Browser();
    self.#profile = fs.mkdtempSync(path.join(os.tmpdir(), 'nodeloop-browser-'));
    const options = [
      '--headless=new', '--remote-debugging-pipe', '--no-first-run', '--disable-gpu', '--hide-scrollbars',
      '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--no-proxy-server',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', `--user-data-dir=${self.#profile}`,
    ];
    if (process.getuid?.() === 0) options.push('--no-sandbox'); // root has no sandbox
    self.#child = spawn(browser, [...options, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
    const child = self.#child;
    process.once('exit', () => child.kill('SIGKILL')); // also after a failure
    let complaints = '';
    self.#child.stderr.on('data', (data) => { complaints = (complaints + data).slice(-4000); });
    self.#child.on('exit', (code) => {
      for (const { reject } of self.#pending.values()) reject(new Error(`the browser exited (${code}):\n${complaints}`));
      self.#pending.clear();
    });
    self.#child.stdio[3].on('error', () => {}); // the exit listener above reports it
    const decoder = new TextDecoder();
    self.#child.stdio[4].on('data', (data) => self.#receive(decoder.decode(data, { stream: true })));
    return self;
  }

  #receive(data) {
    const messages = (this.#text + data).split('\0');
    this.#text = messages.pop();
    for (const message of messages.map((text) => JSON.parse(text))) {
      const waiting = this.#pending.get(message.id);
      if (!waiting) {
        for (const listener of this.#listeners) listener(message);
        continue;
      }
      this.#pending.delete(message.id);
      if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
      else waiting.resolve(message.result);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject, method }));
  }

  /** Opens a page of the given size that stores its console messages and its requests. */
  async page({ width, height, mobile = false, dark = false, calm = true }) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    this.#listeners.push((message) => { if (message.sessionId === sessionId) page.receive(message); });
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.send(`${domain}.enable`);
    await page.send('Emulation.setDeviceMetricsOverride', { width, height, mobile, deviceScaleFactor: mobile ? 2 : 1 });
    await page.send('Emulation.setTouchEmulationEnabled', { enabled: mobile });
    await page.send('Emulation.setEmulatedMedia', { features: [
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
      { name: 'prefers-reduced-motion', value: calm ? 'reduce' : 'no-preference' },
    ] });
    return page;
  }

  async close() {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    await this.send('Browser.close').catch(() => {});
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(kill);
    fs.rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

const KEYS = {
  ArrowRight: 39, ArrowLeft: 37, Home: 36, End: 35, ' ': 32,
};

class Page {
  #browser; #session; #target; #waiting = [];
  /** Console messages, which must stay empty. */
  complaints = [];
  /** The requested addresses, which must only be the page's own. */
  requests = [];

  constructor(browser, session, target) {
    this.#browser = browser;
    this.#session = session;
    this.#target = target;
  }

  send(method, params) {
    return this.#browser.send(method, params, this.#session);
  }

  receive({ method, params }) {
    this.#waiting = this.#waiting.filter((waiting) => waiting.method !== method || waiting.resolve(params));
    if (method === 'Runtime.exceptionThrown') this.complaints.push(params.exceptionDetails.exception?.description || params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled') this.complaints.push(params.args.map((arg) => arg.value ?? arg.description).join(' '));
    if (method === 'Log.entryAdded') this.complaints.push(params.entry.text);
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
  }

  async open(url) {
    const loaded = new Promise((resolve) => this.#waiting.push({ method: 'Page.loadEventFired', resolve: () => void resolve() }));
    await this.send('Page.navigate', { url });
    await loaded;
  }

  async value(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description || exceptionDetails.text}`);
    return result.value;
  }

  async press(key) {
    const event = { key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: KEYS[key], text: key === ' ' ? ' ' : undefined };
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...event });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
  }

  /** Swipes from one point to another. */
  async swipe(from, to) {
    const point = ([x, y]) => [{ x, y }];
    await this.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: point(from) });
    await this.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: point(to) });
    await this.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  }

  async screenshot(file) {
    await this.value('Promise.allSettled(document.getAnimations().map((animation) => animation.finished)).then(() => 0)');
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    fs.writeFileSync(file, Buffer.from(data, 'base64'));
  }

  async close() {
    await this.#browser.send('Target.closeTarget', { targetId: this.#target });
  }
}
