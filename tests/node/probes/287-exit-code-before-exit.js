// beforeExit does not end the process either: a code can still be set there.
process.on('beforeExit', (code) => {
  console.log('beforeExit', code);
  if (code !== 2) { process.exitCode = 2; setImmediate(() => {}); }
});
process.on('exit', (code) => console.log('exit', code));
