// How many datagrams one turn of the loop receives: 80 are there before the first poll phase.
// Prints the number for each turn in which there were some.

import dgram from 'node:dgram';

const [one, other] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
let received = 0;
let before = 0;
other.on('message', () => {
  received += 1;
});

function turn() {
  if (received > before) console.log(received - before);
  before = received;
  if (received < 80) setImmediate(turn);
  else [one, other].forEach((socket) => socket.close());
}

other.bind(0, '127.0.0.1', () => {
  one.connect(other.address().port, '127.0.0.1', () => {
    for (let count = 0; count < 80; count += 1) one.send('x');
    setImmediate(turn);
  });
});
