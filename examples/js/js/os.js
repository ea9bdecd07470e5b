// `os`: as much of it as scripts ask for.
'use strict';

module.exports = {
  EOL: '\n',
  arch: () => native.arch,
  availableParallelism: () => 1,
  cpus: () => [],
  homedir: () => native.env.HOME ?? '/',
  hostname: () => native.env.HOSTNAME ?? 'localhost',
  platform: () => native.platform,
  tmpdir: () => (native.env.TMPDIR ?? '/tmp').replace(/(.)\/$/, '$1'),
  type: () => 'Linux',
  constants: { signals: {}, errno: {} },
};
