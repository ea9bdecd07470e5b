// node server.mjs [KEY.pem CERTIFICATE.pem]: an HTTP or HTTPS server. Prints its port. Answers with the
// number of connections that it has accepted, and after the path `/all` only when three requests wait.
import http from 'node:http';
import https from 'node:https';
import { readFileSync } from 'node:fs';

const [key, cert] = process.argv.slice(2).map((file) => readFileSync(file));
let connections = 0;
const waiting = [];
const answer = async (request, response) => {
  let length = 0;
  for await (const chunk of request) length += chunk.length;
  const end = () => response.end(`${request.method} ${request.url} ${length} ${connections}`);
  if (request.url !== '/all') return end();
  waiting.push(end);
  if (waiting.length === 3) for (const end of waiting.splice(0)) end();
};
const server = key ? https.createServer({ key, cert }, answer) : http.createServer(answer);
server.on(key ? 'secureConnection' : 'connection', () => connections++);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();
