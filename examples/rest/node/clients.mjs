// Node's http and fetch as clients of the service: node clients.mjs http://127.0.0.1:PORT
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';

const base = process.argv[2];
const headers = { 'content-type': 'application/json' };
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

async function request(method, path, body) {
  const outgoing = http.request(base + path, { method, agent, headers: body ? headers : {} });
  outgoing.end(body && JSON.stringify(body));
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode, location: response.headers.location, text, reused: outgoing.reusedSocket };
}

// Sequential requests on one connection.
for (let i = 1; i <= 51; i++) {
  const answer = await request('POST', '/notes', { title: `note ${i}` });
  assert.equal(answer.status, 201);
  assert.equal(answer.location, `/notes/${i}`);
  assert.equal(answer.reused, i > 1);
  const shown = await request('GET', answer.location);
  assert.deepEqual(JSON.parse(shown.text), { id: i, title: `note ${i}`, text: '' });
}
agent.destroy();

// Concurrent requests with fetch.
const posted = Array.from({ length: 100 }, (_, i) =>
  fetch(`${base}/notes`, { method: 'POST', headers, body: JSON.stringify({ title: 'many', text: '€'.repeat(i) }) }),
);
const ids = await Promise.all(
  posted.map(async (promise, i) => {
    const response = await promise;
    assert.equal(response.status, 201);
    const note = await response.json();
    assert.equal(note.text, '€'.repeat(i));
    return note.id;
  }),
);
assert.equal(new Set(ids).size, 100);
const all = await (await fetch(`${base}/notes`)).json();
assert.deepEqual(all.map((note) => note.id), Array.from({ length: 151 }, (_, i) => 151 - i));
assert.equal((await fetch(`${base}/notes/${ids[0]}`, { method: 'DELETE' })).status, 204);
assert.equal((await fetch(`${base}/notes/${ids[0]}`)).status, 404);
console.log('ok');
process.exit(0); // fetch keeps its connections open
