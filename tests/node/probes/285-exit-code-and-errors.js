// An uncaught error ends the process with code 1, whatever process.exitCode was.
process.on('exit', (code) => console.log('exit', code, process.exitCode));
process.exitCode = 7;
setImmediate(() => { throw new Error('no'); });
