// Files whose `fs.stat` takes some milliseconds, to make pool jobs slow.
//
// Each is reached by a chain of symbolic links with long detours, so it is the job
// itself that takes time on its thread of the pool. Occupying the threads by other
// jobs instead would bring completions of these into the loop, and every completion
// is a callback with a drain: the program would not be the same any more.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Linux follows at most 40 links in one path, and a link holds at most 4095 bytes.
const CHAIN_LENGTHS = [4, 12, 24, 39];
const LONGEST_LINK = 4095;
const DETOUR = 'detour/../';

// Makes the files in the existing directory `directory` and returns their paths,
// which have no commas in them if that of the directory has none.
export function makeSlowFiles(directory) {
  mkdirSync(join(directory, 'detour'));
  writeFileSync(join(directory, 'link-0'), '');
  const longest = Math.max(...CHAIN_LENGTHS);
  for (let link = 1; link <= longest; link += 1) {
    const end = `link-${link - 1}`;
    const detours = Math.floor((LONGEST_LINK - end.length) / DETOUR.length);
    symlinkSync(DETOUR.repeat(detours) + end, join(directory, `link-${link}`));
  }
  return CHAIN_LENGTHS.map((length) => join(directory, `link-${length}`));
}
