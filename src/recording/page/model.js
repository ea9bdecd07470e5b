// The recording, and the state of the loop after each event.

let recording = JSON.parse(document.getElementById("recording").textContent);
const PHASES = ["timers", "pending", "poll", "check", "close"];

const locationOf = (index) => recording.locations[index] || null;

function emptyState() {
  return {
    stack: [], ticks: [], microtasks: [],
    phases: { timers: [], pending: [], poll: [], check: [], close: [] },
    log: [], // the indices of the log events
    items: new Map(), // everything that waits or runs, by id
    phase: null, turn: 0, marker: 0, // `marker`: how many phases the marker has moved
    time: 0, location: null, lastLocation: null, asleep: false, draining: false, ended: false, failed: null,
  };
}

function queueOf(state, name) {
  return PHASES.includes(name) ? state.phases[name] : state[name];
}

function remove(state, id) {
  const item = state.items.get(id);
  if (!item || !item.in) return item;
  const queue = queueOf(state, item.in);
  const at = queue.indexOf(item);
  if (at >= 0) queue.splice(at, 1);
  item.in = null;
  return item;
}

function enterPhase(state, phase) {
  const to = PHASES.indexOf(phase);
  if (state.phase === null) state.marker = to;
  else state.marker += (to - PHASES.indexOf(state.phase) + PHASES.length) % PHASES.length;
  state.phase = phase;
}

const changes = {
  begin(state) { Object.assign(state, { ended: false, failed: null, phase: null, turn: 0 }); },
  add(state, event) {
    const again = Boolean(remove(state, event.id)); // a timer that is set again
    const item = { again, id: event.id, kind: event.k, location: event.loc ?? null, due: event.due, in: event.to };
    state.items.set(event.id, item);
    queueOf(state, event.to).push(item);
    if (event.to === "timers") state.phases.timers.sort((a, b) => a.due - b.due || a.id - b.id);
    state.location = event.loc ?? null;
  },
  cancel(state, event) {
    remove(state, event.id);
    state.location = event.loc ?? state.location;
  },
  call(state, event) {
    const item = remove(state, event.id) || { id: event.id };
    state.items.set(event.id, item);
    item.as = event.as;
    item.since = event.t;
    if ((event.k || item.kind) === "error listener") { // the program handles the error
      state.failed = null;
      const below = state.stack[state.stack.length - 1];
      if (below) below.isHandled = true;
    }
    item.kind = event.k || item.kind || event.as;
    item.location = event.loc ?? item.location ?? null;
    item.calls = [];
    state.stack.push(item);
    state.location = event.at ?? item.location;
  },
  return(state, event) {
    const item = state.stack.pop();
    if (event.how === "panicked" && !item?.isHandled) state.failed = "panic";
    if (item && state.items.get(item.id) === item && !item.in) state.items.delete(item.id);
    const below = state.stack[state.stack.length - 1];
    state.location = below ? below.location : null;
  },
  turn(state, event) { state.turn = event.n; },
  phase(state, event) { enterPhase(state, event.name); state.asleep = false; state.location = null; },
  sleep(state) { state.asleep = true; state.location = null; },
  wake(state) { state.asleep = false; },
  unhandled(state) { state.failed = "rejection"; },
  drain(state) { state.draining = true; },
  drained(state) { state.draining = false; state.location = null; },
  log(state, event, index) { state.log.push(index); state.location = event.loc ?? state.location; },
  end(state, event) { Object.assign(state, { ended: true, code: event.code, stack: [], asleep: false, draining: false, location: null }); },
};

function apply(state, index) {
  const event = recording.events[index];
  state.time = event.t ?? state.time;
  changes[event.e]?.(state, event, index);
  const top = state.stack[state.stack.length - 1];
  if (top && ["add", "cancel", "log"].includes(event.e)) top.calls = event.calls || [];
  if (state.location !== null) state.lastLocation = state.location;
}

// Returns the state after the first `count` events, starting from the cached one if possible.
let cached = { count: 0, state: emptyState() };
function forgetStates() { cached = { count: 0, state: emptyState() }; }
function stateAt(count) {
  if (count < cached.count) cached = { count: 0, state: emptyState() };
  while (cached.count < count) apply(cached.state, cached.count++);
  return cached.state;
}
