// R63: what a pending callback feeds waits for the next round, and that is after the poll callbacks.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const net = require('net');
require('fs').stat('.', () => console.log('poll'));
setImmediate(() => console.log('check'));
net.connect('/nonexistent/socket').on('error', (e) => {
  console.log('pending 1', e.code);
  net.connect('/nonexistent/socket').on('error', (e) => console.log('pending 2', e.code));
});
wait(50);
