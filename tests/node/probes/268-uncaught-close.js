// R55: there is no drain after a close callback that throws; what it queued is drained after the next
// close callback, or in the timers phase.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const net = require('net');
process.on('uncaughtException', (e) => console.log('uncaught', e));
const server = net.createServer((peer) => peer.resume()).listen(0, () => {
  const open = [];
  for (const name of ['A', 'B', 'C']) {
    const socket = net.connect(server.address().port, () => {
      open.push(socket);
      if (open.length === 3) setImmediate(go, open);
    });
  }
});
function go(open) {
  server.close();
  server.unref();
  for (const name of ['A', 'B', 'C']) {
    const socket = open.shift();
    socket.on('close', () => {
      console.log('close', name);
      process.nextTick(() => console.log('tick of', name));
      if (name !== 'B') throw name;
    });
    socket.destroy();
  }
  setTimeout(() => console.log('timer'), 1);
  setImmediate(() => console.log('next check'));
  wait(20);
  console.log('check');
}
