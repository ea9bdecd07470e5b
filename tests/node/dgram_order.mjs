// The order of events in an exchange of datagrams, logged by the side that the argument names:
//
//     node dgram_order.mjs server          prints its port, then its log
//     node dgram_order.mjs client <port>   prints its log
//
// Written with `await`, as net_order.mjs is. Then 200 datagrams of random sizes up to 8 KiB, one at
// a time, each of which has to come back unchanged.

import { randomBytes, randomInt } from 'node:crypto';
import dgram from 'node:dgram';

const log = [];
const ROUNDS = 200;

function around(name) {
  log.push(name);
  process.nextTick(() => log.push(`${name} tick`));
  queueMicrotask(() => log.push(`${name} microtask`));
  return new Promise((resolve) => {
    setImmediate(() => {
      log.push(`${name} check`);
      resolve();
    });
  });
}

function message(socket) {
  return new Promise((resolve) => socket.once('message', (bytes, from) => resolve([bytes, from])));
}

async function client(port) {
  const socket = dgram.createSocket('udp4');
  await new Promise((resolve) => socket.connect(port, '127.0.0.1', resolve));
  await new Promise((resolve) => socket.send('hi', resolve));
  log.push('sent');
  const [hello] = await message(socket);
  await around(`message ${hello}`);
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = randomBytes(randomInt(8 * 1024));
    const echo = message(socket);
    socket.send(bytes);
    const [back] = await echo;
    if (!back.equals(bytes)) throw new Error(`round ${round}: it came back changed`);
  }
  socket.send('bye');
  const [bye] = await message(socket);
  await around(`message ${bye}`);
  await new Promise((resolve) => socket.close(resolve));
  log.push('close');
}

async function server() {
  const socket = dgram.createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  console.log(socket.address().port);
  const [hi, from] = await message(socket);
  await around(`message ${hi}`);
  socket.send('hello', from.port, from.address);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [bytes, peer] = await message(socket);
    socket.send(bytes, peer.port, peer.address);
  }
  const [bye] = await message(socket);
  socket.send(bye, from.port, from.address);
  await around(`message ${bye}`);
  await new Promise((resolve) => socket.close(resolve));
  log.push('close');
}

const [role, port] = process.argv.slice(2);
await (role === 'server' ? server() : client(Number(port)));
for (const line of log) console.log(line);
