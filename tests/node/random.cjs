// A small deterministic source of random numbers, the same on every machine.
//
// Programs are named by the seed they were made from, so the numbers must never
// depend on anything but that seed: Math.random() is not used anywhere here.
'use strict';

class Random {
  // `seed` is a non-negative integer up to Number.MAX_SAFE_INTEGER. All of its
  // bits count; they are spread over the state by a splitmix step each.
  constructor(seed) {
    let state = (seed % 0x100000000) ^ Math.imul(Math.floor(seed / 0x100000000), 0x9e3779b1);
    const spread = () => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.a = spread();
    this.b = spread();
    this.c = spread();
    this.counter = 1;
    for (let turn = 0; turn < 12; turn += 1) this.bits();
  }

  // 32 random bits (the generator known as sfc32).
  bits() {
    const result = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + result | 0;
    return result >>> 0;
  }

  // A real number, 0 <= x < 1.
  fraction() {
    return this.bits() / 0x100000000;
  }

  // An integer, 0 <= x < limit.
  below(limit) {
    return Math.floor(this.fraction() * limit);
  }

  // An integer, low <= x <= high.
  between(low, high) {
    return low + this.below(high - low + 1);
  }

  // True with the given probability.
  chance(probability) {
    return this.fraction() < probability;
  }

  // One of the elements of a list that is not empty.
  pick(list) {
    return list[this.below(list.length)];
  }

  // One of the keys of `weights`, each in proportion to its weight.
  weighted(weights) {
    const entries = Object.entries(weights);
    let rest = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      rest -= weight;
      if (rest < 0) return key;
    }
    return entries[entries.length - 1][0];
  }
}

module.exports = { Random };
