// The order of events in one conversation, logged by the side that the argument names:
//
//     node net_order.mjs server [<path>]          prints its port or path, then its log
//     node net_order.mjs client <port or path>    prints its log
//
// `@name` as the path is the abstract name `name`: an argument cannot contain a NUL byte.
//
// The code is written with `await`, as its Rust counterpart (tests/net/node_peer.rs): the code after
// an `await` runs in a promise job of the macrotask of that event.

import net from 'node:net';

const log = [];

/// What was queued at this moment, and the end of its check phase.
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

function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, resolve));
}

async function client(where) {
  const port = Number(where);
  const address = Number.isNaN(port) ? { path: where } : { port, host: '127.0.0.1' };
  const socket = net.connect({ ...address, allowHalfOpen: true });
  await next(socket, 'connect');
  await around('connect');
  socket.write('hi');
  log.push(`data ${await next(socket, 'data')}`);
  await around('data');
  const [bye, end, close] = ['data', 'end', 'close'].map((event) => next(socket, event));
  socket.end();
  log.push(`data ${await bye}`);
  await end;
  around('end');
  await close;
  log.push('close');
}

async function server(path) {
  const listener = net.createServer({ allowHalfOpen: true });
  if (path) listener.listen(path);
  else listener.listen(0, '127.0.0.1');
  await next(listener, 'listening');
  console.log(path ?? listener.address().port);
  const socket = await next(listener, 'connection');
  listener.close();
  const [hi, end, close] = ['data', 'end', 'close'].map((event) => next(socket, event));
  await around('connection');
  log.push(`data ${await hi}`);
  await around('data');
  socket.write('hello');
  await end;
  await around('end');
  socket.end('bye');
  await close;
  log.push('close');
}

const [role, argument] = process.argv.slice(2);
const where = argument?.replace(/^@/, '\0');
await (role === 'server' ? server(where) : client(where));
for (const line of log) console.log(line);
