// Node's http, fetch and net as clients of the server of `src/lib.rs`, on the port in the argument.
// Prints a line of JSON with the results.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';

const port = Number(process.argv[2]);
const base = `http://127.0.0.1:${port}`;
const large = Buffer.alloc(2 * 1024 * 1024);
for (let i = 0; i < large.length; i++) large[i] = i % 251;

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/** Sends one request with `http`; `write` writes its body. */
async function request(method, path, write = (request) => request.end()) {
  const outgoing = http.request({ host: '127.0.0.1', port, method, path, agent });
  write(outgoing);
  const [response] = await once(outgoing, 'response');
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  const localPort = outgoing.socket?.localPort ?? response.socket.localPort;
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks), localPort };
}

const report = {};

// Keep-alive: twenty requests on one connection.
{
  const answers = [];
  for (let i = 0; i < 20; i++) answers.push(await request('GET', `/number/${i}`));
  answers.forEach((answer, i) => assert.equal(answer.body.toString(), String(i)));
  report.keepAlive = new Set(answers.map((answer) => answer.localPort)).size;
}

// A chunked request, echoed chunk by chunk and as a whole.
for (const path of ['/stream', '/whole']) {
  const answer = await request('POST', path, (outgoing) => {
    outgoing.write('one,');
    setImmediate(() => {
      outgoing.write('two,');
      setImmediate(() => outgoing.end('three'));
    });
  });
  assert.equal(answer.body.toString(), 'one,two,three');
  assert.equal(answer.headers['transfer-encoding'], path === '/stream' ? 'chunked' : undefined);
  assert.equal(answer.headers['content-length'], path === '/whole' ? '13' : undefined);
}

// Two megabytes: sent and received at the same time, sent and then received, received only.
for (const path of ['/stream', '/whole']) {
  const answer = await request('POST', path, (outgoing) => outgoing.end(large));
  assert.ok(answer.body.equals(large), `${path} changes a large body`);
}
assert.ok((await request('GET', '/large')).body.equals(large));
report.large = large.length;

// fetch.
{
  assert.ok(Buffer.from(await (await fetch(`${base}/large`)).arrayBuffer()).equals(large));
  const answer = await fetch(`${base}/stream`, { method: 'POST', body: 'über' });
  assert.equal(await answer.text(), 'über');
  assert.equal((await fetch(`${base}/nowhere`)).status, 404);
  report.fetch = true;
}

// Pipelining: three requests in one packet, and one byte by byte; the responses are in order.
{
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  const get = (i, more = '') => `GET /number/${i} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
  socket.write(get(1) + get(2) + get(3));
  for (const byte of get(4, 'connection: close\r\n')) {
    socket.write(byte);
    await new Promise(setImmediate);
  }
  let text = '';
  for await (const chunk of socket) text += chunk;
  report.pipelined = [...text.matchAll(/\r\n\r\n(\d)/g)].map((match) => match[1]).join('');
}

// A client that aborts in the middle of its body, and one in the middle of the response.
{
  const outgoing = http.request({ host: '127.0.0.1', port, method: 'POST', path: '/whole', agent: false });
  outgoing.on('error', () => {});
  outgoing.write('first chunk');
  await new Promise((resolve) => outgoing.on('socket', (socket) => socket.on('connect', resolve)));
  await new Promise(setImmediate);
  outgoing.destroy();

  const incoming = http.get({ host: '127.0.0.1', port, path: '/large', agent: false });
  const [response] = await once(incoming, 'response');
  await once(response, 'data');
  response.on('error', () => {});
  response.destroy();
  await once(response, 'close');
}

// The server still works.
assert.equal((await request('GET', '/number/7')).body.toString(), '7');
agent.destroy();
console.log(JSON.stringify(report));
process.exit(0); // fetch keeps its connections open
