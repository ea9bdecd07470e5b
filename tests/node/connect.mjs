// What net.connect tries: node connect.mjs <address>…
//
// The addresses are what a name stands for; an address that ends in `@<port>` is one of them with
// the port of its own (all have to agree). Prints one line for each attempt and for the outcome.

import net from 'node:net';

const [port, timeout, ...addresses] = process.argv.slice(2);
const found = addresses.map((address) => ({ address, family: net.isIP(address) }));

function lookup(host, options, callback) {
  process.nextTick(() => {
    if (options.all) callback(null, found);
    else callback(null, found[0].address, found[0].family);
  });
}

const socket = net.connect({
  host: 'many.invalid',
  port: Number(port),
  autoSelectFamily: timeout !== 'off',
  autoSelectFamilyAttemptTimeout: timeout === 'off' ? undefined : Number(timeout),
  lookup,
});
socket.on('connect', () => {
  console.log(`connected to ${socket.remoteAddress}`);
  socket.destroy();
});
socket.on('error', (error) => {
  for (const one of error.errors ?? [error]) console.log(one.message);
  console.log(`code ${error.code}`);
});
