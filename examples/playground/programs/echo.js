// An echo: two clients, each with a task of its own
const { EventEmitter, once } = require('node:events');

function connection(delay) {
  const [client, server] = [new EventEmitter(), new EventEmitter()];
  client.write = (text) => setTimeout(() => server.emit('data', text), delay);
  server.write = (text) => setTimeout(() => client.emit('data', text), delay);
  return [client, server];
}

async function echo(socket) {
  for (;;) {
    const [text] = await once(socket, 'data');
    if (text === '') break;
    socket.write(text);
  }
}

async function talk(name, delay) {
  const [client, server] = connection(delay);
  const served = echo(server);
  for (const text of ['hello', 'world']) {
    client.write(text);
    const [answer] = await once(client, 'data');
    console.log(`${name} received ${answer}`);
  }
  client.write('');
  await served;
  console.log(`${name} is done`);
}

talk('slow', 200);
talk('quick', 5);
