// A small test runner on assert.
'use strict';
const assert = require('assert');

const tests = [];
const test = (name, body) => tests.push({ name, body });

test('equal', () => assert.equal(1, '1'));
test('strictEqual', () => assert.strictEqual(1, 2));
test('strictEqual of texts', () => assert.strictEqual('a', 'b'));
test('deepStrictEqual', () => assert.deepStrictEqual({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }));
test('deepStrictEqual of classes', () => assert.throws(() => assert.deepStrictEqual(new (class A {})(), {}), assert.AssertionError));
test('deepEqual', () => assert.deepEqual([1, '2'], ['1', 2]));
test('notDeepStrictEqual', () => assert.notDeepStrictEqual([1], ['1']));
test('ok', () => assert(true));
test('a message', () => assert.ok(false, 'told why'));
test('throws', () => assert.throws(() => { throw new TypeError('wrong'); }, { name: 'TypeError', message: /wrong/ }));
test('throws nothing', () => assert.throws(() => {}));
test('doesNotThrow', () => assert.doesNotThrow(() => 1));
test('match', () => assert.match('abc', /b/));
test('rejects', () => assert.rejects(Promise.reject(new Error('x')), /x/));
test('rejects not', () => assert.rejects(Promise.resolve(1)));
test('fail', () => assert.fail('on purpose'));
test('ifError', () => assert.ifError(null));
test('sets', () => assert.deepStrictEqual(new Set([1, { a: 1 }]), new Set([1, { a: 1 }])));
test('NaN', () => assert.deepStrictEqual([NaN, -0], [NaN, -0]));
test('zero', () => assert.throws(() => assert.strictEqual(0, -0)));
test('strict', () => assert.strict.equal(1, 1));

(async () => {
  let failed = 0;
  for (const { name, body } of tests) {
    try {
      await body();
      console.log(`ok - ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`not ok - ${name}: ${error.name} ${error.code} ${JSON.stringify(error.message)}`);
    }
  }
  console.log(`${tests.length - failed} of ${tests.length} passed`);
  process.exitCode = failed > 0 ? 1 : 0;
})();
