// A client of examples/echo.rs: node echo_client.mjs <port> <connections> <messages>
//
// All connections at once; on each of them one message after the other, of random bytes and of
// random length up to 64 KiB. A message has to come back whole and unchanged before the next one
// is sent. Prints one line of JSON with what was done; exits with 1 on the first difference.

import { randomBytes } from 'node:crypto';
import net from 'node:net';

const [port, connections, messages] = process.argv.slice(2).map(Number);
const LONGEST = 64 * 1024;
// Messages are slices of this, at random places.
const bytes = randomBytes(16 * LONGEST);

function random(limit) {
  return Math.floor(Math.random() * limit);
}

function talk(id) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let message;
    let sent = 0;
    let echoed = 0;
    let total = 0;

    function next() {
      if (sent === messages) {
        socket.end();
        return;
      }
      sent += 1;
      echoed = 0;
      const start = random(bytes.length - LONGEST);
      message = bytes.subarray(start, start + 1 + random(LONGEST));
      socket.write(message);
    }

    socket.on('connect', next);
    socket.on('data', (chunk) => {
      const expected = message.subarray(echoed, echoed + chunk.length);
      if (!chunk.equals(expected)) {
        reject(new Error(`connection ${id}, message ${sent}: it came back changed at ${echoed}`));
        socket.destroy();
        return;
      }
      echoed += chunk.length;
      total += chunk.length;
      if (echoed === message.length) next();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const whole = sent === messages && echoed === message.length;
      if (whole) resolve(total);
      else reject(new Error(`connection ${id}: closed in message ${sent} at ${echoed}`));
    });
  });
}

const start = performance.now();
const totals = await Promise.all(Array.from({ length: connections }, (_, id) => talk(id)));
const total = totals.reduce((sum, one) => sum + one, 0);
const ms = Math.round(performance.now() - start);
console.log(JSON.stringify({ connections, messages, bytes: total, ms }));
