// The side of Node. The interface is that of the other sides (`common/src/lib.rs`).

import { strict as assert } from 'node:assert';
import { stat } from 'node:fs';
import { createServer } from 'node:net';
import { memoryUsage, cpuUsage, hrtime } from 'node:process';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const now = () => Number(hrtime.bigint());
const processorTime = () => {
  const { user, system } = cpuUsage();
  return (user + system) * 1000;
};
const sumBelow = (count) => (count * (count - 1)) / 2;
const delay = (index) => 60_000 + ((index * 7_919) % 1_000) * 60;
const nothing = () => {};
const turn = (number) => new Promise((resolve) => queueMicrotask(() => resolve(number)));

async function timed(body) {
  const start = now();
  await body();
  return now() - start;
}

const spawnBatches = (task) => (count) =>
  timed(async () => {
    let sum = 0;
    for (let batch = 0; batch < count; batch += 1_000) {
      const tasks = [];
      for (let number = batch; number < batch + 1_000; number++) tasks.push(task(number));
      for (const promise of tasks) sum += await promise;
    }
    assert.equal(sum, sumBelow(count));
  });

const inTasks = (tasks) => (count) =>
  timed(async () => {
    let done = 0;
    const task = async () => {
      for (let step = 0; step < count / tasks; step++) {
        await undefined;
        done++;
      }
    };
    await Promise.all(Array.from({ length: tasks }, task));
    assert.equal(done, count);
  });

const chain = (queue) => (count) =>
  timed(async () => {
    let left = count;
    await new Promise((resolve) => {
      const link = () => {
        left--;
        if (left === 0) resolve();
        else queue(link);
      };
      queue(link);
    });
    assert.equal(left, 0);
  });

const untilAllCalled = (count, queue) =>
  timed(async () => {
    let called = 0;
    await new Promise((resolve) => {
      for (let index = 0; index < count; index++) {
        queue(() => {
          called++;
          if (called === count) resolve();
        }, 1 + ((index * 7_919) % 1_000));
      }
    });
    assert.equal(called, count);
  });

// A timeout whose callback does nothing, and `clearTimeout`.
const clearedTimeouts = (pending) => async (count) => {
  const timeouts = Array.from({ length: pending }, (_, index) => setTimeout(nothing, delay(index)));
  let fired = 0;
  const start = now();
  for (let index = 0; index < count; index++) clearTimeout(setTimeout(() => fired++, delay(index)));
  const time = now() - start;
  timeouts.forEach(clearTimeout);
  assert.equal(fired, 0);
  return time;
};

const fire = async (count, queue) => {
  const before = processorTime();
  await untilAllCalled(count, queue);
  return processorTime() - before;
};

// Node has no job that is empty. The smallest one is a `stat`.
const job = (done) =>
  stat('/', (error) => {
    assert.equal(error, null);
    done();
  });

const memory = (make) => async (count) => {
  globalThis.gc();
  const before = memoryUsage.rss();
  const kept = Array.from({ length: count }, (_, index) => make(index));
  globalThis.gc();
  const grown = memoryUsage.rss() - before;
  assert.equal(kept.length, count);
  assert(grown > 0);
  return grown;
};

// Messages from threads: `threads` of them send a share each, and wait for an answer if `answers`.
const messages = (threads, answers) => (count) =>
  new Promise((resolve) => {
    const workers = Array.from({ length: threads }, () => {
      const data = { count: count / threads, answers };
      return new Worker(new URL(import.meta.url), { workerData: data });
    });
    let [ready, received, start] = [0, 0, 0];
    for (const worker of workers) {
      worker.on('message', (message) => {
        if (message === 'ready') {
          ready++;
          if (ready < threads) return;
          start = now();
          for (const each of workers) each.postMessage('go');
          return;
        }
        received++;
        if (received === count) {
          const time = now() - start;
          Promise.all(workers.map((each) => each.terminate())).then(() => resolve(time));
        } else if (answers) {
          worker.postMessage(message);
        }
      });
    }
  });

function thread({ count, answers }) {
  let sent = 0;
  const send = () => parentPort.postMessage(sent++);
  parentPort.on('message', () => {
    if (answers) send();
    else while (sent < count) send();
  });
  parentPort.postMessage('ready');
}

const workloads = {
  'spawn-ready': spawnBatches(async (number) => number),
  'spawn-waits': spawnBatches(async (number) => {
    await undefined;
    return number;
  }),
  'spawn-one': (count) =>
    timed(async () => {
      let sum = 0;
      const task = async (number) => number;
      for (let number = 0; number < count; number++) sum += await task(number);
      assert.equal(sum, sumBelow(count));
    }),
  'wake-self': inTasks(1),
  'wake-self-1k': inTasks(1_000),
  'sleep-drop': clearedTimeouts(0),
  'sleep-drop-200k': clearedTimeouts(200_000),
  'timeout-clear': clearedTimeouts(0),
  'sleeps-fire': (count) => fire(count, setTimeout),
  'timeouts-fire': (count) => fire(count, setTimeout),
  'tick-chain': chain(process.nextTick),
  'microtask-chain': chain(queueMicrotask),
  'immediate-chain': chain(setImmediate),
  'immediates-at-once': (count) => untilAllCalled(count, setImmediate),
  'jobs-at-once': (count) => untilAllCalled(count, job),
  'jobs-in-turn': chain(job),
  'work-at-once': (count) => untilAllCalled(count, job),
  'wake-latency': messages(1, true),
  'wake-flood': messages(4, false),
  resolver: (count) =>
    timed(async () => {
      let sum = 0;
      for (let number = 0; number < count; number++) sum += await turn(number);
      assert.equal(sum, sumBelow(count));
    }),
  'then-chain': (count) =>
    timed(async () => {
      let start;
      let promise = new Promise((resolve) => (start = resolve));
      for (let index = 0; index < count; index++) promise = promise.then((number) => number + 1);
      start(0);
      assert.equal(await promise, count);
    }),
  'all-10k': (count) =>
    timed(async () => {
      const resolvers = [];
      const promises = Array.from({ length: count }, () => new Promise((r) => resolvers.push(r)));
      const all = Promise.all(promises);
      resolvers.forEach((resolve, number) => resolve(number));
      const numbers = await all;
      assert.equal(numbers.reduce((sum, number) => sum + number, 0), sumBelow(count));
    }),
  'memory-task': memory(async () => new Promise(nothing)),
  'memory-timer': memory((index) => setTimeout(nothing, delay(index))),
  'memory-promise': memory(() => new Promise(nothing)),
};
workloads['join-10k'] = (count) =>
  timed(async () => {
    const tasks = Array.from({ length: count }, async (_, number) => {
      await undefined;
      return number;
    });
    const numbers = await Promise.all(tasks);
    assert.equal(numbers.reduce((sum, number) => sum + number, 0), sumBelow(count));
  });

function serve() {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
    console.log(server.address().port);
  });
}

async function main([command, name, size, times]) {
  if (command === 'list') return console.log([...Object.keys(workloads), 'serve'].join('\n'));
  if (command === 'serve') return serve();
  for (let time = 0; time < Number(times); time++) {
    console.log(((await workloads[name](Number(size))) / Number(size)).toFixed(3));
  }
  process.exit(0);
}

if (isMainThread) await main(process.argv.slice(2));
else thread(workerData);
