// An unhandled rejection does the same, and an exit listener can set another code.
process.on('exit', (code) => { console.log('first exit', code, process.exitCode); process.exitCode = 4; });
process.on('exit', (code) => console.log('second exit', code, process.exitCode));
process.exitCode = 7;
Promise.reject(new Error('no'));
