// A directory tree made, read, changed and removed, with all three forms of fs.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'nodeloop-js-'));
const inRoot = (...parts) => path.join(root, ...parts);
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));

fs.mkdirSync(inRoot('a', 'b'), { recursive: true });
fs.writeFileSync(inRoot('a', 'one.txt'), 'one\n');
fs.appendFileSync(inRoot('a', 'one.txt'), 'more\n');
fs.writeFileSync(inRoot('a', 'b', 'two.json'), JSON.stringify({ two: [1, 2] }));
console.log(fs.readFileSync(inRoot('a', 'one.txt'), 'utf8'), fs.existsSync(inRoot('c')));
console.log(fs.readFileSync(inRoot('a', 'one.txt')));
console.log(require(inRoot('a', 'b', 'two.json')));

function show(error) {
  console.log(error.code, error.syscall, error.message.replaceAll(root, '<root>'));
}
for (const attempt of [() => fs.readFileSync(inRoot('none')), () => fs.mkdirSync(inRoot('a')),
  () => fs.rmdirSync(inRoot('a')), () => fs.readdirSync(inRoot('a', 'one.txt')), () => fs.renameSync(inRoot('x'), inRoot('y'))]) {
  try {
    attempt();
  } catch (error) {
    show(error);
  }
}

fs.readFile(inRoot('a', 'one.txt'), 'utf8', (error, text) => {
  console.log('callback', error, text.length);
  fs.stat(inRoot('a'), (problem, stats) => {
    console.log('directory', stats.isDirectory(), stats.isFile());
    main().then(() => console.log('done'));
  });
});

async function main() {
  const { mkdir, readdir, readFile, rename, rm, stat, writeFile, copyFile, open } = fs.promises;
  await mkdir(inRoot('c'));
  await copyFile(inRoot('a', 'one.txt'), inRoot('c', 'copy.txt'));
  await rename(inRoot('c', 'copy.txt'), inRoot('c', 'moved.txt'));
  await writeFile(inRoot('c', 'bytes'), Buffer.from([104, 105, 0, 255]));
  console.log(await readFile(inRoot('c', 'bytes')), await readFile(inRoot('c', 'bytes'), 'hex'));
  console.log((await readdir(inRoot('c'))).sort());
  const entries = await readdir(root, { withFileTypes: true });
  console.log(entries.map((entry) => [entry.name, entry.isDirectory()]).sort());
  console.log((await stat(inRoot('c', 'moved.txt'))).size);
  const file = await open(inRoot('log'), 'w');
  await file.write('line 1\n');
  await file.write('line 2\n');
  await file.close();
  console.log((await readFile(inRoot('log'), 'utf8')).split('\n'));
  await readFile(inRoot('none')).catch(show);
  await rm(inRoot('c'), { recursive: true });
  console.log(await readdir(root));
}
