// R64: every signal that is raised is delivered. Listening alone keeps nothing alive.
let count = 0;
process.on('SIGUSR2', () => { count += 1; });
for (let i = 0; i < 1000; i += 1) process.kill(process.pid, 'SIGUSR2');
setImmediate(() => console.log(count));
process.on('exit', () => console.log('exit'));
