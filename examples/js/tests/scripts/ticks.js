// Ticks in a long queue, with arguments, and after one that throws.
'use strict';
const COUNT = 6000;
let next = 0;
let wrong = 0;
function inOrder(number) {
  if (number !== next) wrong += 1;
  next += 1;
  if (number < COUNT) process.nextTick(inOrder, number + COUNT);
}
for (let number = 0; number < COUNT; number += 1) process.nextTick(inOrder, number);
process.nextTick(() => console.log('the first ticks have run:', next, 'wrong:', wrong));

// Two chains, so that the queue is never empty.
let steps = 0;
function chain() {
  steps += 1;
  if (steps < 20000) process.nextTick(chain);
}
process.nextTick(chain);
process.nextTick(chain);

process.once('uncaughtException', (error) => {
  console.log('caught', error.message, 'after', next, steps);
  process.nextTick(() => console.log('tick of the listener'));
  queueMicrotask(() => console.log('microtask of the listener'));
});
setImmediate(() => {
  process.nextTick((...args) => console.log('arguments', args), 1, 'two', undefined);
  process.nextTick(() => {
    throw new Error('one tick');
  });
  process.nextTick((value) => console.log('after the tick that threw', value), 3);
  queueMicrotask(() => console.log('microtask'));
  setImmediate(() => console.log('immediate'));
});
process.on('exit', () => console.log('ticks', next, 'wrong', wrong, 'chains', steps));
