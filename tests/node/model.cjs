// A model of Node's event loop in virtual time, to judge programs before they are
// run: does a program end, in which time, and does its trace depend on time?
//
// Only what concerns time and phases is modelled here: the clock, the timer lists,
// the immediates, the pool and the poll phase. Ticks, promise jobs and rejections
// are those of the Node this runs in: `process._tickCallback()` is the very
// function Node calls for a drain. So the model has to run in a thread of its own,
// never inside a promise job, and one program at a time.
//
// The trace of the model is never written to a case; cases hold what Node printed.
// The rules (R1, R2, ...) are those of the release given to `setRelease`, else of the Node
// that this runs in.
'use strict';

const { compileProgram, format } = require('./compile.cjs');
const { RELEASES, releaseOf } = require('./releases.cjs');

const POOL_THREADS = 4;
// Beyond these a program is no candidate for a case, and is given up.
const LONGEST_TIME = 600;
const MOST_POINTS = 6000;

let rules = RELEASES[releaseOf(process.version)];

function setRelease(release) {
  rules = RELEASES[release];
}

// Compiles `main` and returns a function that runs it once and returns
//     { trace, faults, duration, points }
// `faults` names what makes the program unfit: 'endless', 'unknown promise' (a use
// of an id of P without an entry) or 'defect R59'. `duration` is the virtual time
// it took. `points` counts the moments at which a disturbance could have struck.
//
// `disturbance` defines what a run costs in time: `delay(point)` milliseconds at each
// point and `jobDuration()` for each pool job. Without one nothing but `spin` and
// waiting takes time, as FORMAT.md requires.
function prepare(main) {
  const program = compileProgram(main, { pauses: true });
  return (disturbance = UNDISTURBED) => new Run(disturbance).perform(program);
}

const UNDISTURBED = {
  start: 1000,
  delay: () => 0,
  jobDuration: () => 0,
};

// The run that owns the listeners of the process at the moment.
let currentRun = null;

// The listeners of FORMAT.md. A throwing microtask is reported by the engine
// itself; every other uncaught error is caught by the run.
function listenToProcess() {
  process.on('unhandledRejection', (reason) => currentRun?.log(`unhandled:${format(reason)}`));
  process.on('rejectionHandled', () => currentRun?.log('handled'));
  process.on('uncaughtException', (error) => {
    if (currentRun === null) throw error;
    currentRun.uncaught(error);
  });
}

class Run {
  constructor(disturbance) {
    this.disturbance = disturbance;
    this.trace = [];
    this.faults = new Set();
    this.points = 0;
    this.time = disturbance.start;
    this.loopTime = Math.floor(this.time);
    this.jobs = [];
    this.threadFreeAt = new Array(POOL_THREADS).fill(this.time);
    this.timers = new Timers(this);
    this.immediates = new Immediates(this);
  }

  perform(program) {
    currentRun = this;
    const begin = this.time;
    this.guarded(() => program(this.makeHost()));
    this.drainQuietly();
    let beforeExitLogged = false;
    do {
      this.runLoop();
      if (!beforeExitLogged) this.log('beforeExit');
      beforeExitLogged = true;
      this.drainQuietly();
    } while (this.isAlive() && !this.givenUp());
    this.log('exit');
    this.clearLeftovers();
    currentRun = null;
    return {
      trace: this.trace,
      faults: [...this.faults],
      duration: this.time - begin,
      points: this.points,
    };
  }

  makeHost() {
    const timer = (callback, ms, repeats) => this.timers.arm(callback, ms, repeats);
    return {
      P: this.watchedPromises(),
      R: [], T: [], I: [],
      log: (label) => this.log(label),
      format,
      pause: () => this.point(),
      spin: (ms) => { this.time += ms; },
      io: (callback) => this.submitJob(callback),
      nextTick: process.nextTick,
      queueMicrotask,
      setTimeout: (callback, ms) => timer(callback, ms, false),
      setInterval: (callback, ms) => timer(callback, ms, true),
      clearTimeout: (armed) => this.timers.clear(armed),
      setImmediate: (callback) => this.immediates.queue(callback),
      clearImmediate: (immediate) => this.immediates.clear(immediate),
      sleep: (ms) => new Promise((resolve) => { timer(() => resolve(), ms, false); }),
      yieldImmediate: () => new Promise((resolve) => { this.immediates.queue(() => resolve()); }),
    };
  }

