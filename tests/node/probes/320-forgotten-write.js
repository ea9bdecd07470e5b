// R14, R18: an operation whose promise is not awaited ends the run when it fails.
process.on('exit', (code) => console.log('exit', code));
setTimeout(() => console.log('never'), 3000);
require('fs').promises.writeFile('/missing/directory/file', 'text');
console.log('main');
