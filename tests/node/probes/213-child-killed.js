// R65: the exit of a killed child reports the signal; after its exit it can't be killed.
const { spawn } = require('child_process');
const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
child.on('exit', (code, signal) => {
  console.log('exit', code, signal);
  console.log('killed again', child.kill());
});
console.log('killed', child.kill());
