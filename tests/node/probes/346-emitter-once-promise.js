// `events.once` is an async function that returns a promise: an await continues two turns after the
// emit, or three if the emit comes before the first turn. An `error` rejects the promise. The turns are
// counted by a chain that starts with the emit.
const { EventEmitter, once } = require('events');
const count = (name) => {
  let chain = Promise.resolve();
  for (let turn = 1; turn <= 6; turn += 1) chain = chain.then(() => console.log(`${name} ${turn}`));
};
const ee = new EventEmitter();
async function wait(name, event) {
  try {
    const [value] = await once(ee, event);
    console.log(`${name}: ${value}`);
  } catch (error) {
    console.log(`${name} failed: ${error.message}`);
  }
  console.log(`${name} left: ${ee.listenerCount(event)} ${ee.listenerCount('error')}`);
}
wait('same macrotask', 'x');
count('same');
ee.emit('x', 1);
// Each step after this number of check phases.
const after = (checks, step) => setImmediate(checks > 1 ? () => after(checks - 1, step) : step);
after(1, () => wait('later', 'x'));
after(2, () => {
  count('later');
  ee.emit('x', 2);
  ee.emit('x', 'too late');
});
after(3, () => wait('error', 'x'));
after(4, () => {
  count('error');
  ee.emit('error', new Error('broken'));
});
after(5, () => {
  once(ee, 'error').then(([error]) => console.log(`the error is the value: ${error.message}`));
  ee.emit('error', new Error('awaited'));
});
