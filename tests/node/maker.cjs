// Makes random statements, and puts them into programs.
//
// A program is the plain JSON of FORMAT.md. Nothing here knows whether the result
// is a race or uses an id that has no entry: judge.cjs decides, by running it on the
// model. This file only sees to it that the form is legal and the choice is wide.
'use strict';

const { MOTIFS } = require('./motifs.cjs');

// Durations of timers and of `spin`. They are chosen from a few per program, so
// that timers meet in the same lists.
const DURATIONS = [20, 25, 30, 35, 40, 45, 50, 60, 65, 70, 80, 90, 100, 110, 130, 150, 170, 200];
const SPINS = [20, 25, 30, 30, 40, 40, 50, 60, 70, 80, 100, 120];
// What counts as 1 ms.
const SHORT_DURATIONS = [0, 1, 1, 0.5, 1.9, -3, 0.999];
const TERMINAL = new Set(['throw', 'return', 'returnPromise']);
// The deepest nesting of bodies.
const DEEPEST = 6;
// Statements that make sense only for an id that exists.
const NEEDS = {
  clearTimeout: 'T', clearInterval: 'T', refresh: 'T', ref: 'T', unref: 'T',
  clearImmediate: 'I', refImmediate: 'I', unrefImmediate: 'I',
  resolve: 'R', reject: 'R', adopt: 'R',
  then: 'P', finally: 'P', await: 'P', returnPromise: 'P',
};

class Maker {
  constructor(random, family) {
    this.random = random;
    this.family = family;
    this.labels = 0;
    this.values = 0;
    const palette = Array.from({ length: random.between(2, 4) }, () => random.pick(DURATIONS));
    this.durations = palette;
  }

  // Returns a copy of `main` with one addition somewhere.
  extend(main) {
    const extended = structuredClone(main);
    this.known = idsOf(extended);
    const place = this.choosePlace(extended);
    this.visible = place.visible;
    this.inSteps = place.steps;
    this.depth = place.depth;
    const { list } = place;
    const ended = list.length > 0 && TERMINAL.has(list[list.length - 1][0]);
    const addition = this.makeAddition(place, ended);
    list.splice(addition.last ? list.length : place.position, 0, ...addition.statements);
    return extended;
  }

  makeAddition(place, ended) {
    if (this.random.chance(this.family.motifShare)) {
      const name = this.random.weighted(this.family.motifs);
      return { statements: MOTIFS[name](this), last: false };
    }
    const name = place.steps && this.random.chance(0.5) ? this.stepName() : this.statementName();
    // A job is best followed by enough time for it to be done before the next poll.
    if (name === 'io' && this.random.chance(0.6)) {
      return { statements: [this.make(name), ['spin', this.spinTime()]], last: false };
    }
    if (!TERMINAL.has(name)) return { statements: [this.make(name)], last: false };
    if (ended) return { statements: [['log', this.label('L')]], last: false };
    return { statements: [this.make(name)], last: true };
  }

  // ---- where ----

  // Picks a list of statements and a position in it. The main script is as likely
  // as all nested lists together while the program is small.
  choosePlace(main) {
    const places = [];
    collectPlaces(main, [], 0, false, places);
    const nested = this.random.chance(0.65) && places.length > 1;
    const place = nested ? places[1 + this.random.below(places.length - 1)] : places[0];
    const { list } = place;
    const ended = list.length > 0 && TERMINAL.has(list[list.length - 1][0]);
    const position = this.random.below(list.length + (ended ? 0 : 1));
    const before = list.slice(0, position).map(definedPromise).filter((id) => id !== null);
    return { ...place, position, visible: [...place.visible, ...before] };
  }

  // ---- values, labels and ids ----

  label(prefix) {
    this.labels += 1;
    return prefix + this.labels;
  }

  value() {
    this.values += 1;
    if (this.random.chance(0.03)) return this.random.pick([0, -1, -7, 1000000]);
    return this.random.chance(0.3) ? `s${this.values}` : this.values;
  }

  duration() {
    if (this.random.chance(0.05)) return this.random.pick(SHORT_DURATIONS);
    const base = this.random.pick(this.durations);
    return this.random.chance(0.1) ? base + this.random.pick([0.25, 0.5, 0.9]) : base;
  }

  // A duration outside of the palette of the program.
  otherDuration() {
    return this.random.pick(DURATIONS);
  }

  shortDuration() {
    return this.random.pick(SHORT_DURATIONS);
  }

  spinTime() {
    return this.random.pick(SPINS);
  }

  // A new id of a table, or one in use, which is overwritten then.
  newId(table) {
    const ids = this.known[table];
    let id;
    if (ids.length > 0 && this.random.chance(0.08)) {
      id = this.random.pick(ids);
    } else {
      id = ids.length === 0 ? 1 : Math.max(...ids) + 1;
      ids.push(id);
    }
    if (table === 'P' && !this.visible.includes(id)) this.visible.push(id);
    return id;
  }

