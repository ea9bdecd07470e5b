// More listeners than the limit of 10 cause a warning, in a tick, once for each event. It can come
// again when at most one listener was left. A limit of 0 is none.
const { EventEmitter } = require('events');
process.removeAllListeners('warning'); // it prints
process.on('warning', ({ name, type, count }) => console.log(`${name} ${type} ${count}`));
const ee = new EventEmitter();
const add = (name, count) => {
  for (let i = 0; i < count; i += 1) ee.on(name, add);
};
const remove = (name, count) => {
  for (let i = 0; i < count; i += 1) ee.removeListener(name, add);
};
add('x', 10);
add('y', 12);
process.nextTick(() => console.log('tick'));
console.log('main ends');
setImmediate(() => {
  console.log('the eleventh');
  add('x', 1);
  remove('x', 9);
  add('x', 9);
  console.log('two were left');
  process.nextTick(() => {
    remove('x', 10);
    add('x', 10);
    console.log('one was left');
    ee.setMaxListeners(2);
    add('z', 3);
    ee.setMaxListeners(0);
    add('no limit', 20);
  });
});
