// oven-sh/bun 32807: the first check phase comes before the last of the jobs that reading a file takes.
'use strict';
const seen = [];
setImmediate(() => seen.push('immediate'));
require('fs').promises.readFile(__filename).then(() => seen.push('file'));
process.on('exit', () => console.log(seen));