  // Table P; a look-up of an id that has no entry is a fault of the program.
  watchedPromises() {
    return new Proxy([], {
      get: (table, id) => {
        if (!(id in table)) {
          this.faults.add('unknown promise');
          return Promise.resolve();
        }
        return table[id];
      },
    });
  }

  log(label) {
    this.trace.push(label);
  }

  // A moment at which time may pass on a real machine.
  point() {
    this.time += this.disturbance.delay(this.points);
    this.points += 1;
    if (this.points > MOST_POINTS) this.faults.add('endless');
  }

  givenUp() {
    if (this.time - this.disturbance.start > LONGEST_TIME * 3) this.faults.add('endless');
    return this.faults.size > 0;
  }

  // The clock as the loop sees it, in whole milliseconds; reading it updates the
  // cached time of the loop.
  readClock() {
    this.loopTime = Math.floor(this.time);
    return this.loopTime;
  }

  uncaught(error) {
    this.log(`uncaught:${format(error)}`);
    // Node's own empty immediate after every error that was handled (R51).
    this.immediates.queue(() => {});
  }

  // Calls `action`; returns false if it threw, which then is an uncaught error.
  guarded(action) {
    try {
      action();
      return true;
    } catch (error) {
      this.uncaught(error);
      return false;
    }
  }

  // The drain between two callbacks of one phase: an error goes to the caller.
  drain() {
    process._tickCallback();
  }

  // The drain after a callback entered from the loop: an error ends it there.
  drainQuietly() {
    this.guarded(() => this.drain());
  }

  // After a run that was given up ticks may be left; they must not reach the next.
  clearLeftovers() {
    this.trace = [...this.trace];
    const trace = this.trace;
    this.trace = [];
    this.disturbance = UNDISTURBED;
    for (let turn = 0; turn < 10000; turn += 1) {
      try {
        process._tickCallback();
        break;
      } catch {
        // One more throwing tick of a program that was given up.
      }
    }
    this.trace = trace;
  }

  isAlive() {
    return this.timers.keepsAlive() || this.immediates.idleActive || this.jobs.length > 0;
  }

  // R3. The first iteration runs even if the timers before it ended everything that was alive.
  runLoop() {
    let alive = this.isAlive();
    if (alive) {
      this.point();
      this.readClock();
      this.timers.runPhase();
    }
    while (alive && !this.givenUp()) {
      this.point();
      this.poll();
      this.point();
      this.immediates.runPhase();
      this.point();
      this.readClock();
      this.timers.runPhase();
      alive = this.isAlive();
    }
  }

  submitJob(callback) {
    this.point();
    const thread = this.threadFreeAt.indexOf(Math.min(...this.threadFreeAt));
    const finish = Math.max(this.time, this.threadFreeAt[thread]) + this.disturbance.jobDuration();
    this.threadFreeAt[thread] = finish;
    this.jobs.push({ callback, finish });
  }

  // R5, R7, R8: look first; wait only if there was nothing; deliver what is there.
  poll() {
    const timeout = this.pollTimeout();
    const cached = this.loopTime;
    this.readClock();
    let ready = this.takeFinishedJobs();
    if (ready.length === 0 && timeout > 0) {
      const remaining = timeout - (this.loopTime - cached);
      if (remaining > 0) this.wait(remaining);
      this.readClock();
      ready = this.takeFinishedJobs();
    }
    for (const job of ready) {
      this.jobs.splice(this.jobs.indexOf(job), 1);
      this.point();
      if (this.guarded(job.callback)) this.drainQuietly();
    }
  }

  pollTimeout() {
    if (this.immediates.idleActive || !this.isAlive()) return 0;
    const due = this.timers.loopTimerDue;
    return due === null ? Infinity : Math.max(0, due - this.loopTime);
  }

  // Blocks until the loop timer is due or a job is done, whatever comes first.
  wait(ms) {
    const nextJob = Math.min(...this.jobs.map((job) => job.finish));
    const wake = Math.min(this.time + ms, nextJob);
    if (wake === Infinity) {
      this.faults.add('endless');
      return;
    }
    this.time = Math.max(this.time, wake);
    this.point();
  }

