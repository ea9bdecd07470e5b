// `perf_hooks`: the clock and marks.
'use strict';

const origin = native.hrtime();
const entries = [];

class Performance extends require('internal/event_target').EventTarget {
  get timeOrigin() {
    return Date.now() - (native.hrtime() - origin) / 1e6;
  }

  now() {
    return (native.hrtime() - origin) / 1e6;
  }

  mark(name, { startTime = this.now(), detail = null } = {}) {
    const entry = { name: `${name}`, entryType: 'mark', startTime, duration: 0, detail };
    entries.push(entry);
    return entry;
  }

  measure(name, start, end) {
    const timeOf = (mark, otherwise) => (mark === undefined ? otherwise
      : entries.findLast((entry) => entry.entryType === 'mark' && entry.name === mark).startTime);
    const startTime = timeOf(start, 0);
    const entry = { name: `${name}`, entryType: 'measure', startTime, duration: timeOf(end, this.now()) - startTime, detail: null };
    entries.push(entry);
    return entry;
  }

  getEntries() {
    return [...entries];
  }

  getEntriesByName(name) {
    return entries.filter((entry) => entry.name === name);
  }

  getEntriesByType(type) {
    return entries.filter((entry) => entry.entryType === type);
  }

  clearMarks() {
    entries.length = 0;
  }

  toJSON() {
    return { timeOrigin: this.timeOrigin };
  }
}

module.exports = { performance: new Performance() };
