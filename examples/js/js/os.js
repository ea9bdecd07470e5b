// `os`: as much of it as scripts ask for.
'use strict';

// A figure of the system in bytes, where it tells.
function memory(name) {
  try {
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(native.sync('readText', '/proc/meminfo'))[1]) * 1024;
  } catch {
    return 0;
  }
}

module.exports = {
  EOL: '\n',
  arch: () => native.arch,
  availableParallelism: () => 1,
  cpus: () => [],
  homedir: () => native.env.HOME ?? '/',
  hostname: () => native.env.HOSTNAME ?? 'localhost',
  platform: () => native.platform,
  tmpdir: () => (native.env.TMPDIR ?? '/tmp').replace(/(.)\/$/, '$1'),
  totalmem: () => memory('MemTotal'),
  freemem: () => memory('MemAvailable'),
  type: () => (native.platform === 'darwin' ? 'Darwin' : 'Linux'),
  constants: { signals: {}, errno: {} },
};
