// Small arrangements of statements around the corners of the loop's rules, which a
// random choice of single statements would hardly ever hit.
//
// Each motif takes the maker (maker.cjs) and returns a list of statements; it may
// stand anywhere a statement may. The ids and times in it are random, and later
// additions grow into it. A motif does not promise to be free of races by itself.
'use strict';

const MOTIFS = {
  // ---- promises ----

  // A chain of plain handlers: its labels count the turns of the microtask queue.
  ruler(maker) {
    let source = maker.newId('P');
    const list = [[maker.random.chance(0.8) ? 'resolved' : 'rejected', source, maker.value()]];
    const rejected = list[0][0] === 'rejected';
    const length = maker.random.between(3, 7);
    for (let turn = 0; turn < length; turn += 1) {
      const handler = { label: maker.label('h'), body: [], ret: ['value', maker.value()] };
      const id = maker.newId('P');
      const onErr = rejected && turn === 0;
      list.push(['then', id, source, onErr ? null : handler, onErr ? handler : null]);
      source = id;
    }
    return list;
  },

  // Promises resolved with each other before or after these are settled.
  adoptionChain(maker) {
    const ids = Array.from({ length: maker.random.between(2, 4) }, () => maker.newId('P'));
    const list = ids.map((id) => defer(maker, id));
    for (let link = 1; link < ids.length; link += 1) {
      list.push(['adopt', ids[link], maker.random.chance(0.1) ? ids[link] : ids[link - 1]]);
    }
    list.push(['then', maker.newId('P'), ids[ids.length - 1], maker.handler(), maker.handler()]);
    const settle = [maker.random.pick(['resolve', 'resolve', 'reject']), ids[0], maker.value()];
    if (maker.random.chance(0.3)) list.splice(ids.length, 0, settle);
    else list.push(maker.random.chance(0.5) ? settle : later(maker, settle));
    return list;
  },

  // A cycle of adoptions stays pending forever, whatever is done to it.
  cycle(maker) {
    const [first, second] = [maker.newId('P'), maker.newId('P')];
    return [
      defer(maker, first), defer(maker, second),
      ['adopt', first, second], ['adopt', second, first],
      ['then', maker.newId('P'), first, maker.handler(), maker.handler()],
      ['resolve', first, maker.value()],
    ];
  },

  // A rejection that gets its handler some time later, or is settled late.
  lateHandler(maker) {
    const id = maker.newId('P');
    const handled = () => ['then', maker.newId('P'), id, maker.optionalHandler(0.5),
      maker.optionalHandler(0.8)];
    if (maker.random.chance(0.6)) {
      return [['rejected', id, maker.value()], later(maker, handled)];
    }
    return [
      defer(maker, id),
      later(maker, ['reject', id, maker.value()]),
      later(maker, handled),
    ];
  },

  combinatorMix(maker) {
    const [good, bad, open] = [maker.newId('P'), maker.newId('P'), maker.newId('P')];
    const name = maker.random.pick(['all', 'allSettled', 'race', 'any']);
    const pool = maker.random.pick([[good, open], [bad, open], [good, bad, open], [bad, bad], [good]]);
    const members = Array.from({ length: maker.random.between(1, 4) }, () => maker.random.pick(pool));
    const id = maker.newId('P');
    return [
      ['resolved', good, maker.value()],
      ['rejected', bad, maker.value()],
      defer(maker, open),
      [name, id, members],
      ['then', maker.newId('P'), id, maker.handler(), maker.handler()],
      later(maker, [maker.random.pick(['resolve', 'reject']), open, maker.value()]),
    ];
  },

  // A handler or an async function that returns a promise, next to a ruler.
  returnedPromise(maker) {
    const source = maker.newId('P');
    const handler = (body) => ({ label: maker.label('h'), body, ret: ['promise', source] });
    const id = maker.newId('P');
    const list = [[maker.random.pick(['resolved', 'resolved', 'rejected']), source, maker.value()]];
    list.push(maker.random.pick([
      () => ['then', id, source, handler([]), handler([])],
      () => ['finally', id, source, handler([])],
      () => ['async', id, [['returnPromise', source]]],
      () => ['async', id, [['try', maker.label('c'), [['returnPromise', source]], []]]],
      () => ['async', id, [['await', maker.label('a'), source], ['returnPromise', source]]],
    ])());
    list.push(['then', maker.newId('P'), id, maker.handler(), maker.handler()]);
    return [...list, ...MOTIFS.ruler(maker)];
  },

  // Several async functions that take turns.
  asyncRace(maker) {
    const count = maker.random.between(2, 3);
    return Array.from({ length: count }, () => maker.make('async'));
  },

  // Async functions in the same timer list, or after the same immediate, as
  // ordinary callbacks.
  sleepers(maker) {
    const ms = maker.duration();
    const sleeper = () => ['async', maker.newId('P'), maker.nested(() => [
      maker.random.chance(0.6) ? ['sleep', maker.label('s'), ms] : ['yieldImmediate', maker.label('y')],
      maker.statement(),
      ['awaitValue', maker.label('w'), maker.value()],
    ])];
    return shuffled(maker, [
      sleeper(), sleeper(),
      ['timeout', maker.newId('T'), ms, maker.body('T')],
      ['immediate', maker.newId('I'), maker.body('I')],
    ]);
  },

  // ---- timers ----

  // Timers of one list; drains between them touch those that come next.
  sameList(maker) {
    const ms = maker.duration();
    const ids = Array.from({ length: maker.random.between(2, 4) }, () => maker.newId('T'));
    const list = ids.map((id, position) => {
      const next = ids[position + 1] ?? ids[0];
      return ['timeout', id, ms, maker.body('T', () => touching(maker, next))];
    });
    if (maker.random.chance(0.5)) list.push(['spin', maker.spinTime()]);
    return list;
  },

  // Timers of several lists that are all overdue when the loop gets to them.
  overdueLists(maker) {
    const durations = [maker.duration(), maker.duration(), maker.duration()];
    const ids = durations.map(() => maker.newId('T'));
    const list = durations.map((ms, position) => ['timeout', ids[position], ms,
      maker.random.chance(0.5)
        ? maker.body('T', () => touching(maker, maker.random.pick(ids)))
        : maker.body('T')]);
    if (maker.random.chance(0.4)) list.splice(1, 0, ['spin', maker.spinTime()]);
    list.push(['spin', Math.ceil(Math.max(...durations, 1)) + maker.random.pick([20, 25, 40])]);
    return list;
  },

  // The first timer of a list is removed or moves to the end, and the list keeps its old
  // expiry: it is served too early for the others, and if the thread is blocked over
  // all of their due times, too early among the lists.
  staleExpiry(maker) {
    const early = maker.random.pick([30, 40]);
    const ms = early + maker.random.pick([70, 80, 90]);
    const [first, second, other, blocker] = [0, 0, 0, 0].map(() => maker.newId('T'));
    const gone = [maker.random.pick(['clearTimeout', 'refresh']), first];
    const list = [
      ['timeout', first, ms, maker.body('T')],
      ['timeout', maker.newId('T'), early, maker.body('T',
        ['timeout', second, ms, maker.body('T')], gone)],
      ['timeout', other, ms + maker.random.pick([10, 15, 20]), maker.body('T')],
    ];
    if (maker.random.chance(0.75)) {
      list.push(['timeout', blocker, ms - 35, maker.body('T', ['spin', early + 70])]);
    }
    return shuffled(maker, list);
  },

  // The last timer of a list is cleared. If it was unref'd the empty list stays,
  // with its old expiry, for the next timer of that duration.
  emptyList(maker) {
    const ms = maker.random.pick([50, 60, 70]);
    const between = maker.random.pick([30, 40]);
    const first = maker.newId('T');
    const list = [['timeout', first, ms, maker.body('T')]];
    if (maker.random.chance(0.6)) list.push(['unref', first]);
    list.push(...shuffled(maker, [['clearTimeout', first], ['spin', between]]));
    list.push(...shuffled(maker, [
      maker.random.chance(0.7)
        ? ['timeout', maker.newId('T'), ms, maker.body('T')]
        : ['interval', maker.newId('T'), ms, maker.random.between(1, 3), maker.body('V')],
      ['timeout', maker.newId('T'), ms - 15, maker.body('T')],
    ]));
    if (maker.random.chance(0.75)) list.push(['spin', ms + 25]);
    return list;
  },

  slowInterval(maker) {
    const ms = maker.random.chance(0.15) ? maker.shortDuration() : maker.duration();
    const spin = Math.ceil(Math.max(ms, 1)) + maker.random.pick([20, 30]);
    return [['interval', maker.newId('T'), ms, maker.random.between(2, 3), maker.body('V',
      ['spin', Math.min(spin, 120)], () => maker.statement())]];
  },

  // A timer that has fired is armed again, with or without its callback.
  refreshFired(maker) {
    const id = maker.newId('T');
    const again = maker.random.pick([
      [['refresh', id]],
      [['unref', id], ['refresh', id]],
      [['clearTimeout', id], ['refresh', id]],
      [['clearTimeout', id], ['refresh', id], ['unref', id]],
      [['refresh', id], ['clearTimeout', id], ['refresh', id]],
      [['refresh', id], ['refresh', id]],
    ]);
    const ms = maker.random.pick([50, 60]);
    const gap = maker.random.pick([25, 30]);
    const list = [
      ['timeout', id, ms, maker.body('T')],
      ['timeout', maker.newId('T'), ms + gap, maker.body('T', ...again)],
    ];
    // What does not keep the loop alive shows how long something else does.
    if (maker.random.chance(0.7)) {
      const observer = maker.newId('T');
      list.push(['timeout', observer, ms + gap + maker.random.pick([25, 30, 80]), maker.body('T')]);
      list.push(['unref', observer]);
    }
    return list;
  },

  // Timers of the duration of an interval, armed by its callback.
  intervalCompany(maker) {
    const ms = maker.random.pick([40, 50, 60]);
    const id = maker.newId('T');
    const company = ['timeout', maker.newId('T'), ms, maker.body('T')];
    const spin = ['spin', maker.random.pick([20, 25, 30])];
    const statements = maker.random.pick([[spin, company], [company, spin], [company], [spin, company, spin]]);
    if (maker.random.chance(0.3)) statements.push([maker.random.pick(['refresh', 'clearInterval']), id]);
    return [['interval', id, ms, maker.random.between(2, 3), maker.body('V', ...statements)]];
  },

  // A timer that arms itself again in its own callback, until it is cleared.
  selfRefresh(maker) {
    const id = maker.newId('T');
    const ms = maker.random.pick([40, 50, 60]);
    const again = maker.random.chance(0.7) ? [['refresh', id]] : [['spin', 25], ['refresh', id]];
    return [
      ['timeout', id, ms, maker.body('T', ...again)],
      ['timeout', maker.newId('T'), Math.floor(ms * maker.random.pick([1.5, 2.5, 3.5])),
        maker.body('T', ['clearTimeout', id])],
    ];
  },

  // A list becomes overdue while the timers phase is on; whether it is served in
  // that phase depends on who reads the clock when.
  latePhase(maker) {
    const ms = maker.random.pick([20, 25, 30]);
    const armLate = () => maker.random.pick([
      ['timeout', maker.newId('T'), maker.otherDuration(), maker.body('T')],
      ['timeout', maker.newId('T'), maker.shortDuration(), maker.body('T')],
      ['async', maker.newId('P'), [['sleep', maker.label('s'), maker.otherDuration()]]],
    ]);
    const statements = [
      ['spin', maker.random.pick([60, 80])],
      ['immediate', maker.newId('I'), maker.body('I')],
    ];
    const blocking = maker.random.chance(0.4) ? [['spin', maker.random.pick([40, 60])]] : [];
    if (maker.random.chance(0.75)) {
      statements.push(drained(maker, armLate(), ...shuffled(maker, [armLate(), ...blocking])));
    } else {
      statements.push(armLate(), ...blocking);
    }
    return [
      ['timeout', maker.newId('T'), ms, maker.body('T', ...shuffled(maker, statements))],
      ['timeout', maker.newId('T'), ms + maker.random.pick([20, 25]), maker.body('T')],
    ];
  },

  // 0, 1 and less than 1 are one list; so are fractions of one duration.
  shortTimers(maker) {
    const count = maker.random.between(2, 4);
    const list = Array.from({ length: count }, () =>
      ['timeout', maker.newId('T'), maker.shortDuration(), maker.body('T')]);
    list.push(['spin', maker.random.pick([20, 25, 30])]);
    if (maker.random.chance(0.5)) list.push(['immediate', maker.newId('I'), maker.body('I')]);
    return list;
  },

  // The drain before the last timer of a list clears it and arms another
  // of the same duration.
  pickedTimer(maker) {
    const ms = maker.duration();
    const [first, picked] = [maker.newId('T'), maker.newId('T')];
    const statements = [
      [maker.random.pick(['clearTimeout', 'clearTimeout', 'refresh', 'unref']), picked],
      ['timeout', maker.random.chance(0.3) ? picked : maker.newId('T'), ms, maker.body('T')],
    ];
    return [
      ['timeout', first, ms, maker.body('T', drained(maker, ...shuffled(maker, statements)))],
      ['timeout', picked, ms, maker.body('T')],
      ['spin', maker.random.pick([20, 40])],
    ];
  },

  // ---- immediates ----

  // Immediates of one check phase that clear, reference and queue each other.
  snapshot(maker) {
    const ids = Array.from({ length: maker.random.between(2, 5) }, () => maker.newId('I'));
    return ids.map((id) => {
      const name = maker.random.pick(['clearImmediate', 'clearImmediate', 'unrefImmediate', 'refImmediate']);
      const other = [name, maker.random.pick(ids)];
      const statement = maker.random.pick([
        () => other,
        () => drained(maker, other),
        () => ['immediate', maker.newId('I'), maker.body('I')],
        () => maker.statement(),
      ]);
      return ['immediate', id, maker.random.chance(0.7) ? maker.body('I', statement) : maker.body('I')];
    });
  },

  // Immediates and timers that do not keep the loop alive.
  ridingAlong(maker) {
    const immediate = maker.newId('I');
    const list = [['immediate', immediate, maker.body('I')], ['unrefImmediate', immediate]];
    if (maker.random.chance(0.5)) list.push(['timeout', maker.newId('T'), maker.duration(), maker.body('T')]);
    if (maker.random.chance(0.5)) {
      const timer = maker.newId('T');
      list.push(['timeout', timer, maker.duration(), maker.body('T')], ['unref', timer]);
    }
    if (maker.random.chance(0.3)) list.push(['refImmediate', immediate]);
    // A timer that comes due in what would be the last iteration.
    if (maker.random.chance(0.4)) {
      const timer = maker.newId('T');
      list.push(['timeout', timer, maker.random.pick([20, 30]), maker.body('T')], ['unref', timer]);
      list.push(['immediate', maker.newId('I'), maker.body('I', ['spin', 60])]);
    }
    return list;
  },

  immediateFromTimer(maker) {
    return [['timeout', maker.newId('T'), maker.duration(), maker.body('T',
      ['timeout', maker.newId('T'), maker.shortDuration(), maker.body('T')],
      ['immediate', maker.newId('I'), maker.body('I')],
      ...maker.random.pick([[], [['spin', 20]]]))]];
  },

  // ---- pool ----

  // Jobs whose completions come in one poll phase.
  jobs(maker) {
    const count = maker.random.between(1, 3);
    return Array.from({ length: count }, () => [maker.make('io'), ['spin', maker.random.pick([20, 25, 30])]]).flat();
  },

  jobAndImmediate(maker) {
    return [['io', maker.body('io',
      ['timeout', maker.newId('T'), maker.shortDuration(), maker.body('T')],
      ['immediate', maker.newId('I'), maker.body('I')],
      () => maker.statement())]];
  },

  // A completion and a timer that are both there when the loop comes to them.
  jobDuringTimer(maker) {
    const ms = maker.duration();
    return [
      ['timeout', maker.newId('T'), ms, maker.body('T', maker.make('io'),
        ['spin', maker.random.pick([40, 60])], ['immediate', maker.newId('I'), maker.body('I')])],
      ['timeout', maker.newId('T'), ms + maker.random.pick([20, 25]), maker.body('T')],
    ];
  },

  // ---- errors ----

  // Overdue timers of one or several lists, some of which throw: the first, the
  // last of its list, the last of all.
  throwingTimers(maker) {
    const palette = [maker.duration(), maker.duration()];
    const count = maker.random.between(2, 4);
    const list = Array.from({ length: count }, () => ['timeout', maker.newId('T'),
      maker.random.pick(palette), maker.random.chance(0.55) ? throwing(maker, 'T') : maker.body('T')]);
    if (maker.random.chance(0.75)) list.push(['spin', Math.ceil(Math.max(...palette, 1)) + 25]);
    if (maker.random.chance(0.4)) list.push(['immediate', maker.newId('I'), maker.body('I')]);
    return list;
  },

  throwingInterval(maker) {
    const ms = maker.duration();
    const list = [
      ['interval', maker.newId('T'), ms, maker.random.between(1, 3), throwing(maker, 'V')],
      ['timeout', maker.newId('T'), maker.duration(), maker.body('T')],
    ];
    if (maker.random.chance(0.6)) list.push(['spin', Math.ceil(Math.max(ms, 1)) + 25]);
    return list;
  },

  throwingImmediates(maker) {
    const count = maker.random.between(1, 4);
    const list = Array.from({ length: count }, () => ['immediate', maker.newId('I'),
      maker.random.chance(0.55) ? throwing(maker, 'I') : maker.body('I')]);
    // New immediates and a timer that is due, to show where the check phase ends.
    if (maker.random.chance(0.6)) {
      list.splice(maker.random.below(list.length + 1), 0, ['immediate', maker.newId('I'), maker.body('I',
        ['timeout', maker.newId('T'), maker.shortDuration(), maker.body('T')],
        ['immediate', maker.newId('I'), maker.body('I')],
        ['spin', 20])]);
    }
    return list;
  },

  // A timer that clears itself, or the last of its list, and throws: its list is
  // gone, unless what was cleared was unref'd.
  throwingWithoutList(maker) {
    const [ms, other] = [maker.duration(), maker.otherDuration()];
    const [first, second] = [maker.newId('T'), maker.newId('T')];
    const body = maker.body('T', ['clearTimeout', maker.random.pick([first, second])],
      () => drained(maker, () => maker.statement()));
    if (maker.random.chance(0.3)) {
      body.push(['timeout', maker.newId('T'), ms, maker.body('T')]);
    }
    body.push(['throw', maker.value()]);
    const list = [['timeout', first, ms, body]];
    if (maker.random.chance(0.5)) list.push(['timeout', second, ms, maker.body('T')]);
    if (maker.random.chance(0.4)) list.push(['unref', maker.random.pick([first, second])]);
    list.push(['timeout', maker.newId('T'), other, maker.body('T')]);
    list.push(['spin', Math.ceil(Math.max(ms, other, 1)) + 20]);
    return list;
  },

  throwingJobs(maker) {
    const count = maker.random.between(1, 3);
    return Array.from({ length: count }, () => [
      ['io', maker.random.chance(0.6) ? throwing(maker, 'io') : maker.body('io')],
      ['spin', maker.random.pick([20, 25])],
    ]).flat();
  },

  // A drain between two callbacks of a phase that throws, with more to do after it.
  throwingDrain(maker) {
    const drainThrows = () => maker.random.pick([
      () => ['tick', maker.body('t', ['throw', maker.value()])],
      () => ['micro', maker.body('m', ['throw', maker.value()])],
    ])();
    const queueing = () => [drainThrows(), drained(maker, () => maker.statement()),
      ...maker.random.pick([[], [drainThrows()]])];
    const palette = [maker.duration(), maker.duration()];
    return maker.random.pick([
      () => [
        ['timeout', maker.newId('T'), palette[0], maker.body('T', ...queueing())],
        ['timeout', maker.newId('T'), palette[1], maker.body('T')],
        ['timeout', maker.newId('T'), maker.random.pick(palette), maker.body('T')],
        ['spin', Math.ceil(Math.max(...palette, 1)) + 25],
      ],
      () => [
        ['immediate', maker.newId('I'), maker.body('I', ...queueing())],
        ['immediate', maker.newId('I'), maker.body('I')],
        ['immediate', maker.newId('I'), maker.body('I')],
      ],
      () => [
        ['io', maker.body('io', ...queueing())], ['spin', 25],
        ['io', maker.body('io')], ['spin', 25],
      ],
    ])();
  },

  // Ticks of which some throw, so that the rest waits for the next drain.
  throwingTicks(maker) {
    const count = maker.random.between(2, 4);
    const list = Array.from({ length: count }, () => (maker.random.chance(0.5)
      ? ['tick', throwing(maker, 't')]
      : drained(maker, () => maker.statement())));
    return shuffled(maker, [...list, maker.make('micro')]);
  },

  // Several rejections reported in one round, some of them handled afterwards.
  rejectionRound(maker) {
    const count = maker.random.between(2, 4);
    const ids = Array.from({ length: count }, () => maker.newId('P'));
    const list = ids.map((id) => ['rejected', id, maker.value()]);
    const handled = () => ['then', maker.newId('P'), maker.random.pick(ids), null,
      maker.optionalHandler(0.9)];
    list.push(maker.random.chance(0.3) ? handled() : later(maker, handled, handled));
    if (maker.random.chance(0.3)) list.push(drained(maker, ['throw', maker.value()]));
    return list;
  },
};

