// Node's http as the server: prints its port, serves until its standard input is closed, and then
// prints its counters.
import http from 'node:http';

const large = Buffer.alloc(2 * 1024 * 1024);
for (let i = 0; i < large.length; i++) large[i] = i % 251;

let aborted;
const anyAborted = new Promise((resolve) => (aborted = resolve));
const seen = { connections: 0, requests: 0, aborted: 0 };

const server = http.createServer(async (request, response) => {
  seen.requests++;
  request.on('error', () => {
    if (request.url !== '/stream') return; // `/half` reports an error, too
    seen.aborted++;
    aborted();
  });
  if (request.url === '/stream') {
    request.pipe(response); // chunk by chunk
  } else if (request.url === '/whole') {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    response.writeHead(200, { 'content-length': body.length });
    response.end(body);
  } else if (request.url === '/large') {
    response.end(large);
  } else if (request.url === '/when-aborted') {
    await anyAborted;
    response.end('aborted');
  } else if (request.url === '/half') {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('only a half', () => request.socket.destroy());
  } else {
    response.writeHead(404);
    response.end('nothing here');
  }
});
server.on('connection', () => seen.connections++);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

process.stdin.on('end', () => {
  console.log(JSON.stringify(seen));
  process.exit(0);
});
process.stdin.resume();
