// Ends with 13: nothing keeps the loop alive, and the module is not done.
process.on('exit', (code) => console.log('exit', code));
setTimeout(() => console.log('timer'), 1);
await new Promise(() => {});
console.log('never');
