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

// The addresses of IPv6 as the kernel lists them, and that of IPv4 which every loopback has.
function networkInterfaces() {
  const found = { lo: [{ address: '127.0.0.1', netmask: '255.0.0.0', family: 'IPv4', mac: '00:00:00:00:00:00', internal: true, cidr: '127.0.0.1/8' }] };
  let table = '';
  try {
    table = native.sync('readText', '/proc/net/if_inet6');
  } catch {
    // There is no IPv6.
  }
  for (const line of table.split('\n').filter(Boolean)) {
    const [digits, , length, scope, , name] = line.trim().split(/\s+/);
    const address = digits.replace(/(.{4})(?!$)/g, '$1:').replace(/\b0{1,3}/g, '').replace(/(^|:)0(:0)+(:|$)/, '::');
    (found[name] ??= []).push({ address, family: 'IPv6', internal: scope === '10', scopeid: 0, cidr: `${address}/${Number.parseInt(length, 16)}` });
  }
  return found;
}

module.exports = {
  EOL: '\n',
  arch: () => native.arch,
  availableParallelism: () => 1,
  cpus: () => [],
  homedir: () => native.env.HOME ?? '/',
  hostname: () => native.env.HOSTNAME ?? 'localhost',
  networkInterfaces,
  platform: () => native.platform,
  tmpdir: () => (native.env.TMPDIR ?? '/tmp').replace(/(.)\/$/, '$1'),
  totalmem: () => memory('MemTotal'),
  freemem: () => memory('MemAvailable'),
  type: () => (native.platform === 'darwin' ? 'Darwin' : 'Linux'),
  constants: { signals: {}, errno: {} },
};
