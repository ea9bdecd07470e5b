// Operations that succeed, fail, and are aborted
const { setTimeout: sleep } = require('node:timers/promises');

async function sort(lines) {
  await sleep(10);
  return lines.sort();
}

async function fail() {
  await sleep(10);
  throw Object.assign(new Error('command failed'), { code: 3 });
}

async function main() {
  console.log('sorted:', (await sort(['pear', 'apple', 'fig'])).join(', '));
  await fail().catch((error) => console.log(`${error.message}: code ${error.code}`));

  const kill = new AbortController();
  const running = sleep(1000, undefined, { signal: kill.signal });
  kill.abort();
  await running.catch((error) => console.log('sleep:', error.name, error.code));
}
main();
