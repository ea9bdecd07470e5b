// Time limits and cancellation.
'use strict';
const { setTimeout: sleep, setInterval: every } = require('timers/promises');

async function withLimit(ms, work) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`over ${ms} ms`)), ms);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}

async function main() {
  console.log(await withLimit(200, (signal) => sleep(5, 'in time', { signal })));
  await withLimit(5, (signal) => sleep(200, 'never', { signal })).catch((error) => {
    console.log(error.name, error.code, error.cause.message);
  });
  const controller = new AbortController();
  controller.signal.addEventListener('abort', (event) => console.log(event.type, controller.signal.reason.name));
  controller.signal.onabort = () => console.log('onabort');
  controller.abort();
  controller.abort();
  console.log(controller.signal.aborted, controller.signal.reason.message, controller.signal.reason instanceof DOMException);
  try {
    controller.signal.throwIfAborted();
  } catch (error) {
    console.log(error.name, error.code);
  }
  const timeout = AbortSignal.timeout(5);
  await new Promise((resolve) => {
    timeout.addEventListener('abort', resolve);
    setTimeout(() => {}, 50); // a signal keeps nothing alive
  });
  console.log(timeout.reason.name, timeout.reason.message);
  const any = AbortSignal.any([new AbortController().signal, AbortSignal.abort('now')]);
  console.log(any.aborted, any.reason);
  let count = 0;
  for await (const value of every(3, 'beat')) {
    count += 1;
    console.log(value, count);
    if (count === 3) break;
  }
  const target = new EventTarget();
  target.addEventListener('hello', { handleEvent: (event) => console.log('object', event.type) });
  target.addEventListener('hello', () => console.log('once'), { once: true });
  console.log(target.dispatchEvent(new Event('hello')), target.dispatchEvent(new Event('hello', { cancelable: true })));
}
main();
