// The requests of `examples/rest` that the benchmark sends, with the notes in a map.
import { createServer } from 'node:http';

const notes = new Map();
const send = (response, status, value) => {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
};
const server = createServer(async (request, response) => {
  const [, what, id] = request.url.split('/');
  const note = notes.get(Number(id));
  if (request.method === 'POST' && what === 'notes') {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const { title, text: body = '' } = JSON.parse(text);
    const added = { id: notes.size + 1, title, text: body };
    notes.set(added.id, added);
    send(response, 201, added);
  } else if (request.method === 'GET' && what === 'notes' && note) {
    send(response, 200, note);
  } else {
    send(response, 404, { error: 'not found' });
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
