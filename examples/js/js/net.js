// `net`: what it says of addresses, and its settings. The host has no sockets.
'use strict';

const { validateBoolean, validateNumber } = require('internal/errors');

const isIPv4 = (text) => /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(`${text}`);

function isIPv6(text) {
  const [address, zone] = `${text}`.split('%', 2);
  if (zone === '') return false;
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const all = groups.flat();
  const hasIPv4 = all.length > 0 && isIPv4(all.at(-1)) && groups.at(-1).length > 0;
  const words = hasIPv4 ? all.slice(0, -1) : all;
  if (!words.every((word) => /^[\da-f]{1,4}$/i.test(word))) return false;
  const count = words.length + (hasIPv4 ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
}

let selectsFamily = true;
let attemptTimeout = native.release > 22 ? 500 : 250;

module.exports = {
  isIP: (text) => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0), // eslint-disable-line no-nested-ternary
  isIPv4,
  isIPv6,
  getDefaultAutoSelectFamily: () => selectsFamily,
  setDefaultAutoSelectFamily(value) {
    validateBoolean(value, 'value');
    selectsFamily = value;
  },
  getDefaultAutoSelectFamilyAttemptTimeout: () => attemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout(value) {
    validateNumber(value, 'value');
    attemptTimeout = Math.max(value, 10);
  },
};
