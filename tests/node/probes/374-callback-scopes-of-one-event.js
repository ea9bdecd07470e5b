// Both messages arrive in one event, whose native code opens a callback scope for each: a drain follows each.
const { MessageChannel } = require('worker_threads');
const { port1, port2 } = new MessageChannel();
port2.on('message', (name) => {
  console.log(name);
  process.nextTick(() => console.log('tick of', name));
  queueMicrotask(() => console.log('micro of', name));
  if (name === 'b') port2.close();
});
port1.postMessage('a');
port1.postMessage('b');
