// Fetches a version of Node from the npm registry and prints the path of its binary.
//
//     node fetch-node.mjs VERSION        24, 24.12.0, latest, …
//
// The binary is kept in target/nodes/VERSION, and fetched again only if it is not there.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { arch, platform } from 'node:process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const KEPT_IN = fileURLToPath(new URL('../../target/nodes', import.meta.url));

// Returns the path of the binary.
export function fetchNode(version) {
  const directory = join(KEPT_IN, version);
  const binary = join(directory, 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(KEPT_IN, { recursive: true });
  const work = mkdtempSync(join(KEPT_IN, 'fetch-'));
  try {
    const name = `node-${platform}-${arch}@${version}`;
    const packed = execFileSync('npm', ['pack', '--silent', name], { cwd: work, encoding: 'utf8' });
    execFileSync('tar', ['xzf', packed.trim(), 'package/bin/node'], { cwd: work });
    mkdirSync(directory, { recursive: true });
    renameSync(join(work, 'package/bin/node'), binary);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return binary;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const version = process.argv[2];
  if (version === undefined) {
    console.error('a version is missing: node fetch-node.mjs 24');
    process.exit(2);
  }
  console.log(fetchNode(version));
}
