// node client.mjs PORT CERTIFICATE.pem: posts a large body over TLS and checks the echo; then checks
// that a client without trusted certificates and a connection without TLS fail.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';

const [port, pem] = process.argv.slice(2);
const agent = new https.Agent({ ca: readFileSync(pem), keepAlive: true, maxSockets: 1 });
const body = Buffer.alloc(1_000_000, 'TLS ');

for (let i = 0; i < 3; i++) {
  const request = https.request({ host: 'localhost', port, agent, method: 'POST', family: 4 });
  request.end(body);
  const [response] = await once(request, 'response');
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(body));
  assert.equal(request.reusedSocket, i > 0);
}
agent.destroy();

const [error] = await once(https.get({ host: 'localhost', port, family: 4, agent: false }), 'error');
assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');

const plain = net.connect(port, '127.0.0.1');
plain.end('GET / HTTP/1.1\r\n\r\n');
plain.on('error', () => {});
plain.resume();
await once(plain, 'close');
console.log('ok');
