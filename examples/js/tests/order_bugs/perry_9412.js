// PerryTS/perry 9412: ticks come before promise jobs, also after a built-in module was required.
'use strict';
require('path');
require('node:util');
const seen = [];
process.nextTick(() => seen.push('tick'));
Promise.resolve().then(() => seen.push('then'));
(async () => {
  await null;
  seen.push('await');
})();
setTimeout(() => console.log(seen), 10);
