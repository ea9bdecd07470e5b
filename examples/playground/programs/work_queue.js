// A queue of jobs: three at a time, failures again
const AT_ONCE = 3;
const ATTEMPTS = 3;
const PAUSE = 100;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const jobs = ['a', 'b', 'c', 'd', 'e'].map((name, at) => ({ name, ms: 100 + 50 * at, failures: name === 'b' ? 1 : name === 'd' ? 9 : 0 }));

async function work(job, attempt) {
  await sleep(job.ms);
  if (attempt <= job.failures) throw new Error('not available');
  return job.name.toUpperCase();
}

async function withAttempts(job) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(job, attempt);
    } catch (error) {
      console.log(`${job.name}: attempt ${attempt} failed: ${error.message}`);
      if (attempt === ATTEMPTS) return 'given up';
      await sleep(PAUSE * attempt);
    }
  }
}

async function worker() {
  while (jobs.length > 0) {
    const job = jobs.shift();
    console.log(`${job.name}: ${await withAttempts(job)}`);
  }
}

Promise.all(Array.from({ length: AT_ONCE }, worker)).then(() => console.log('done'));