  // An id of P that should have an entry by the time it is used. The statements
  // that come earlier in the text are the safe choice; the model judges the others.
  promiseId() {
    const wide = this.visible.length === 0 || this.random.chance(0.1);
    const ids = wide ? this.known.P : this.visible;
    return this.random.chance(0.4) ? ids[ids.length - 1] : this.random.pick(ids);
  }

  timerId() {
    return this.random.pick(this.known.T);
  }

  immediateId() {
    return this.random.pick(this.known.I);
  }

  resolverId() {
    return this.random.pick(this.known.R);
  }

  // ---- statements ----

  statementName() {
    for (;;) {
      const name = this.random.weighted(this.family.statements);
      if (this.isPossible(name)) return name;
    }
  }

  stepName() {
    if (this.random.chance(0.15)) return this.random.pick(['return', 'throw', 'return']);
    for (;;) {
      const name = this.random.weighted(this.family.steps);
      if (name === 'statement') return this.statementName();
      if (this.isPossible(name)) return name;
    }
  }

  isPossible(name) {
    const table = NEEDS[name];
    return table === undefined || this.known[table].length > 0;
  }

  statement() {
    const name = this.statementName();
    return TERMINAL.has(name) ? ['log', this.label('L')] : this.make(name);
  }

  make(name) {
    return MAKERS[name](this);
  }

  // Statements for a place one level deeper, such as those of a callback; what they
  // define cannot be seen outside.
  nested(makeList) {
    const { visible, inSteps, depth } = this;
    this.visible = [...visible];
    this.inSteps = false;
    this.depth = depth + 1;
    const list = makeList();
    Object.assign(this, { visible, inSteps, depth });
    return list;
  }

  // The body of a callback. It logs its name first, so that the trace shows it.
  body(prefix, ...statements) {
    return this.nested(() => {
      const list = this.random.chance(0.97) ? [['log', this.label(prefix)]] : [];
      for (const statement of statements) {
        list.push(typeof statement === 'function' ? statement() : statement);
      }
      if (statements.length > 0) return list;
      return [...list, ...this.fewStatements()];
    });
  }

  // None to three statements, fewer the deeper.
  fewStatements() {
    const list = [];
    const chance = [0.5, 0.35, 0.2, 0.1][Math.min(this.depth, 3)];
    while (this.depth < DEEPEST && list.length < 3 && this.random.chance(chance)) {
      list.push(this.statement());
    }
    if (this.family.statements.throw > 1 && this.random.chance(0.08)) {
      list.push(['throw', this.value()]);
    }
    return list;
  }

  handler() {
    return this.nested(() => ({
      label: this.label('h'),
      body: this.random.chance(0.2) ? this.fewStatements() : [],
      ret: this.ending(),
    }));
  }

  optionalHandler(probability) {
    return this.random.chance(probability) ? this.handler() : null;
  }

  ending() {
    const kind = this.random.weighted({ value: 6, promise: this.known.P.length > 0 ? 1.5 : 0, throw: 1 });
    return [kind, kind === 'promise' ? this.promiseId() : this.value()];
  }

  // The steps of an async function, or of one of the blocks of a `try`.
  steps(most) {
    return this.nested(() => {
      this.inSteps = true;
      const list = [];
      const count = this.random.between(most > 2 ? 1 : 0, most);
      while (list.length < count) {
        const name = this.stepName();
        if (name === 'try' && this.depth > 4) continue;
        list.push(this.make(name));
        if (TERMINAL.has(name)) return list;
      }
      const ending = this.random.weighted({ none: 5, return: 2, returnPromise: 1.5, throw: 1 });
      if (ending !== 'none' && this.isPossible(ending)) list.push(this.make(ending));
      return list;
    });
  }

  members() {
    const count = this.random.pick([0, 1, 2, 2, 3, 3, 4]);
    if (this.known.P.length === 0) return [];
    return Array.from({ length: count }, () => this.promiseId());
  }
}

