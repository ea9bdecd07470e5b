// R65: `close` waits for the end of the pipe, which a grandchild holds open.
const { spawn } = require('child_process');
const script = 'exec 3>&1; (read line; echo late) <&0 & exit 0';
const child = spawn('bash', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
child.on('exit', () => {
  console.log('exit');
  child.stdin.write('go on\n');
});
child.stdout.on('data', (data) => console.log(String(data).trim()));
child.stdout.on('end', () => console.log('end'));
child.on('close', () => console.log('close'));
