// process.exitCode ends nothing. Exit listeners get it, all the same one, and can change it.
process.on('exit', (code) => { console.log('first exit', code, process.exitCode); process.exitCode = 9; });
process.on('exit', (code) => console.log('second exit', code, process.exitCode));
process.exitCode = 7;
setTimeout(() => console.log('timer'), 1);
