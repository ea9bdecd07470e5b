// What the programs of each family are made of: plain tables, no code.
//
// `timed` families use the clock, the pool or the phases of the loop; the others
// end within the drain of the main script. `sizes` are ranges for the number of
// statements, one of which is chosen per program. `statements`, `steps` and
// `motifs` are weights: how often maker.cjs picks what. `motifShare` is the share
// of motifs among the additions.
'use strict';

const SIZES = [[5, 15], [15, 35], [30, 60], [50, 100]];

const PROMISES = {
  defer: 2, resolve: 2, reject: 1, adopt: 2, resolved: 2, rejected: 0.7, then: 6, finally: 1.5,
  all: 0.6, allSettled: 0.6, race: 0.6, any: 0.6, async: 2,
};
const TIMERS = {
  timeout: 6, interval: 1, clearTimeout: 2, clearInterval: 0.5, refresh: 2, ref: 0.5, unref: 1,
};
const IMMEDIATES = { immediate: 6, clearImmediate: 2, refImmediate: 0.5, unrefImmediate: 1 };
const DRAINED = { log: 1, tick: 4, micro: 4 };

const STEPS = { await: 4, awaitValue: 3, try: 1.5, statement: 4 };
const TIMED_STEPS = { ...STEPS, sleep: 1.5, yieldImmediate: 1.5 };

const PROMISE_MOTIFS = {
  ruler: 3, adoptionChain: 1, lateHandler: 1, combinatorMix: 1, returnedPromise: 1, cycle: 0.5,
};
const TIMER_MOTIFS = {
  sameList: 2, overdueLists: 3, staleExpiry: 2, emptyList: 2, slowInterval: 1,
  refreshFired: 2, intervalCompany: 1.5, selfRefresh: 1, latePhase: 1.5, shortTimers: 1,
  pickedTimer: 1.5, ridingAlong: 0.5,
};
const IMMEDIATE_MOTIFS = { snapshot: 3, ridingAlong: 1.5, immediateFromTimer: 1 };
const POOL_MOTIFS = { jobs: 3, jobAndImmediate: 1, jobDuringTimer: 1 };
const ERROR_MOTIFS = {
  throwingTimers: 3, throwingImmediates: 2, throwingJobs: 1.5, throwingDrain: 2,
  throwingTicks: 2, rejectionRound: 2, throwingInterval: 1, throwingWithoutList: 1.5,
};

const FAMILIES = {
  micro: {
    timed: false,
    sizes: SIZES,
    statements: { ...PROMISES, log: 1.5, tick: 7, micro: 7, throw: 0.2 },
    steps: STEPS,
    motifShare: 0.25,
    motifs: PROMISE_MOTIFS,
  },
  promise: {
    timed: false,
    sizes: SIZES,
    statements: {
      ...PROMISES, log: 0.3, tick: 0.6, micro: 1,
      all: 1.5, allSettled: 1.5, race: 1.5, any: 1.5, rejected: 1.5, finally: 2.5,
    },
    steps: STEPS,
    motifShare: 0.3,
    motifs: PROMISE_MOTIFS,
  },
  async: {
    timed: true,
    sizes: SIZES,
    statements: {
      ...DRAINED, ...PROMISES, async: 8, then: 3, timeout: 1, immediate: 1, spin: 0.5,
      clearTimeout: 0.2, clearImmediate: 0.2,
    },
    steps: TIMED_STEPS,
    motifShare: 0.2,
    motifs: { ...PROMISE_MOTIFS, asyncRace: 3, sleepers: 2 },
  },
  timers: {
    timed: true,
    sizes: SIZES,
    statements: {
      ...DRAINED, ...TIMERS, spin: 3, immediate: 1, clearImmediate: 0.2, throw: 0.1, async: 0.3,
    },
    steps: TIMED_STEPS,
    motifShare: 0.5,
    motifs: TIMER_MOTIFS,
  },
  immediate: {
    timed: true,
    sizes: SIZES,
    statements: {
      ...DRAINED, ...IMMEDIATES, timeout: 2, clearTimeout: 0.4, refresh: 0.4, unref: 0.3, spin: 1.5,
      io: 0.6, async: 0.5, throw: 0.4,
    },
    steps: TIMED_STEPS,
    motifShare: 0.35,
    motifs: {
      ...IMMEDIATE_MOTIFS, shortTimers: 1, jobAndImmediate: 0.5, throwingImmediates: 0.5,
      overdueLists: 0.5, sleepers: 0.5,
    },
  },
  io: {
    timed: true,
    sizes: SIZES,
    statements: {
      ...DRAINED, io: 6, spin: 3, timeout: 2, interval: 0.3, immediate: 2.5, clearTimeout: 0.5,
      refresh: 0.5, unref: 0.4, clearImmediate: 0.5, unrefImmediate: 0.3, async: 0.7, throw: 0.4,
    },
    steps: TIMED_STEPS,
    motifShare: 0.4,
    motifs: {
      ...POOL_MOTIFS, snapshot: 0.5, overdueLists: 0.5, ridingAlong: 0.3, throwingJobs: 0.7,
      latePhase: 0.3,
    },
  },
  mixed: {
    timed: true,
    sizes: SIZES,
    statements: {
      ...DRAINED, ...PROMISES, ...TIMERS, ...IMMEDIATES, io: 1.5, spin: 2, throw: 0.3,
      timeout: 4, immediate: 3, then: 3,
    },
    steps: TIMED_STEPS,
    motifShare: 0.4,
    motifs: {
      ...PROMISE_MOTIFS, ...TIMER_MOTIFS, ...IMMEDIATE_MOTIFS, ...POOL_MOTIFS,
      asyncRace: 1, sleepers: 1,
    },
  },
  errors: {
    timed: true,
    sizes: SIZES,
    statements: {
      ...DRAINED, ...PROMISES, ...TIMERS, ...IMMEDIATES, io: 1, spin: 2, throw: 8,
      rejected: 2.5, reject: 2, then: 2, interval: 0.7,
    },
    steps: TIMED_STEPS,
    motifShare: 0.5,
    motifs: {
      ...ERROR_MOTIFS, overdueLists: 1, snapshot: 0.7, jobs: 0.7, lateHandler: 1.5, latePhase: 0.5,
      slowInterval: 0.5,
    },
  },
};

module.exports = { FAMILIES };