// ---- parts ----

function defer(maker, id) {
  if (!maker.known.R.includes(id)) maker.known.R.push(id);
  return ['defer', id];
}

// `statements` in a callback that runs some time later.
function later(maker, ...statements) {
  const names = maker.family.timed
    ? { tick: 1, micro: 1, immediate: 2, timeout: 3, io: 0.5 }
    : { tick: 1, micro: 2 };
  switch (maker.random.weighted(names)) {
    case 'tick': return ['tick', maker.body('t', ...statements)];
    case 'micro': return ['micro', maker.body('m', ...statements)];
    case 'immediate': return ['immediate', maker.newId('I'), maker.body('I', ...statements)];
    case 'io': return ['io', maker.body('io', ...statements)];
    default: return ['timeout', maker.newId('T'), maker.duration(), maker.body('T', ...statements)];
  }
}

// `statements` in a tick or microtask.
function drained(maker, ...statements) {
  return maker.random.chance(0.5)
    ? ['tick', maker.body('t', ...statements)]
    : ['micro', maker.body('m', ...statements)];
}

// Something done to timer `id`, at once or in the next drain.
function touching(maker, id) {
  const name = maker.random.pick(['clearTimeout', 'clearTimeout', 'clearInterval', 'refresh', 'refresh', 'unref', 'ref']);
  const statement = [name, id];
  return maker.random.chance(0.6) ? drained(maker, statement) : statement;
}

// A body that may queue something, and throws.
function throwing(maker, prefix) {
  return maker.nested(() => {
    const list = [['log', maker.label(prefix)]];
    const queued = maker.random.between(0, 2);
    for (let count = 0; count < queued; count += 1) {
      list.push(maker.random.chance(0.7) ? drained(maker, () => maker.statement()) : maker.statement());
    }
    return [...list, ['throw', maker.value()]];
  });
}

function shuffled(maker, list) {
  const rest = [...list];
  const result = [];
  while (rest.length > 0) result.push(rest.splice(maker.random.below(rest.length), 1)[0]);
  return result;
}

module.exports = { MOTIFS };
