// The steps of a run: which events form a step, and the sentences that explain it.

const LABELS = {
  main: "main script", set_timeout: "timer", set_interval: "interval", set_immediate: "immediate",
  next_tick: "tick", queue_microtask: "microtask", spawn: "task", readiness: "socket", wake: "wake-up",
  pending: "result", job: "job", close: "close callback", reaction: "promise job",
};
// What the loop does for a callback, where `LABELS` alone would not explain it.
const CALLS = {
  set_timeout: "a timer is due, and the loop calls it", set_interval: "an interval is due, and the loop calls it",
  readiness: "a socket is ready, and the task that waits for it is woken", job: "a job is done, and the loop calls its callback",
  signal: "a signal has arrived, and the loop calls its listeners", child: "a child process has exited, and the loop reports it",
  message: "a message from another thread has arrived, and the loop calls its callback", wake: "another thread has woken a task",
  pending: "a result was available at once, and the task that waits for it is woken", completion: "an operation has completed, and the loop calls its callback",
  close: "a resource is closed, and the loop calls its close callback", exit: "the listeners of `exit`", before_exit: "the listeners of `before_exit`", beforeExit: "the listeners of `beforeExit`", "error listener": "the error listeners",
};
const labelOf = (item) => LABELS[item.kind] || item.kind || "callback";
const callOf = (item) => CALLS[item.kind] || `the loop calls ${/^[aeiou]/.test(labelOf(item)) ? "an" : "a"} ${labelOf(item)}`;

const PHASE_MEANS = {
  timers: "callbacks of timers that are due",
  pending: "results that were available without waiting",
  poll: "events from sockets, files and other threads",
  check: "immediates",
  close: "callbacks of closed resources",
};

