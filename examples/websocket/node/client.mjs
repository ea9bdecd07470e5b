// node --experimental-websocket client.mjs URL: sends texts and a large binary message, checks the
// echoes, and closes the socket.
import assert from 'node:assert/strict';
import { once } from 'node:events';

const socket = new WebSocket(process.argv[2]);
socket.binaryType = 'arraybuffer';
const texts = ['grüße', ...Array.from({ length: 100 }, (_, i) => String(i))];
const large = Buffer.alloc(1_000_000, 'binary ');
const received = [];
socket.onmessage = ({ data }) => {
  received.push(typeof data === 'string' ? data : Buffer.from(data));
  if (received.length === texts.length + 1) socket.close(1000, 'done');
};
await once(socket, 'open');
socket.send(large);
for (const text of texts) socket.send(text);
const [closed] = await once(socket, 'close');
assert.ok(large.equals(received.shift()));
assert.deepEqual(received, texts);
console.log(`closed ${closed.code} ${closed.wasClean}`);