  takeFinishedJobs() {
    return this.jobs
      .filter((job) => job.finish <= this.time)
      .sort((first, second) => first.finish - second.finish);
  }
}

// Section 3 of the rules: timeouts and intervals.
class Timers {
  constructor(run) {
    this.run = run;
    this.lists = new Map();
    this.nextSerial = 0;
    this.knownExpiry = Infinity;
    this.loopTimerDue = null;
    this.loopTimerReferenced = true;
    this.referenced = 0;
  }

  keepsAlive() {
    return this.loopTimerDue !== null && this.loopTimerReferenced;
  }

  arm(callback, ms, repeats) {
    const duration = ms >= 1 && ms <= 0x7fffffff ? ms : 1;
    const timer = {
      callback,
      duration,
      period: repeats ? duration : null,
      start: 0,
      list: null,
      gone: false,
      referenced: true,
      refresh: () => this.refresh(timer),
      ref: () => this.setReferenced(timer, true),
      unref: () => this.setReferenced(timer, false),
    };
    this.countReferenced(1);
    this.insert(timer);
    return timer;
  }

  // R26, R27: arming reads the clock, and may move the loop timer.
  insert(timer, start = this.readClock()) {
    const duration = Math.trunc(timer.duration);
    timer.start = start;
    let list = this.lists.get(duration);
    if (list === undefined) {
      list = { duration, expiry: start + duration, serial: this.nextSerial, timers: [] };
      this.nextSerial += 1;
      this.lists.set(duration, list);
      if (list.expiry < this.knownExpiry) {
        this.knownExpiry = list.expiry;
        this.loopTimerDue = this.run.loopTime + duration;
      }
    }
    this.unlink(timer);
    timer.list = list;
    list.timers.push(timer);
  }

  readClock() {
    this.run.point();
    return this.run.readClock();
  }

  unlink(timer) {
    if (timer.list === null) return;
    timer.list.timers.splice(timer.list.timers.indexOf(timer), 1);
    timer.list = null;
  }

  // R33, R29. A timer that has fired only loses its callback (R35).
  clear(timer) {
    if (!timer?.callback) return;
    timer.callback = null;
    if (timer.gone) return;
    timer.gone = true;
    this.unlink(timer);
    if (timer.referenced) {
      const list = this.lists.get(Math.trunc(timer.duration));
      if (list?.timers.length === 0) this.lists.delete(list.duration);
      this.countReferenced(-1);
    }
    timer.duration = -1;
  }

  // R35.
  refresh(timer) {
    if (timer.duration < 0) return;
    this.insert(timer);
    if (timer.gone) {
      timer.gone = false;
      if (timer.referenced) this.countReferenced(1);
    }
  }

  setReferenced(timer, value) {
    if (timer.referenced === value) return;
    timer.referenced = value;
    if (!timer.gone) this.countReferenced(value ? 1 : -1);
  }

  countReferenced(change) {
    const before = this.referenced;
    this.referenced += change;
    if (before === 0) this.loopTimerReferenced = true;
    if (this.referenced === 0) this.loopTimerReferenced = false;
  }

  // R24: up to Node 20 the loop's own timer fires again in the same phase if the cached
  // time of the loop has come to its new due time meanwhile: that takes a drain at the end
  // of the phase that arms a timer, because only arming reads the clock there.
  runPhase() {
    while (this.loopTimerDue !== null && this.loopTimerDue <= this.run.loopTime) {
      if (this.run.givenUp()) return;
      this.loopTimerDue = null;
      this.runDueLists();
      if (!rules.timersPhaseRepeats) return;
    }
  }

  // R22, R56: the phase is entered again, with the same `now`, after each error.
  runDueLists() {
    const now = this.readClock();
    let next;
    while (!this.run.guarded(() => { next = this.serveLists(now); }));
    if (next === null) {
      this.loopTimerReferenced = false;
    } else {
      this.loopTimerDue = this.run.loopTime + Math.max(next - this.run.loopTime, 1);
      this.loopTimerReferenced = this.referenced > 0;
    }
    this.run.drainQuietly();
  }