let events = recording.events;
const isJs = () => recording.language === "js" || recording.locations.some(([file]) => /\.[cm]?js$/.test(file));
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const milliseconds = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${Math.round(ms * 1000) / 1000} ms`);
const whole = (ms) => milliseconds(Math.max(1, Math.ceil(ms - 0.001))); // timers have whole milliseconds

// Returns the full explanation the first time and the short one later.
const explained = new Set();
function once(key, first, later) {
  if (explained.has(key)) return later;
  explained.add(key);
  return first;
}

const isIdle = (index) => {
  const event = events[index];
  if (event?.e !== "phase") return false;
  let next = index + 1;
  while (events[next]?.e === "turn") next++;
  return ["phase", "end"].includes(events[next]?.e) || next >= events.length;
};

// A sentence about a call that blocked the loop for a noticeable time.
function tookOf(event, item) {
  const took = (event.t - item.since) / 1000;
  return took >= 2 && ["main", "macrotask", "tick", "microtask"].includes(item.as) ? `It took ${milliseconds(Math.round(took * 10) / 10)}. Nothing else could run in that time.` : "";
}

// Returns how many events, starting with `from`, form one step.
function stepLength(from, state) {
  let at = from;
  const is = (...kinds) => kinds.includes(events[at]?.e);
  const skip = (...kinds) => { const found = is(...kinds); if (found) at++; return found; };
  // A settled promise belongs to the step that follows from it.
  while (is("begin") || (is("promise") && events[at].how === "fulfilled" && at + 1 < events.length)) at++;
  if (state.failed && is("phase", "turn", "drain", "drained", "wake", "end")) { // no callback is called after an error
    while (skip("phase", "turn", "drain", "drained", "wake")) ;
    return Math.max(1, at + is("end") - from);
  }
  const silent = at;
  if (is("return") && state.stack.length === 1) {
    at++; // the stack is empty: the next action of the loop is part of this step
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
    // From the second turn on, phases without callbacks are passed in one step.
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

const describe = {
  add(event, state, item) {
    const label = labelOf(item);
    const ahead = queueOf(state, event.to).length - 1;
    const position = ahead ? `, after ${plural(ahead, "other")}` : "";
    if (event.to === "ticks") {
      return [`A *tick* is queued${position}.`, once("ticks",
        "It runs as soon as the call stack is empty, before everything else.",
        "Ticks run before microtasks.")];
    }
    if (event.to === "microtasks") {
      if (item.kind === "reaction") {
        return [`A promise job is queued as a *microtask*${position}.`, once("reactions",
          "A callback of `then`, and the code after an `await`, never run at once. They wait until the call stack is empty and all ticks have run.",
          "It waits until the call stack is empty and all ticks have run.")];
      }
      const what = item.kind === "queue_microtask" ? `A *microtask* is queued${position}.`
        : `The result that a task awaits is available: the code after its \`await\` is queued as a *microtask*${position}.`;
      return [what, once("microtasks",
        "The rest of an async function never runs at once. It waits until the call stack is empty and all ticks have run.",
        "It waits until the call stack is empty and all ticks have run.")];
    }
    if (event.to === "timers") {
      const delay = event.ms === undefined ? "" : ` for ${whole(event.ms)}`;
      if (item.again) return [`The timer is set again${delay}.`, "Its time starts now."];
      return [`${item.kind === "set_interval" ? "An interval" : "A timer"} is set${delay}.`, once("timers",
        "Its callback waits for the phase *timers*. The program continues at once. The time is a lower bound.",
        "The program continues at once.")];
    }
    if (event.to === "check") {
      return ["An immediate is queued for the phase *check*.", once("check",
        "It runs when the loop reaches that phase, right after poll.", "The program continues at once.")];
    }
    if (event.to === "close") {
      return ["A resource is closed: its close callback waits for the phase *close*.", "The program continues at once."];
    }
    if (event.to === "pending") {
      return ["The result is available at once, but it waits for the phase *pending*.", "The order does not depend on how fast an operation is."];
    }
    return [`The ${label} is started. Its result will arrive in the phase *poll*.`, once("poll",
      "Another thread or the operating system does the work. The program does not wait, it continues at once.",
      "The program continues at once.")];
  },
  cancel(event, state, item) {
    return [`The ${item ? labelOf(item) : "callback"} is cleared.`, "It will never be called."];
  },
  log(event, state) {
    const text = shorten(event.text);
    const top = state.stack[state.stack.length - 1] || {};
    const why = {
      main: "The main script runs from its first line to its last, before anything else.",
      task: "A spawned task runs at once, until it first has to wait.",
      tick: "A tick runs: ticks run before all microtasks.",
      microtask: top.kind === "reaction" ? "A promise job runs from the microtask queue: no tick is left." : top.kind === "task" ? "The task continues after its `await`, from the microtask queue." : "A microtask runs: no tick is left.",
      macrotask: { set_timeout: "The timer is due, and the loop is in the phase *timers*.", set_immediate: "Immediates run right after poll." }[top.kind]
        || "The callback runs from its first line to its last.",
    }[top.kind === "error listener" ? "" : top.as] || (top.kind === "error listener" ? "The error is reported where it occurred, before anything else runs." : "");
    return [`The program prints “${text}”${/[.!?…]$/.test(text) ? "" : "."}`, why];
  },
  promise(event) {
    if (event.how === "fulfilled") return ["A promise is fulfilled.", ""];
    if (isJs() && event.how === "panicked") return ["A promise is rejected.", "If it has not been handled by the end of the drain, it is reported."];
    return [`A promise is ${event.how === "panicked" ? "rejected, by a panic" : event.how}.`,
      event.how === "aborted" ? "Its task does not continue." : "If it has not been handled by the end of the drain, it is reported."];
  },
  unhandled() {
    return ["The drain is over and the rejection has not been handled, so it is reported.", "No error is lost."];
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
        "Ticks and microtasks that are queued during the drain run in it, too.", "")}` : "Both are empty."];
  },
  drained() {
    return ["Both queues are empty: the drain is over.", "The loop continues."];
  },
  end(event, state) {
    if (event.message) return ["The program was stopped.", event.message];
    if (event.early) return [`The program ends here, with the exit code ${event.code}.`,
      event.code === 0 ? "What still waits is never called." : "An error that is not handled, or a call of `process.exit`, ends it at once."];
    const left = [state.ticks, state.microtasks, ...Object.values(state.phases)].some((queue) => queue.length > 0);
    if (state.failed) return [`The ${state.failed} is not handled: the run ends here.`,
      left ? "The callbacks that still wait are never called." : "No error is lost."];
    if (left) return ["The run ends here.", "What still waits does not keep the loop alive and is not called."];
    return ["Nothing keeps the loop alive: it stops, and the program ends.", event.code === undefined ? "" : `The exit code is ${event.code}.`];
  },
};

const list = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

function describePhase(group, state) {
  const phases = group.filter((event) => event.e === "phase").map((event) => event.name);
  const name = phases[phases.length - 1];
  const woke = group.some((event) => event.e === "wake");
  const sleep = group.find((event) => event.e === "sleep");
  if (sleep) {
    const isBounded = sleep.ms !== undefined;
    const until = isBounded ? `until the next timer is due, in ${whole(sleep.ms)}` : "until an event arrives";
    const again = woke ? "An event arrived, but nothing waits for it. " : "Nothing can run now. ";
    return [`${again}The loop ${phases.length > 1 ? "completes its turn and " : ""}sleeps in the phase *poll*, ${until}.`, once("sleep",
      "The loop waits only here. It uses no processor time while it waits.",
      isBounded ? "An event from a socket or another thread would wake it earlier." : "")];
  }
  if (phases.length > 1) return [`The loop passes ${list(phases)}: no callback waits there.`, "A turn visits all five phases, also those in which nothing waits."];
  const here = state.phases[name].length;
  const nothing = {
    timers: here ? "No timer is due yet." : "No timer is set.",
    poll: here ? "No event has arrived yet, and there is other work: the loop does not wait." : "No operation is pending.",
  }[name] || "Nothing waits here.";
  return [`Next phase, *${name}*: ${PHASE_MEANS[name]}.`, nothing];
}

function describeCall(event, state, item, group) {
  const returned = group.some((other) => other.e === "return");
  if (item.kind === "error listener") {
    return ["The loop calls the error listeners.", isJs() ? "Listeners of `uncaughtException` or `unhandledRejection`. Without one, the error ends the program."
      : "Without one that handles the error, the run ends."];
  }
  if (event.as === "main") {
    return ["The loop calls the main script.", "It is the first callback. Nothing else can run until it has returned."];
  }
  if (event.as === "task") {
    return ["`spawn` starts a task at once, on the call stack of its caller.", once("spawn",
      "Like a call of an async function in JavaScript, it runs until the first `await` that has to wait.",
      "It runs until the first `await` that has to wait.")];
  }
  if (event.as === "tick") {
    return [returned ? "The callback has returned. The next *tick* runs." : "The first *tick* runs.",
      once("tick", "Ticks always run before microtasks.", "It was queued first. No microtask runs before the tick queue is empty.")];
  }
  if (event.as === "microtask") {
    const first = !returned || group.some((other) => other.e === "return" && other.was.as === "tick");
    const what = item.kind === "task" ? ": a task continues" : item.kind === "reaction" ? ": a promise job" : "";
    return [first ? `No tick is left, so the first *microtask* runs${what}.`
      : `The callback has returned. The next *microtask* runs${what}.`,
      once("microtask", "Microtasks run in the order in which they were queued.", "The tick queue is empty, and of the microtasks this one was queued first.")];
  }
  if (event.loc === undefined && CALLS[item.kind]?.startsWith("the ")) {
    const why = { exit: "They are called once, at the very end. What they queue is never called.",
      before_exit: "Nothing is left to do, but the listeners may queue more." }[item.kind] || "";
    return [`The loop calls ${CALLS[isJs() && item.kind === "before_exit" ? "beforeExit" : item.kind]}.`, why];
  }
  const why = once("macrotask", "A phase calls one callback at a time. After each one, the ticks and microtasks are drained.", "After it, the ticks and microtasks are drained.");
  const phases = group.filter((other) => other.e === "phase").map((other) => other.name);
  const phase = state.phase || "poll";
  if (!phases.length && group.some((other) => other.e === "drained" || other.e === "return")) {
    return [`Both queues are empty, so the phase *${phase}* continues: ${callOf(item)}.`, why];
  }
  if (group.some((other) => other.e === "wake") && !phases.length) return [`The loop wakes up: ${callOf(item)}.`, why];
  const passed = phases.slice(0, -1);
  return [`${passed.length ? `The loop passes ${list(passed)}. ` : ""}Phase *${phase}*: ${callOf(item)}.`, why];
}

function describeReturn(event, group, state) {
  const took = tookOf(event, event.was);
  if (group.some((other) => other.e === "drain")) {
    if (group.some((other) => other.e === "drained")) {
      return ["The callback has returned. The call stack is empty, and so are both queues.",
        took || (event.was.kind === "exit" ? "The run is over." : "The loop continues.")];
    }
    const [what, why] = describe.drain(event, state);
    return [what, `${took} ${why}`.trim()];
  }
  if (event.how === "panicked" && isJs()) return ["The callback throws an error.", "The error ends this callback. A listener of `uncaughtException` may handle it."];
  if (event.how === "panicked") return ["The callback panics.", "The panic ends this callback. An error listener may handle it."];
  if (event.how === "waits") {
    return ["The task has to wait, so it leaves the stack.", once("waits",
      "Its caller continues. The code after the `await` will run as a microtask.", "Its caller continues.")];
  }
  const again = group.find((other) => other.e === "add");
  if (again) return [`The callback has returned. The interval is due again in ${whole(again.ms)}.`, took];
  return ["The callback has returned.", state.stack.length ? "Its caller continues." : took || (state.draining ? "The drain continues." : "")];
}

// Returns the sentences for the events of one step, given the state after it.
function describeStep(group, state) {
  const last = group[group.length - 1];
  const item = state.items.get(last.id);
  if (last.e === "end") return describe.end(last, state);
  if (last.e === "call") return describeCall(last, state, item, group);
  if (group.some((event) => event.e === "phase")) return describePhase(group, state);
  const back = group.find((event) => event.e === "return");
  if (back) return describeReturn(back, group, state);
  return (describe[last.e] || (() => [last.e, ""]))(last, state, item);
}

// Returns all steps; `end` is the number of events up to the end of the step.
function allSteps() {
  explained.clear();
  const steps = [];
  const state = emptyState();
  for (let at = 0; at < events.length;) {
    const count = Math.min(stepLength(at, state), events.length - at);
    const group = events.slice(at, at + count);
    for (const event of group) {
      if (event.e === "return") event.was = { ...state.stack[state.stack.length - 1] };
      apply(state, at++);
    }
    const [what, why] = describeStep(group, state);
    steps.push({ end: at, what, why, log: group.some((event) => event.e === "log") });
  }
  if (recording.omitted) {
    steps.push({ end: events.length, what: "The run continued, but the recording ends here.",
      why: `It has reached its limit: ${plural(recording.omitted, "event")} came after it.` });
  }
  return steps;
}
