// A pool that runs at most three jobs at a time, with results in order and a retry.
'use strict';
const { setTimeout: sleep } = require('timers/promises');

async function pool(jobs, width) {
  const results = new Array(jobs.length);
  let next = 0;
  async function worker(name) {
    while (next < jobs.length) {
      const index = next++;
      console.log(`${name} takes job ${index}`);
      try {
        results[index] = { ok: await jobs[index]() };
      } catch (error) {
        results[index] = { failed: error.message };
      }
      console.log(`${name} ends job ${index}`);
    }
  }
  await Promise.all(Array.from({ length: width }, (_, at) => worker(`worker ${at}`)));
  return results;
}

function retried(job, attempts) {
  return async () => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await job(attempt);
      } catch (error) {
        if (attempt === attempts) throw error;
        await sleep(5);
      }
    }
  };
}

const jobs = [100, 400, 200, 500, 60].map((ms, at) => async () => {
  await sleep(ms);
  return at * ms;
});
jobs.push(retried(async (attempt) => {
  if (attempt < 3) throw new Error(`attempt ${attempt}`);
  return `after ${attempt}`;
}, 3));
jobs.push(retried(async () => { throw new Error('never'); }, 2));

pool(jobs, 3).then((results) => console.log(results));
