// The errors of modules that do not exist, by `import` and `require`.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = dirname(fileURLToPath(import.meta.url));
const shown = (text) => text?.replaceAll(directory, '.');
const missing = ['./nothere.mjs', '../scripts/lib/nothere.mjs', 'nopkg', 'nopkg/sub', '@some/package/sub', '/none/at/all.js',
  'file:///none/at/all.js', 'node:nope'];
for (const name of missing) {
  try {
    await import(name);
  } catch (error) {
    console.log(Object.keys(error), error.name, error.code, shown(error.message), shown(error.url), `${error}`.split(':')[0],
      error.stack.split('\n')[0] === `${error}`.split('\n')[0]);
  }
}

const require = createRequire(import.meta.url);
for (const name of missing) {
  if (name.startsWith('file:')) continue;
  try {
    require(name);
  } catch (error) {
    console.log(Object.keys(error), error.name, error.code, shown(error.message), error.requireStack?.map(shown));
  }
}
