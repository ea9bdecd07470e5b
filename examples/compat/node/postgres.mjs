// A server with the part of PostgreSQL's protocol that a simple query needs, and one table. Prints
// its port.
import { createServer } from 'node:net';

const message = (type, ...parts) => {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const int16 = (value) => Buffer.from([value >> 8, value & 255]);
const int32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const text = (value) => Buffer.from(`${value}\0`);
const ready = message('Z', Buffer.from('I'));

const server = createServer((socket) => {
  let buffer = Buffer.alloc(0);
  let started = false;
  socket.on('data', (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const at = started ? 1 : 0; // the first message has no type
      if (buffer.length < at + 4) return;
      const length = at + buffer.readInt32BE(at);
      if (buffer.length < length) return;
      const [type, body] = [started && String.fromCharCode(buffer[0]), buffer.subarray(at + 4, length)];
      buffer = buffer.subarray(length);
      if (!started) {
        started = true;
        socket.write(Buffer.concat([message('R', int32(0)), ready]));
      } else if (type === 'Q' && body.toString() === 'SELECT name FROM planets\0') {
        const column = Buffer.concat([text('name'), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]);
        socket.write(message('T', int16(1), column));
        for (const name of ['Mercury', 'Venus', 'Earth']) {
          socket.write(message('D', int16(1), int32(name.length), Buffer.from(name)));
        }
        socket.write(Buffer.concat([message('C', text('SELECT 3')), ready]));
      } else if (type === 'Q') {
        const fields = ['SERROR', 'VERROR', 'C42P01', 'Mno such table'].map(text);
        socket.write(Buffer.concat([message('E', ...fields, Buffer.from([0])), ready]));
      } else if (type === 'X') {
        socket.end();
      }
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
