// R65, R6: a child keeps the loop alive unless it is unref'd.
const { spawn } = require('child_process');
const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
child.unref();
child.on('exit', () => console.log('never'));
process.on('beforeExit', () => console.log('before exit'));
process.on('exit', () => child.kill());
