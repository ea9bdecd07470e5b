// PerryTS/perry 3738: a timeout of 0 ms and an immediate of the main script. A millisecond has passed when
// the loop starts, so the timeout is due and comes first. The program of the issue is a module; Node 20
// evaluates one in a poll phase, where the immediate comes first.
'use strict';
const seen = [];
setImmediate(() => seen.push('immediate'));
setTimeout(() => seen.push('timeout'), 0);
const armed = performance.now(); // after the timeout, which may have been armed long after the first line
while (performance.now() < armed + 3);
(async () => {
  await new Promise((resolve) => setTimeout(() => setImmediate(resolve), 20));
  console.log(seen.join());
})();
