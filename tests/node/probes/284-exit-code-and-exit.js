// process.exit(code) sets process.exitCode, and process.exit() uses it.
process.on('exit', (code) => { console.log('first exit', code, process.exitCode); process.exitCode = 5; });
process.on('exit', (code) => console.log('second exit', code, process.exitCode));
process.exitCode = 7;
setImmediate(() => process.exit(3));
