// Two operations at once, their callbacks in turn
// A disk that needs some time for each operation. The playground itself has no files.
const disk = new Map([['input.txt', 'hello from the disk']]);
const readFile = (name, callback) => setTimeout(() => callback(null, disk.get(name)), 80);
const writeFile = (name, text, callback) => setTimeout(() => {
  disk.set(name, text);
  callback(null);
}, 50);

readFile('input.txt', (error, text) => console.log(`read: ${text}`));
writeFile('output.txt', 'hello to the disk', (error) => console.log('written'));
console.log('both have been started');

process.on('exit', () => console.log(`on the disk: ${[...disk.keys()].join(', ')}`));
