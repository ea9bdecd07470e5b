// R65: children that are found to have ended at once are reported in the order of their start, after
// what came through their pipes.
const { spawn } = require('child_process');
for (const name of [1, 2, 3]) {
  const script = `sleep 0.${4 - name}; exit ${name}`; // the last one ends first
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout.on('data', () => {}).on('end', () => console.log('an end'));
  child.on('exit', (code) => {
    console.log('exit', code);
    process.nextTick(() => console.log('tick', code));
  });
}
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900); // all have ended by now
