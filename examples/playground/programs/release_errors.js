// Node 26 differs: what follows a tick that throws
// Change the release above. A tick that throws stops the drain. Before Node 26, the check phase begins with
// what is left in the queues; in Node 26 the first immediate comes before it.
process.on('uncaughtException', (error) => console.log('uncaught', error));
for (const x of [1, 2, 3]) setImmediate(() => console.log(`immediate ${x}`));
for (const x of [1, 2, 3]) process.nextTick(() => { throw `tick ${x}`; });
process.nextTick(() => console.log('tick 4'));
queueMicrotask(() => console.log('microtask'));
