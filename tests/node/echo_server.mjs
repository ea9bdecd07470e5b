// An echo server: node echo_server.mjs <connections>. Prints its port, and how many bytes it has
// echoed when that many connections have ended.

import net from 'node:net';

let left = Number(process.argv[2]);
let echoed = 0;
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('data', (bytes) => {
    echoed += bytes.length;
  });
  socket.pipe(socket);
  socket.on('close', () => {
    left -= 1;
    if (left === 0) server.close(() => console.log(echoed));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
