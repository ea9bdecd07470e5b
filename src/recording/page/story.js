// What is told of a run: which events make one step, and the sentences for each step.

const LABELS = {
  main: "main script", set_timeout: "timer", set_interval: "interval", set_immediate: "immediate",
  next_tick: "tick", queue_microtask: "microtask", spawn: "task", readiness: "socket", wake: "wake-up",
  pending: "result", job: "job", close: "close",
};
// What a stop does, where it is more than to call a callback of that name.
const CALLS = {
  set_timeout: "a timer is due, and the loop calls it", set_interval: "an interval is due, and the loop calls it",
  readiness: "a socket is ready, and whoever waits for it is woken", job: "a job is done, and the loop calls what was to come next",
  signal: "a signal has come, and whoever waits for it is told", child: "a child process has ended, and whoever waits for it is told",
  message: "a message from another thread has come, and the loop calls it", wake: "another thread has woken a task",
  pending: "a result is there already, and whoever waits for it is woken", completion: "something is completed, and the loop calls what was to come next",
  close: "something is closed now, and the loop calls its last callback", exit: "the listeners of the exit", before_exit: "the listeners of `before_exit`", "error listener": "the listeners of an error",
};
const labelOf = (item) => LABELS[item.kind] || item.kind || "callback";
const callOf = (item) => CALLS[item.kind] || `the loop calls ${/^[aeiou]/.test(labelOf(item)) ? "an" : "a"} ${labelOf(item)}`;

const STOP_MEANS = {
  timers: "callbacks whose time has come",
  pending: "results that were known without waiting",
  poll: "news from the world: sockets, files, other threads",
  check: "immediates",
  close: "last words of what was closed",
};

