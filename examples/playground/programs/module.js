// A module with top-level await
import { setTimeout as sleep } from 'node:timers/promises';

process.nextTick(() => console.log('tick'));
Promise.resolve().then(() => console.log('microtask, before the tick in a module'));
console.log('the module begins');

await sleep(20);
console.log('after a top-level await');
setImmediate(() => console.log('immediate'));
