// A time limit with AbortController
const { setTimeout: sleep } = require('node:timers/promises');

async function withLimit(name, ms, limit) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), limit);
  try {
    await sleep(ms, undefined, { signal: controller.signal });
    console.log(`${name}: done after ${ms} ms`);
  } catch (error) {
    console.log(`${name}: ${error.name} after ${limit} ms`);
  } finally {
    clearTimeout(timer);
  }
}

Promise.all([withLimit('quick', 20, 300), withLimit('slow', 1000, 300)]).then(() => console.log('both have ended'));
