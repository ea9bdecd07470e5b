// boa-dev/boa 4706: of several timers that are due at the same instant, each runs, in the order in which they were armed.
'use strict';
const seen = [];
for (const name of ['first', 'second', 'third']) setTimeout(() => seen.push(name), 0);
setTimeout(() => seen.push('of another list'), 1);
setTimeout(() => console.log(seen), 10);
