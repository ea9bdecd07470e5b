// R65, R64: the end of a child comes before the listeners of SIGCHLD.
const { spawn } = require('child_process');
process.on('SIGCHLD', () => console.log('SIGCHLD'));
const child = spawn('true', { stdio: 'ignore' });
child.on('exit', () => console.log('exit'));
