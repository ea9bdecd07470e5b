// A graceful shutdown
const { EventEmitter } = require('node:events');
const signals = new EventEmitter();
const requests = [1, 2, 3];
let accepting = true;

signals.on('SIGTERM', () => {
  console.log('SIGTERM: no new requests; in flight:', requests.join(' '));
  accepting = false;
  process.nextTick(() => console.log('tick, after the listener'));
});
signals.on('SIGHUP', () => console.log('SIGHUP: settings reloaded'));

function serve() {
  const request = requests.shift();
  console.log('request', request, accepting ? 'served' : 'finished');
  if (request === 1) {
    setImmediate(() => {
      signals.emit('SIGHUP');
      signals.emit('SIGTERM');
    });
  }
  if (requests.length > 0) setImmediate(serve);
}

setImmediate(serve);
process.on('exit', () => console.log('exit'));
