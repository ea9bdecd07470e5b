// A tour of the event loop
const heading = (phase, what) => console.log(`\n${phase.padEnd(8)} ${what}`);
const detail = (text) => console.log(`         ${text}`);
const blockFor = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

heading('SCRIPT', 'the main script runs before any phase');
detail('Sets a timer for 1 ms, queues a microtask, queues a tick,');
setTimeout(firstTimer, 1);
queueMicrotask(() => detail('  microtask: queued before the tick, but called after it'));
process.nextTick(() => detail('  tick: called as soon as the script has returned'));
blockFor(5);
detail('and blocks for 5 ms. The timer is overdue, but has to wait for its phase.');

function firstTimer() {
  heading('TIMERS', 'callbacks of timers that are due');
  detail('Queues a callback for each phase that follows, the last phase first:');
  setTimeout(secondTimer, 1);
  setImmediate(() => {
    heading('CHECK', 'immediates: right after poll');
    detail('The immediate is called.');
  });
  queueMicrotask(() => detail('  microtask: after all ticks, before the next phase'));
  process.nextTick(() => detail('  tick: after this callback'));
  detail('a timer, an immediate, a microtask, a tick.');
  blockFor(5);
}

async function secondTimer() {
  heading('TIMERS', 'the last phase of the turn');
  detail('The timer was set first and is called last. Starts two operations, and awaits both.');
  const operation = (value, ms) => new Promise((resolve) => setTimeout(resolve, ms, value));
  const [lines, words] = await Promise.all([operation(47, 30), operation(312, 20)]);
  heading('DRAIN', 'the code after an await is a microtask');
  detail(`The file has ${lines} lines and ${words} words.`);
}

process.on('exit', () => {
  console.log('\n  Nothing keeps the loop alive: it stops, and the program ends.');
});