// One entry per statement and step: maker => the statement. Ids of what a statement
// uses are picked before the id it defines.
const MAKERS = {
  log: (maker) => ['log', maker.label('L')],
  tick: (maker) => ['tick', maker.body('t')],
  micro: (maker) => ['micro', maker.body('m')],
  spin: (maker) => ['spin', maker.spinTime()],
  io: (maker) => ['io', maker.body('io')],
  throw: (maker) => ['throw', maker.value()],

  timeout: (maker) => {
    const id = maker.newId('T');
    return ['timeout', id, maker.duration(), maker.body('T')];
  },
  interval: (maker) => {
    const id = maker.newId('T');
    const times = maker.random.pick([1, 2, 2, 3, 3, 4, 50]);
    return ['interval', id, maker.duration(), times, maker.body('V')];
  },
  clearTimeout: (maker) => ['clearTimeout', maker.timerId()],
  clearInterval: (maker) => ['clearInterval', maker.timerId()],
  refresh: (maker) => ['refresh', maker.timerId()],
  ref: (maker) => ['ref', maker.timerId()],
  unref: (maker) => ['unref', maker.timerId()],

  immediate: (maker) => {
    const id = maker.newId('I');
    return ['immediate', id, maker.body('I')];
  },
  clearImmediate: (maker) => ['clearImmediate', maker.immediateId()],
  refImmediate: (maker) => ['refImmediate', maker.immediateId()],
  unrefImmediate: (maker) => ['unrefImmediate', maker.immediateId()],

  defer: (maker) => {
    const id = maker.newId('P');
    if (!maker.known.R.includes(id)) maker.known.R.push(id);
    return ['defer', id];
  },
  resolve: (maker) => ['resolve', maker.resolverId(), maker.value()],
  reject: (maker) => ['reject', maker.resolverId(), maker.value()],
  adopt: (maker) => {
    const id = maker.resolverId();
    return ['adopt', id, maker.random.chance(0.1) ? id : maker.promiseId()];
  },
  resolved: (maker) => ['resolved', maker.newId('P'), maker.value()],
  rejected: (maker) => ['rejected', maker.newId('P'), maker.value()],
  then: (maker) => {
    const source = maker.promiseId();
    const onOk = maker.optionalHandler(0.85);
    const onErr = maker.optionalHandler(0.5);
    return ['then', maker.newId('P'), source, onOk, onErr];
  },
  finally: (maker) => {
    const source = maker.promiseId();
    const handler = maker.optionalHandler(0.93);
    return ['finally', maker.newId('P'), source, handler];
  },
  all: (maker) => combinator(maker, 'all'),
  allSettled: (maker) => combinator(maker, 'allSettled'),
  race: (maker) => combinator(maker, 'race'),
  any: (maker) => combinator(maker, 'any'),
  async: (maker) => {
    const steps = maker.steps(5);
    return ['async', maker.newId('P'), steps];
  },

  await: (maker) => ['await', maker.label('a'), maker.promiseId()],
  awaitValue: (maker) => ['awaitValue', maker.label('w'), maker.value()],
  sleep: (maker) => ['sleep', maker.label('s'), maker.duration()],
  yieldImmediate: (maker) => ['yieldImmediate', maker.label('y')],
  try: (maker) => {
    const label = maker.label('c');
    const steps = maker.steps(3);
    if (steps.length > 0 && !TERMINAL.has(steps[steps.length - 1][0]) && maker.random.chance(0.4)) {
      steps.push(['throw', maker.value()]);
    }
    return ['try', label, steps, maker.steps(2)];
  },
  return: (maker) => ['return', maker.value()],
  returnPromise: (maker) => ['returnPromise', maker.promiseId()],
};

function combinator(maker, name) {
  const members = maker.members();
  return [name, maker.newId('P'), members];
}

// ---- looking at a program ----

// Where the nested lists of a statement are: [operand, are they steps].
const NESTED = {
  tick: [[1, false]], micro: [[1, false]], io: [[1, false]],
  timeout: [[3, false]], interval: [[4, false]], immediate: [[2, false]],
  async: [[2, true]], try: [[2, true], [3, true]],
};
const HANDLERS = { then: [3, 4], finally: [3] };

// Appends every list of statements in `list` and below to `places`, with the ids of
// P defined earlier in the text of the lists around it.
function collectPlaces(list, visible, depth, steps, places) {
  places.push({ list, visible, depth, steps });
  const seen = [...visible];
  for (const statement of list) {
    if (depth < DEEPEST) {
      for (const [operand, areSteps] of NESTED[statement[0]] ?? []) {
        collectPlaces(statement[operand], [...seen], depth + 1, areSteps, places);
      }
      for (const operand of HANDLERS[statement[0]] ?? []) {
        const handler = statement[operand];
        if (handler !== null) collectPlaces(handler.body, [...seen], depth + 1, false, places);
      }
    }
    const id = definedPromise(statement);
    if (id !== null) seen.push(id);
  }
}

const DEFINES_PROMISE = new Set([
  'defer', 'resolved', 'rejected', 'then', 'finally', 'all', 'allSettled', 'race', 'any', 'async',
]);

function definedPromise([name, id]) {
  return DEFINES_PROMISE.has(name) ? id : null;
}

// All ids a program defines anywhere, by table.
function idsOf(main) {
  const places = [];
  collectPlaces(main, [], -1000, false, places);
  const sets = { P: new Set(), R: new Set(), T: new Set(), I: new Set() };
  for (const [name, id] of places.flatMap(({ list }) => list)) {
    if (DEFINES_PROMISE.has(name)) sets.P.add(id);
    if (name === 'defer') sets.R.add(id);
    if (name === 'timeout' || name === 'interval') sets.T.add(id);
    if (name === 'immediate') sets.I.add(id);
  }
  return Object.fromEntries(Object.entries(sets).map(([table, ids]) => [table, [...ids]]));
}

module.exports = { Maker };