const events = recording.events;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const milliseconds = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${Math.round(ms * 1000) / 1000} ms`);
const whole = (ms) => milliseconds(Math.max(1, Math.ceil(ms - 0.001))); // timers count whole ones

// A sentence that explains something in full the first time, and shortly from then on.
const told = new Map();
function once(key, first, later) {
  const count = told.get(key) || 0;
  told.set(key, count + 1);
  return count === 0 ? first : later;
}

const isIdle = (index) => {
  const event = events[index];
  if (event?.e !== "phase") return false;
  let next = index + 1;
  while (events[next]?.e === "turn") next++;
  return ["phase", "end"].includes(events[next]?.e) || next >= events.length;
};

// A call that keeps the loop from everything else for longer than a moment, in words.
function tookOf(event, item) {
  const took = (event.t - item.since) / 1000;
  return took >= 2 && ["main", "macrotask", "tick", "microtask"].includes(item.as) ? `It took ${milliseconds(Math.round(took * 10) / 10)}, in which nothing else could run.` : "";
}

// How many events from `from` on are one step.
function stepLength(from, state) {
  let at = from;
  const is = (...kinds) => kinds.includes(events[at]?.e);
  const skip = (...kinds) => { const found = is(...kinds); if (found) at++; return found; };
  // What a step settles is told with what comes of it.
  while (is("begin") || (is("promise") && events[at].how === "fulfilled" && at + 1 < events.length)) at++;
  if (state.failed && is("phase", "turn", "drain", "drained", "wake", "end")) { // nothing is called any more
    while (skip("phase", "turn", "drain", "drained", "wake")) ;
    return Math.max(1, at + is("end") - from);
  }
  const silent = at;
  if (is("return") && state.stack.length === 1) {
    at++; // the stack is empty: what the loop does next belongs to it
    skip("add"); // an interval
    if (tookOf(events[silent], state.stack[0])) {
      if (skip("drain")) skip("drained");
      return at - from;
    }
    if (skip("call")) return at - from;
    if (skip("drain") && !is("drained")) return at - from;
  } else if (is("drain") && events[at + 1]?.e === "drained") {
    at++;
  }
  if (skip("drained") && skip("call")) return at - from;
  while (skip("turn", "wake")) ;
  if (is("phase")) {
    // From the second turn on the wheel passes the stops where nothing waits in one go.
    while (state.turn > 1 && isIdle(at)) { at++; while (skip("turn")) ; }
    if (skip("phase")) skip("sleep") || skip("call");
  } else if (at > silent && is("call")) {
    at++;
  }
  return (at > silent ? at : silent + 1) - from;
}

const shorten = (text) => {
  const line = text.trim().split("\n")[0].replace(/\s+/g, " ");
  return line.length > 64 ? line.slice(0, 62) + "…" : line;
};

const tellers = {
  add(event, state, item) {
    const label = labelOf(item);
    const ahead = queueOf(state, event.to).length - 1;
    const behind = ahead ? `, behind ${plural(ahead, "other")}` : "";
    if (event.to === "ticks") {
      return [`A *tick* is queued${behind}.`, once("ticks",
        "It will run as soon as the call stack is empty, before everything else.",
        "Ticks come before microtasks.")];
    }
    if (event.to === "microtasks") {
      const what = item.kind === "queue_microtask" ? `A *microtask* is queued${behind}.`
        : `What a task awaits is there: the code behind its \`await\` is queued as a *microtask*${behind}.`;
      return [what, once("microtasks",
        "The rest of an async function never runs at once: it waits until the call stack is empty and all ticks are done.",
        "It waits until the call stack is empty and all ticks are done.")];
    }
    if (event.to === "timers") {
      const delay = event.ms === undefined ? "" : ` for ${whole(event.ms)}`;
      if (item.again) return [`The timer is set anew${delay}.`, "It counts from now on."];
      return [`${item.kind === "set_interval" ? "An interval" : "A timer"} is set${delay}.`, once("timers",
        "Its callback waits at the stop *timers*. The program goes on at once; the time is a lower bound.",
        "The program goes on at once.")];
    }
    if (event.to === "check") {
      return ["An immediate is queued at the stop *check*.", once("check",
        "It runs when the wheel comes to that stop, right behind poll.", "The program goes on at once.")];
    }
    if (event.to === "close") {
      return [`Something is closed: its last callback waits at the stop *close*.`, "The program goes on at once."];
    }
    if (event.to === "pending") {
      return ["The result is known at once, and yet it waits for its stop, *pending*.", "So the order never depends on how fast something was."];
    }
    return [`The ${label} is handed out. What comes of it will arrive at the stop *poll*.`, once("poll",
      "Somebody else does the work meanwhile. The program does not wait, it goes on at once.",
      "The program goes on at once.")];
  },
  cancel(event, state, item) {
    return [`The ${item ? labelOf(item) : "callback"} is cleared.`, "It will never be called."];
  },
  log(event, state) {
    const text = shorten(event.text);
    const top = state.stack[state.stack.length - 1] || {};
    const why = {
      main: "The main script runs from its first line to its last, before anything else.",
      task: "A spawned task runs at once, up to its first wait.",
      tick: "It is a tick's turn: before all microtasks.",
      microtask: top.kind === "task" ? "The task goes on behind its `await`, from the microtask queue." : "It is a microtask's turn: no tick is left.",
      macrotask: { set_timeout: "The time has come, and the wheel is at the stop of the timers.", set_immediate: "Immediates have their turn right behind poll." }[top.kind]
        || "The callback runs from its first line to its last.",
    }[top.as] || "";
    return [`It prints “${text}”${/[.!?…]$/.test(text) ? "" : "."}`, why];
  },
  promise(event) {
    if (event.how === "fulfilled") return ["A promise is fulfilled.", ""];
    return [`A promise is ${event.how === "panicked" ? "rejected, by a panic" : event.how}.`,
      event.how === "aborted" ? "Its task goes no further." : "If nobody has handled that by the end of the drain, it is reported."];
  },
  unhandled() {
    return ["The drain is over, and nobody has handled the rejection: it is reported.", "Errors never pass silently."];
  },
  turn(event) {
    return [`Turn ${event.n} begins.`, ""];
  },
  wake() {
    return ["The loop wakes up.", ""];
  },
  drain(event, state) {
    const ticks = state.ticks.length, microtasks = state.microtasks.length;
    const waiting = [ticks && plural(ticks, "tick"), microtasks && plural(microtasks, "microtask")].filter(Boolean).join(" and ");
    return ["The call stack is empty, so the loop drains the tick queue first, then the microtasks.",
      waiting ? `${waiting[0].toUpperCase()}${waiting.slice(1)} ${ticks + microtasks === 1 ? "waits" : "wait"}. ${once("drain",
        "What is queued meanwhile runs in this drain, too.", "")}` : "Both are empty."];
  },
  drained() {
    return ["Both queues are empty: the drain is over.", "The loop may go on."];
  },
  end(event, state) {
    const left = [state.ticks, state.microtasks, ...Object.values(state.stops)].some((queue) => queue.length > 0);
    if (state.failed) return [`Nobody ${state.failed === "panic" ? "catches the panic" : "has handled the rejection"}: the run ends here.`,
      left ? "What still waits is never called." : "Errors never pass silently."];
    if (left) return ["The run ends here.", "What still waits does not keep the loop alive, or is never called."];
    return ["Nothing is left to wait for: the wheel stops, and the program ends.", ""];
  },
};

const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

