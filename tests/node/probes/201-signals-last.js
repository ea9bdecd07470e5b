// R64: signals come after the other events of their poll phase. The signal is raised first.
const net = require('net');
const os = require('os');
const path = require('path');
const server = net.createServer((peer) => peer.on('data', () => console.log('data')));
server.listen(path.join(os.tmpdir(), `probe-201-${process.pid}`), () => {
  const socket = net.connect(server.address(), () => {
    setImmediate(() => setImmediate(() => {
      process.on('SIGUSR2', () => {
        console.log('signal');
        server.close();
      });
      process.kill(process.pid, 'SIGUSR2');
      socket.end('hello');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
      setImmediate(() => console.log('immediate'));
    }));
  });
});
