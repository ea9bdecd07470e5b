// What console.log prints of all kinds of values.
'use strict';
const util = require('util');

class Point {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
  get length() {
    return Math.hypot(this.x, this.y);
  }
}
class Named extends Point {
  get [Symbol.toStringTag]() {
    return 'Tagged';
  }
}
const circular = { name: 'loop', list: [] };
circular.self = circular;
circular.list.push(circular, { circular });

const values = [
  undefined, null, true, 0, -0, 1.5, NaN, 10n, 'text', "it's", `both ' and "`, 'line\nbreak', Symbol('s'), Symbol.iterator,
  [], {}, [1, 2, 3], [[], [[]], [[[[]]]]], { a: 1, 'b-c': 2, 3: 4, [Symbol('k')]: 5 }, { deep: { er: { and: { deeper: 1 } } } },
  [undefined, null, , 3], new Array(5), new Point(3, 4), new Named(1, 2), Object.create(null), Object.create({ inherited: 1 }),
  new Map([['key', { value: 1 }], [{ a: 1 }, 'b']]), new Set([1, 'two', [3]]), new Map(), new Set(), new WeakMap(), new WeakSet(),
  new Date(0), new Date(NaN), /pattern/gi, function named() {}, () => {}, async () => {}, function* gen() {}, class A {}, class B extends Point {},
  Object.assign(() => {}, { property: 1 }), Promise.resolve(4), new Promise(() => {}), new Uint8Array([1, 2, 3]), new Float64Array(2),
  new ArrayBuffer(4), Buffer.from('hello'), new Number(3), new String('boxed'), new Boolean(false), Object(Symbol('b')), Object(1n),
  circular, { get only() { return 1; }, set only2(value) {}, get both() { return 1; }, set both(value) {} },
  Array.from({ length: 120 }, (_, at) => at), Array.from({ length: 30 }, (_, at) => `item ${at}`), 'x'.repeat(200),
  { long: 'a fairly long text that goes on', second: 'another one of those texts', third: [1, 2, 3, 4], fourth: { a: 1, b: 2 } },
  { text: `first line ${'y'.repeat(60)}\nsecond line ${'z'.repeat(20)}` }, JSON, Math, globalThis === global,
  new (class extends Map {})([[1, 2]]), new (class Stack extends Array {})(1, 2, 3), Object.freeze([1]), new Proxy({ a: 1 }, {}).a,
  [1.5, 22.25, 333.125, 4, 5, 6, 7], [true, false, null, undefined, 1, 'a', 2n], { f() {}, g: () => {}, h: class {} },
];
for (const value of values) console.log(value);
console.log([new Error('hidden').message, new TypeError('bad').name]);
console.log('%s is %d years and %i, %f, %j, %o, %O, %c, %%', 'Ann', 42.5, 42.5, '1.5', { a: 1 }, [1], { b: { c: {} } }, 'css', 'rest', { x: 1 });
console.log('%s %s %s %s', null, undefined, Symbol('q'), 5n, 'more');
console.log('%s', new Point(1, 2), [1, [2, [3]]], { toString() { return 'own'; } });
console.log(util.inspect({ a: { b: { c: { d: 1 } } } }, { depth: 0 }), util.inspect({ a: { b: { c: { d: 1 } } } }, { depth: null }));
console.log(util.inspect('text'), util.inspect(new Map([[1, { a: [1, 2, { b: 3 }] }]]), { compact: false }));
console.log(util.inspect({ b: 2, a: 1 }, { sorted: true }), util.inspect([1, 2, 3, 4], { maxArrayLength: 2 }));
console.log({ [util.inspect.custom]() { return 'custom text'; } }, { a: { [util.inspect.custom]: () => ({ inner: 1 }) } });
console.table([{ name: 'a', count: 1 }, { name: 'b', count: 22 }]);
console.table([[1, 2], [3, 4]]);
console.group('group');
console.log('inside\ntwo lines');
console.group();
console.info('deeper');
console.groupEnd();
console.groupEnd();
console.count();
console.count('named');
console.count();
console.dir({ a: { b: { c: {} } } }, { depth: 0 });
console.assert(true, 'not printed');
