// The text that Node prints for the error that ends the process.
'use strict';

const { inspect } = require('internal/inspect');

// The line of the program that an error comes from, with a mark under the column.
function excerpt(error) {
  const frame = /\(?((?:\/|[A-Za-z]:|\[(?:eval|stdin)\])[^():\n]*):(\d+):(\d+)\)?/.exec(String(error?.stack ?? ''));
  if (frame === null) return '';
  const [, file, line, column] = frame;
  const text = internals.sourceLine(file, Number(line));
  if (text === undefined) return '';
  return `${file}:${line}\n${text}\n${' '.repeat(Math.max(0, Number(column) - 1))}^\n\n`;
}

function report(error) {
  if (error === null || (typeof error !== 'object' && typeof error !== 'function')) {
    const text = typeof error === 'string' ? error : inspect(error);
    return `${thrown()}${text}\n(Use \`node --trace-uncaught ...\` to show where the exception was thrown)`;
  }
  if (!native.isError(error)) return `${thrown()}${inspect(error)}`;
  return `${excerpt(error)}${inspect(error, { isFatalOfHost: isOfHost(error) })}`;
}

// Whether frames are missing because they are those of the host, which stacks do not show. Node has its own frames there,
// and prints no brackets.
function isOfHost(error) {
  return Error.stackTraceLimit > 0 && (!Object.hasOwn(error, 'stack') || error.name === 'UnhandledPromiseRejection');
}

const thrown = () => 'Uncaught:\n';

module.exports = { report };
