// oven-sh/bun 41355: immediates that an event of the poll phase queues run before a timer that is due then.
'use strict';
const fs = require('fs');
const seen = [];
fs.stat(__filename, () => {
  seen.push('stat');
  setTimeout(() => seen.push('timeout'), 1);
  setImmediate(() => seen.push('immediate'));
  for (const end = Date.now() + 5; Date.now() < end;); // the timer is due
  process.nextTick(() => {
    seen.push('tick');
    setImmediate(() => seen.push('immediate of the tick'));
  });
});
process.on('exit', () => console.log(seen));
