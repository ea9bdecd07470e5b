// A module with imports and top-level await: promise jobs come before ticks.
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path, { basename } from 'path';
import { fileURLToPath } from 'url';
import helper, { twice } from './lib/helper.mjs';
import common from './lib/common.cjs';

process.nextTick(() => console.log('tick'));
Promise.resolve().then(() => console.log('micro'));
queueMicrotask(() => console.log('micro 2'));
console.log(twice(21), helper.name, common.answer, typeof require, this);
console.log(basename(fileURLToPath(import.meta.url)), path.extname('x.mjs'));
const text = await readFile(fileURLToPath(import.meta.url), 'utf8');
console.log(text.split('\n')[0]);
const emitter = new EventEmitter();
setTimeout(() => emitter.emit('ready', 1), 5);
console.log(await once(emitter, 'ready'));
const { twice: again } = await import('./lib/helper.mjs');
console.log(again === twice);
setTimeout(() => console.log('after the module'), 1);
try {
  await Promise.reject(new Error('caught here'));
} catch (error) {
  console.log(error.message);
}
export const done = true;
