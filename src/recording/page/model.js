// What the recording says: the state of the loop behind each event.

const recording = JSON.parse(document.getElementById("recording").textContent);
const STOPS = ["timers", "pending", "poll", "check", "close"];

const placeOf = (index) => recording.places[index] || null;

function emptyState() {
  return {
    stack: [], ticks: [], microtasks: [],
    stops: { timers: [], pending: [], poll: [], check: [], close: [] },
    log: [], // the indices of the log's events
    items: new Map(), // whatever waits or runs, by its number
    stop: null, turn: 0, way: 0, // `way`: how many fifths of a circle the marker has gone
    time: 0, place: null, near: null, asleep: false, draining: false, ended: false, failed: null,
  };
}

function queueOf(state, name) {
  return STOPS.includes(name) ? state.stops[name] : state[name];
}

function takeOut(state, id) {
  const item = state.items.get(id);
  if (!item || !item.in) return item;
  const queue = queueOf(state, item.in);
  const at = queue.indexOf(item);
  if (at >= 0) queue.splice(at, 1);
  item.in = null;
  return item;
}

function goTo(state, stop) {
  const to = STOPS.indexOf(stop);
  if (state.stop === null) state.way = to;
  else state.way += (to - STOPS.indexOf(state.stop) + STOPS.length) % STOPS.length;
  state.stop = stop;
}

const changes = {
  begin(state) { Object.assign(state, { ended: false, failed: null, stop: null, turn: 0 }); },
  add(state, event) {
    const again = Boolean(takeOut(state, event.id)); // a timer that is set anew
    const item = { again, id: event.id, kind: event.k, place: event.p, due: event.due, in: event.to };
    state.items.set(event.id, item);
    queueOf(state, event.to).push(item);
    if (event.to === "timers") state.stops.timers.sort((a, b) => a.due - b.due || a.id - b.id);
    state.place = event.p;
  },
  cancel(state, event) {
    takeOut(state, event.id);
    state.place = event.p ?? state.place;
  },
  call(state, event) {
    const item = takeOut(state, event.id) || { id: event.id };
    state.items.set(event.id, item);
    item.as = event.as;
    item.since = event.t;
    if (item.kind === "error listener") { // somebody is told of it
      state.failed = null;
      const below = state.stack[state.stack.length - 1];
      if (below) below.isTold = true;
    }
    item.kind = event.k || item.kind || event.as;
    item.place = event.p ?? item.place;
    state.stack.push(item);
    state.place = item.place;
  },
  return(state, event) {
    const item = state.stack.pop();
    if (event.how === "threw" && !item?.isTold) state.failed = "panic";
    if (item && state.items.get(item.id) === item && !item.in) state.items.delete(item.id);
    const below = state.stack[state.stack.length - 1];
    state.place = below ? below.place : null;
  },
  turn(state, event) { state.turn = event.n; },
  phase(state, event) { goTo(state, event.name); state.asleep = false; state.place = null; },
  sleep(state) { state.asleep = true; state.place = null; },
  wake(state) { state.asleep = false; },
  unhandled(state) { state.failed = "rejection"; },
  drain(state) { state.draining = true; },
  drained(state) { state.draining = false; state.place = null; },
  log(state, event, index) { state.log.push(index); state.place = event.p ?? state.place; },
  end(state) { Object.assign(state, { ended: true, stack: [], asleep: false, draining: false, place: null }); },
};

function apply(state, index) {
  const event = recording.events[index];
  state.time = event.t ?? state.time;
  changes[event.e]?.(state, event, index);
  if (state.place !== null) state.near = state.place;
}

// The state behind the first `count` events, from the nearest one that is at hand.
let cached = { count: 0, state: emptyState() };
function stateAt(count) {
  if (count < cached.count) cached = { count: 0, state: emptyState() };
  while (cached.count < count) apply(cached.state, cached.count++);
  return cached.state;
}
