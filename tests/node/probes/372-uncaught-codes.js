// How a process ends after an error: without a listener with code 1, after a listener that throws with
// code 7 and without 'exit'. A listener of 'exit' may set another code, even 0, or end the process at once.
const { spawnSync } = require('child_process');
const log = 'const log = (...words) => console.log(...words);';
const fail = "setTimeout(() => { throw new Error('no'); }, 1);";
const run = (name, program) => {
  const { status, stdout } = spawnSync(process.execPath, ['-e', log + program + fail]);
  console.log(name, status, JSON.stringify(String(stdout).trim().split('\n').join(', ')));
};
run('no listener', "process.on('exit', (c) => log('exit', c));");
run('listener throws', "process.on('exit', (c) => log('exit', c)); process.on('uncaughtException', () => { log('uncaught'); throw new Error('again'); });");
run('code 0', "process.on('exit', (c) => { log('exit', c); process.exitCode = 0; });");
run('exit in exit', "process.on('exit', (c) => { log('first', c); process.exit(4); log('never'); }); process.on('exit', () => log('second'));");
