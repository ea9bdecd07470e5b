// A table of words and numbers: texts, paths, sorting, Intl-free formatting.
'use strict';
const path = require('path');
const { promisify, callbackify, inherits, isDeepStrictEqual, types, TextEncoder, TextDecoder } = require('util');

const lines = `2024-01-03,tea,3.50
2024-01-01,coffee,12.25
2024-01-02,tea,7
2024-01-05,milk,0.99`.split('\n').map((line) => line.split(','));

const totals = new Map();
for (const [, what, price] of lines) totals.set(what, (totals.get(what) ?? 0) + Number(price));
const sorted = [...totals].sort(([, a], [, b]) => b - a);
for (const [what, sum] of sorted) console.log(`${what.padEnd(10, '.')}${sum.toFixed(2).padStart(8)}`);
console.log(lines.map(([day]) => day).sort().at(-1));
console.log(Object.fromEntries(sorted), structuredClone({ when: new Date(0), list: new Set([1]), nested: { map: totals } }));

for (const name of ['/a/b/../c/./d.tar.gz', 'relative/x', '', '/', 'a//b/', '.hidden', '../up/file.']) {
  console.log(JSON.stringify(name), path.normalize(name), path.dirname(name), path.basename(name), path.extname(name), path.parse(name));
}
console.log(path.join('/a', '..', 'b', './c'), path.relative('/a/b/c', '/a/d'), path.resolve('/x', 'y', '../z'), path.isAbsolute('x'));
console.log(path.basename('/x/y.html', '.html'), path.format({ dir: '/d', name: 'n', ext: '.e' }), path.sep);

const later = (value, callback) => setTimeout(() => (value < 0 ? callback(new Error('negative')) : callback(null, value * 2)), 1);
promisify(later)(4).then((value) => {
  console.log('promisified', value);
  return promisify(later)(-1);
}).catch((error) => {
  console.log('rejected', error.message);
  callbackify(async (a) => a + 1)(1, (problem, result) => console.log('callbackified', problem, result));
});

function Old() {}
function Older() {}
inherits(Old, Older);
console.log(new Old() instanceof Older, isDeepStrictEqual({ a: [1, new Map([[1, 2]])] }, { a: [1, new Map([[1, 2]])] }), isDeepStrictEqual([1], ['1']));
console.log(types.isPromise(Promise.resolve()), types.isRegExp(/x/), types.isDate({}), types.isAsyncFunction(async () => {}));
const bytes = new TextEncoder().encode('grüße €');
console.log(bytes, new TextDecoder().decode(bytes));
console.log(Buffer.concat([Buffer.from('a'), Buffer.from('62', 'hex'), Buffer.from('Yw==', 'base64')]).toString(), Buffer.from('hé').toString('base64'),
  Buffer.byteLength('hé'), Buffer.from([1, 2, 3]).equals(Buffer.from([1, 2, 3])), JSON.stringify(Buffer.from('x')), btoa('hi'), atob('aGk='));