  // Serves every list that has expired; returns the expiry of the next, or null.
  serveLists(now) {
    this.knownExpiry = Infinity;
    for (let first = true; ; first = false) {
      const list = this.firstList();
      if (list === null) return null;
      if (list.expiry > now) {
        this.knownExpiry = list.expiry;
        return list.expiry;
      }
      if (!first) this.run.drain();
      this.serveList(list, now);
    }
  }

  firstList() {
    let best = null;
    for (const list of this.lists.values()) {
      if (best === null || list.expiry < best.expiry ||
          (list.expiry === best.expiry && list.serial < best.serial)) best = list;
    }
    return best;
  }

  serveList(list, now) {
    for (let first = true; list.timers.length > 0; first = false) {
      const timer = list.timers[0];
      if (now - timer.start < list.duration) {
        list.expiry = Math.max(timer.start + list.duration, now + 1);
        list.serial = this.nextSerial;
        this.nextSerial += 1;
        return;
      }
      if (!first) this.run.drain();
      this.unlink(timer);
      if (timer.callback) this.fire(timer);
      else this.retire(timer);
    }
    if (this.lists.get(list.duration) === list) this.lists.delete(list.duration);
  }

  fire(timer) {
    const start = timer.period === null ? 0 : this.readClock();
    this.run.point();
    try {
      timer.callback();
    } finally {
      if (timer.period !== null && timer.duration !== -1) {
        timer.duration = timer.period;
        this.insert(timer, start);
      } else if (timer.list === null) {
        this.retire(timer);
      }
    }
  }

  // The timer is no longer armed. The loop timer is not updated: the end of the phase
  // does that.
  retire(timer) {
    if (timer.gone) return;
    timer.gone = true;
    if (timer.referenced) this.referenced -= 1;
  }
}

// Section 4 of the rules: immediates.
class Immediates {
  constructor(run) {
    this.run = run;
    this.pending = [];
    this.outstanding = [];
    this.referenced = 0;
    // Stands for libuv's idle handle: keeps the loop alive and the poll phase short.
    this.idleActive = false;
  }

  queue(callback) {
    const immediate = {
      callback,
      gone: false,
      referenced: false,
      ref: () => this.setReferenced(immediate, true),
      unref: () => this.setReferenced(immediate, false),
    };
    this.setReferenced(immediate, true);
    this.pending.push(immediate);
    return immediate;
  }

  setReferenced(immediate, value) {
    if (immediate.gone || immediate.referenced === value) return;
    immediate.referenced = value;
    this.referenced += value ? 1 : -1;
    if (value) this.idleActive = true;
    else if (this.referenced === 0) this.idleActive = false;
  }

  clear(immediate) {
    if (!immediate || immediate.gone) return;
    this.setReferenced(immediate, false);
    immediate.gone = true;
    this.pending = this.pending.filter((other) => other !== immediate);
  }

  // R12: up to Node 24 every check phase opens with a drain, also without immediates.
  runPhase() {
    if (rules.checkPhaseDrains) this.run.drainQuietly();
    if (this.pending.length === 0) return;
    // R57: after an error the rest is a new round; without a rest, the new ones.
    let drained;
    do {
      drained = this.run.guarded(() => this.serve());
    } while (!drained && !this.run.givenUp());
    if (this.referenced === 0) this.idleActive = false;
    this.run.drainQuietly();
  }

  serve() {
    this.dropCleared();
    if (this.outstanding.length === 0) {
      this.outstanding = this.pending;
      this.pending = [];
    }
    let first = true;
    while (this.outstanding.length > 0) {
      const immediate = this.outstanding[0];
      if (!first) this.drainBefore(immediate);
      first = false;
      if (!immediate.gone) this.fire(immediate);
      this.dropCleared();
    }
  }

  // R58, R59: the next immediate is picked before the drain.
  drainBefore(immediate) {
    try {
      this.run.drain();
    } catch (error) {
      if (immediate.gone) this.run.faults.add('defect R59');
      throw error;
    }
  }

  fire(immediate) {
    this.outstanding.shift();
    if (immediate.referenced) this.referenced -= 1;
    immediate.referenced = false;
    immediate.gone = true;
    this.run.point();
    immediate.callback();
  }

  dropCleared() {
    while (this.outstanding.length > 0 && this.outstanding[0].gone) this.outstanding.shift();
  }
}

listenToProcess();

module.exports = { prepare, setRelease, LONGEST_TIME };