function tellPhase(group, state) {
  const phases = group.filter((event) => event.e === "phase").map((event) => event.name);
  const name = phases[phases.length - 1];
  const woke = group.some((event) => event.e === "wake");
  const sleep = group.find((event) => event.e === "sleep");
  if (sleep) {
    const isBounded = sleep.ms !== undefined;
    const until = isBounded ? `until the next timer is due, in ${whole(sleep.ms)}` : "until there is news";
    const again = woke ? "There was news, but none that anybody waits for. " : "Nothing can run now. ";
    return [`${again}The loop ${phases.length > 1 ? "goes round and " : ""}sleeps at the stop *poll*, ${until}.`, once("sleep",
      "This is the only place where the program ever waits. It needs no processor meanwhile.",
      isBounded ? "News from a socket or another thread would wake it earlier." : "")];
  }
  if (phases.length > 1) return [`The wheel passes ${listed(phases)}: nothing to call there.`, ""];
  const here = state.stops[name].length;
  const nothing = {
    timers: here ? "No timer is due yet." : "No timer is set.",
    poll: here ? "Nothing has come yet, and there is other work: the loop does not wait." : "Nothing is on its way.",
  }[name] || "Nothing waits here.";
  return [`Next stop, *${name}*: ${STOP_MEANS[name]}.`, nothing];
}

function tellCall(event, state, item, group) {
  const returned = group.some((other) => other.e === "return");
  if (event.as === "main") {
    return ["The loop calls your main script.", "It is the first callback. Nothing else can run until it has returned."];
  }
  if (event.as === "task") {
    return ["`spawn` starts a task at once, on top of its caller.", once("spawn",
      "As the call of an async function in JavaScript: it runs up to the first `await` that has to wait.",
      "It runs up to the first `await` that has to wait.")];
  }
  if (event.as === "tick") {
    return [returned ? "That has returned. The next *tick* runs." : "The first *tick* leaves its queue and runs.",
      once("tick", "Ticks come before microtasks, always.", "")];
  }
  if (event.as === "microtask") {
    const first = !returned || group.some((other) => other.e === "return" && other.was.as === "tick");
    const what = item.kind === "task" ? ": a task goes on" : "";
    return [first ? `No tick is left, so the first *microtask* runs${what}.`
      : `That has returned. The next *microtask* runs${what}.`,
      once("microtask", "Microtasks run in the order in which they were queued.", "")];
  }
  if (event.p === undefined) return [`The loop calls ${CALLS[item.kind] || "listeners"}.`, ""];
  const why = once("macrotask", "A stop calls one callback at a time. Behind each one, ticks and microtasks are drained.", "");
  const phases = group.filter((other) => other.e === "phase").map((other) => other.name);
  const stop = state.stop || "poll";
  if (!phases.length && group.some((other) => other.e === "drained" || other.e === "return")) {
    return [`Both queues are empty, so the stop *${stop}* goes on: ${callOf(item)}.`, why];
  }
  if (group.some((other) => other.e === "wake") && !phases.length) return [`The loop is awake again: ${callOf(item)}.`, why];
  const passed = phases.slice(0, -1);
  return [`${passed.length ? `The wheel passes ${listed(passed)}. ` : ""}Stop *${stop}*: ${callOf(item)}.`, why];
}

function tellReturn(event, group, state) {
  const took = tookOf(event, event.was);
  if (group.some((other) => other.e === "drain")) {
    if (group.some((other) => other.e === "drained")) {
      return ["It has returned. The call stack is empty, and there are neither ticks nor microtasks.",
        took || (event.was.kind === "exit" ? "" : "So the loop may go on.")];
    }
    const [what, why] = tellers.drain(event, state);
    return [what, `${took} ${why}`.trim()];
  }
  if (event.how === "threw") return ["It panics.", "The panic ends this callback, and goes to whoever handles it."];
  if (event.how === "waits") {
    return ["The task has to wait, so it leaves the stack.", once("waits",
      "Its caller goes on. What is behind the `await` comes back as a microtask.", "Its caller goes on.")];
  }
  const again = group.find((other) => other.e === "add");
  if (again) return [`It has returned, and is set for its next time, in ${whole(again.ms)}.`, took];
  return ["It has returned.", state.stack.length ? "Its caller goes on." : took];
}

// The sentences for the events of one step, given the state behind it.
function tell(group, state) {
  const last = group[group.length - 1];
  const item = state.items.get(last.id);
  if (last.e === "end") return tellers.end(last, state);
  if (last.e === "call") return tellCall(last, state, item, group);
  if (group.some((event) => event.e === "phase")) return tellPhase(group, state);
  const back = group.find((event) => event.e === "return");
  if (back) return tellReturn(back, group, state);
  return (tellers[last.e] || (() => [last.e, ""]))(last, state, item);
}

// All steps: `end` is how many events have happened behind a step.
function allSteps() {
  const steps = [];
  const state = emptyState();
  for (let at = 0; at < events.length;) {
    const count = Math.min(stepLength(at, state), events.length - at);
    const group = events.slice(at, at + count);
    for (const event of group) {
      if (event.e === "return") event.was = { ...state.stack[state.stack.length - 1] };
      apply(state, at++);
    }
    const [what, why] = tell(group, state);
    steps.push({ end: at, what, why, log: group.some((event) => event.e === "log") });
  }
  if (recording.left_off) {
    steps.push({ end: events.length, what: "The run went on, but the recording ends here.",
      why: `It was full: ${plural(recording.left_off, "event")} came behind its limit.` });
  }
  return steps;
}
