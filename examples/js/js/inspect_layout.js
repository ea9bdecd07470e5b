// Puts the entries of an object on one line or several, as Node does with `compact: 3`.
'use strict';

// The columns of a list never get wider than this.
const MOST_COLUMNS = 15;

function reduce({ context, output, base, open, close, depth, value, isArray }) {
  if (output.length === 0) return base === '' ? `${open}${close}` : base;
  const head = base === '' ? '' : `${base} `;
  if (context.compact === true || typeof context.compact !== 'number') {
    const indentation = `\n${' '.repeat(context.indentation)}`;
    return context.compact === true ? `${head}${open} ${output.join(', ')} ${close}`
      : `${head}${open}${indentation}  ${output.join(`,${indentation}  `)}${indentation}${close}`;
  }
  const entries = output.length;
  if (isArray && entries > 6) output = columns(context, output, value);
  if (context.level - depth < context.compact && entries === output.length) {
    const start = output.length + context.indentation + open.length + base.length + 10;
    const length = output.reduce((sum, text) => sum + text.length, start + output.length);
    if (length <= context.breakLength && (base === '' || !base.includes('\n'))) {
      const line = output.join(', ');
      if (!line.includes('\n')) return `${head}${open} ${line} ${close}`;
    }
  }
  const indentation = `\n${' '.repeat(context.indentation)}`;
  return `${head}${open}${indentation}  ${output.join(`,${indentation}  `)}${indentation}${close}`;
}

// Groups the entries of a long list into rows of equal columns.
function columns(context, output, value) {
  const hasMore = context.maxArrayLength < output.length;
  const count = hasMore ? output.length - 1 : output.length;
  const gap = 2; // a comma and a space
  const lengths = [];
  let total = 0;
  let widest = 0;
  for (const text of output.slice(0, count)) {
    lengths.push(text.length);
    total += text.length + gap;
    widest = Math.max(widest, text.length);
  }
  const width = widest + gap;
  if (!(width * 3 + context.indentation < context.breakLength) ||
      !(total / width > 5 || widest <= 6)) return output;
  const bias = Math.sqrt(width - total / output.length);
  const biased = Math.max(width - 3 - bias, 1);
  const number = Math.min(
    Math.round(Math.sqrt(2.5 * biased * count) / biased),
    Math.floor((context.breakLength - context.indentation) / width),
    context.compact * 4,
    MOST_COLUMNS,
  );
  if (number <= 1) return output;
  const widths = [];
  for (let column = 0; column < number; column += 1) {
    let most = 0;
    for (let at = column; at < count; at += number) most = Math.max(most, lengths[at]);
    widths.push(most + gap);
  }
  const isNumeric = value !== undefined && Array.prototype.every.call(
    Array.prototype.slice.call(value, 0, count), (item) => typeof item === 'number' || typeof item === 'bigint');
  const rows = [];
  for (let at = 0; at < count; at += number) {
    const end = Math.min(at + number, count);
    let row = '';
    for (let index = at; index < end - 1; index += 1) {
      const cell = `${output[index]}, `;
      row += isNumeric ? cell.padStart(widths[index - at]) : cell.padEnd(widths[index - at]);
    }
    const last = output[end - 1];
    row += isNumeric ? last.padStart(widths[end - 1 - at] - gap) : last;
    rows.push(row);
  }
  if (hasMore) rows.push(output[count]);
  return rows;
}

module.exports = { reduce };
