// The view: `draw` shows the current step, everything else selects a step.

const $ = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
let steps = [];
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 820px)");
// How many cards of a list are shown when there are many.
const shownOf = (list) => (narrow.matches ? { stack: 3 }[list] || 2 : { stack: 5, waiting: 4 }[list] || 3);
let current = 0;
// Where the address keeps the step. A page around this one may use the address for something else.
let hasAddress = true;

// Sentences with `code` and *names*, as nodes.
function setText(element, text) {
  element.replaceChildren(...text.split(/(`[^`]+`|\*[^*]+\*)/).map((part) => {
    if (part[0] === "`" && part.length > 1) return make("code", "", part.slice(1, -1));
    if (part[0] !== "*" || part.length < 2) return document.createTextNode(part);
    const word = part.slice(1, -1);
    return make("em", { tick: "tick", microtask: "microtask", reaction: "microtask" }[word] || "macrotask", word);
  }));
}

// The phases: in a circle, and on a narrow page in a row with the way back below

const angle = (index) => (index * 360) / PHASES.length;
function around(index, radius) {
  const radians = ((angle(index) - 90) * Math.PI) / 180;
  return [180 + radius * Math.cos(radians), 180 + radius * Math.sin(radians)].map((n) => Math.round(n * 10) / 10);
}
const column = (index) => 35 + 72.5 * index;
function phaseOf(name, [x, y], face, [right, up]) {
  return `<g class="phase" id="phase-${name}">${face}<text class="name" x="${x}" y="${y + 5}">${name}</text>` +
    `<circle class="badge" cx="${x + right}" cy="${y - up}" r="12"/>` +
    `<text class="number" x="${x + right}" y="${y - up + 4.5}"></text></g>`;
}
function layPhases() {
  const isRow = narrow.matches;
  $("ring").setAttribute("viewBox", isRow ? "0 0 360 104" : "0 0 360 344");
  $("track").setAttribute("d", isRow ? "M2 34h356v34a14 14 0 0 1-14 14H16a14 14 0 0 1-14-14z" : "M180 54a126 126 0 1 1-.1 0z");
  $("marker").innerHTML = isRow ? '<rect x="-1" y="11" width="72" height="46" rx="14"/>' : '<circle cx="180" cy="54" r="44"/>';
  $("phases").innerHTML = PHASES.map((name, index) => {
    const [x, y] = isRow ? [column(index), 34] : around(index, 126);
    return isRow ? phaseOf(name, [x, y], `<rect class="face" x="${x - 32}" y="15" width="64" height="38" rx="11"/>`, [25, 20])
      : phaseOf(name, [x, y], `<circle class="face" cx="${x}" cy="${y}" r="37"/>`, [27, 27]);
  }).join("");
  $("chevrons").innerHTML = isRow ? '<path d="M45 77l-6 5 6 5M327 77l-6 5 6 5"/>' : PHASES.map((_, index) =>
    `<path d="M176 49l6 5-6 5" transform="rotate(${angle(index + 0.5)} 180 180)"/>`).join("");
  const at = (element, values) => { for (const name in values) element.setAttribute(name, values[name]); };
  at($("hub"), isRow ? { x: 58, y: 64, width: 244, height: 36, rx: 18 } : { x: 110, y: 110, width: 140, height: 140, rx: 70 });
  at($("hub-what"), isRow ? { x: 74, y: 87 } : { x: 180, y: 178 });
  at($("hub-more"), isRow ? { x: 286, y: 87 } : { x: 180, y: 199 });
}

function drawPhases(state) {
  for (const name of PHASES) {
    const phase = $(`phase-${name}`), count = state.phases[name].length;
    phase.classList.toggle("here", state.phase === name && !state.ended);
    phase.classList.toggle("full", count > 0);
    phase.querySelector(".number").textContent = count > 99 ? "99+" : count || "";
  }
  $("marker").style.transform = narrow.matches ? `translate(${72.5 * (state.marker % PHASES.length)}px)` : `rotate(${angle(state.marker)}deg)`;
  $("marker").style.opacity = state.phase === null || state.ended ? 0 : 1;
  const top = state.stack[state.stack.length - 1], bottom = state.stack[0];
  let what = state.phase || "start", more = `turn ${state.turn}`;
  if (state.ended) [what, more] = ["the end", plural(state.turn, "turn")];
  else if (state.asleep) [what, more] = ["asleep", "waits for events"];
  else if (state.draining) [what, more] = ["drain", top ? (top.as === "tick" ? "in a tick" : "in a microtask") : "ticks first"];
  else if (bottom) [what, more] = bottom.as === "main" ? ["main script", "first of all"] : ["a callback", `of ${state.phase || "the loop"}`];
  else if (state.phase === null) [what, more] = ["the start", ""];
  $("hub-what").textContent = what;
  $("hub-more").textContent = more;
  $("hub").setAttribute("class", bottom ? bottom.as : "");
}

// Cards

const fileName = (path) => path.split(/[\\/]/).pop();
let manyFiles = false;
function whereOf(index) {
  const location = locationOf(index);
  if (!location) return "";
  return manyFiles ? `${fileName(location[0])}:${location[1]}` : `line ${location[1]}`;
}
function codeOf(index) {
  const location = locationOf(index);
  const line = location && (recording.sources[location[0]] || []).find((line) => line[0] === location[1]);
  return line ? line[1].trim() : "";
}
const cards = new Map();
function cardOf(item, key, kind, now) {
  let card = cards.get(key);
  if (!card) {
    card = make("li");
    card.append(make("b"), make("code"), make("i"));
    card.dataset.id = item.id;
  }
  card.className = `card ${kind}`;
  const [label, code, where] = card.children;
  label.textContent = labelOf(item);
  code.textContent = codeOf(item.location);
  where.textContent = item.in === "timers" && item.due !== undefined ? (item.due * 1000 <= now ? "due" : `in ${whole(item.due - now / 1000)}`)
    : PHASES.includes(item.in) ? `in ${item.in}` : whereOf(item.location);
  card.classList.toggle("long", code.textContent.length > 24);
  card.title = `${label.textContent} ${whereOf(item.location)}\n${code.textContent}`;
  return card;
}
function drawCards(state) {
  const lists = [
    ["stack", [...state.stack], (item) => item.as],
    ["ticks", state.ticks, () => "tick"],
    ["microtasks", state.microtasks, () => "microtask"],
    ["waiting", PHASES.flatMap((name) => state.phases[name]), () => "macrotask"],
  ];
  // The functions that the running callback has called
  const top = state.stack[state.stack.length - 1];
  for (const [at, [name, location]] of [...(top?.calls || [])].reverse().entries()) {
    lists[0][1].push({ id: `${top.id}/${at}`, as: top.as, kind: name ? `${name}()` : "function", location });
  }
  const used = new Map();
  for (const [id, items, kind] of lists) {
    const count = items.length <= shownOf(id) + 1 ? items.length : shownOf(id);
    const shown = id === "stack" ? items.slice(items.length - count) : items.slice(0, count);
    const nodes = shown.map((item) => {
      const key = used.has(item.id) ? `${item.id} again` : item.id; // a timer that is set again while it runs
      const card = cardOf(item, key, kind(item), state.time);
      used.set(key, card);
      return card;
    });
    const rest = make("li", "more", `and ${items.length - count} more`);
    if (items.length > count) id === "stack" ? nodes.unshift(rest) : nodes.push(rest);
    const list = $(id);
    if (nodes.length !== list.children.length || nodes.some((node, at) => node !== list.children[at])) list.replaceChildren(...nodes);
  }
  const runs = state.stack[0]?.as;
  $("ticks-panel").classList.toggle("now", state.draining && (runs === "tick" || (!runs && state.ticks.length > 0)));
  $("microtasks-panel").classList.toggle("now", runs === "microtask");
  for (const id of cards.keys()) if (!used.has(id)) cards.delete(id);
  for (const [id, card] of used) cards.set(id, card);
}

// A card that changes its list moves there. A new one moves from the callback that created it.
function cardRects() {
  const rects = new Map();
  for (const [id, card] of cards) rects.set(id, card.getBoundingClientRect());
  const top = $("stack").lastElementChild;
  return { rects, source: top && !top.classList.contains("more") ? top.getBoundingClientRect() : null };
}
function move(before, milliseconds) {
  for (const [id, card] of cards) {
    const to = card.getBoundingClientRect();
    const from = before.rects.get(id) || before.source;
    if (!from) {
      card.animate([{ opacity: 0 }, { opacity: 1 }], { duration: milliseconds });
      continue;
    }
    const x = from.left - to.left, y = from.top - to.top;
    if (Math.abs(x) < 1 && Math.abs(y) < 1) continue;
    const start = { transform: `translate(${x}px, ${y}px)`, opacity: before.rects.has(id) ? 1 : 0, zIndex: 3 };
    card.animate([start, { transform: "none", opacity: 1, zIndex: 3 }], { duration: milliseconds, easing: "cubic-bezier(.3, 0, .2, 1)" });
  }
}

// The source of the program

const WORDS = /(\/\/.*$|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\b(?:async|await|fn|function|class|new|throw|try|catch|finally|of|let|move|mut|pub|return|use|if|else|for|in|loop|while|match|struct|impl|const)\b)/;
let shownFile = null;
function drawSource(state) {
  const location = locationOf(state.lastLocation);
  const file = location && recording.sources[location[0]] ? location[0] : shownFile || Object.keys(recording.sources)[0];
  const panel = $("source");
  $("source-panel").hidden = !file;
  if (!file) return;
  if (file !== shownFile) {
    shownFile = file;
    $("file").textContent = fileName(file);
    let previous = 0;
    const rows = [];
    for (const [number, text] of recording.sources[file]) {
      if (previous && number > previous + 1) rows.push(make("div", "gap", "⋯"));
      previous = number;
      const row = make("div");
      row.dataset.line = number;
      const code = make("code");
      code.style.setProperty("--indent", `${text.match(/^ */)[0].length}ch`);
      row.append(make("span", "n", number), code);
      text.replace(/^ +/, "").split(WORDS).forEach((part, at) => {
        code.append(at % 2 === 0 ? part : make("span", part.startsWith("//") ? "comment" : `"'\``.includes(part[0]) ? "text" : "word", part));
      });
      rows.push(row);
    }
    panel.replaceChildren(...rows);
  }
  panel.querySelector(".here")?.classList.remove("here", "macrotask", "tick", "microtask", "main", "task");
  const row = location && location[0] === file && panel.querySelector(`[data-line="${location[1]}"]`);
  if (!row) return;
  if (state.location !== null) row.classList.add("here", (state.stack[state.stack.length - 1] || {}).as || "macrotask");
  const middle = row.offsetTop - (panel.clientHeight - row.offsetHeight) / 2;
  panel.scrollTo({ top: middle, behavior: calm.matches || isStill ? "auto" : "smooth" });
}

// The output: a click on a line shows the step that printed it.

const stepOfEvent = (index) => steps.findIndex((step) => step.end > index);
const kindOfLog = new Map(); // the kind of callback that printed a line
function findKinds() {
  kindOfLog.clear();
  const state = emptyState();
  events.forEach((event, index) => {
    apply(state, index);
    if (event.e === "log") kindOfLog.set(index, state.stack[0]?.as || "");
  });
}
function drawLog(state, isNew) {
  const list = $("log");
  while (list.children.length > state.log.length) list.lastChild.remove();
  for (let at = list.children.length; at < state.log.length; at++) {
    const index = state.log[at];
    const [, gap, indent, text] = events[index].text.match(/^(\n*)([ \t]*)([^]*)$/);
    const line = make("li", kindOfLog.get(index), text || " ");
    line.style.setProperty("--indent", `${indent.length}ch`);
    if (events[index].err) line.classList.add("err");
    if (gap) line.classList.add("gap");
    line.onclick = () => go(stepOfEvent(index));
    list.append(line);
  }
  for (const line of list.querySelectorAll(".new")) line.classList.remove("new");
  if (isNew) list.lastChild?.classList.add("new");
  list.scrollTop = list.scrollHeight;
}

// A step

function draw(animated) {
  const step = steps[current], state = stateAt(step.end);
  const before = animated && !calm.matches ? cardRects() : null;
  drawPhases(state);
  drawCards(state);
  drawSource(state);
  drawLog(state, step.log);
  setText($("what"), step.what);
  setText($("why"), step.why);
  const time = milliseconds(Math.round(state.time) / 1000);
  $("clock").textContent = `turn ${state.turn} · ${recording.clock === "virtual" ? "virtual time " : ""}${time}`;
  $("slider").value = current;
  $("slider").setAttribute("aria-valuetext", `step ${current + 1} of ${steps.length}`);
  $("count").textContent = `${current + 1} / ${steps.length}`;
  $("back").disabled = $("first").disabled = current === 0;
  $("next").disabled = $("last").disabled = current === steps.length - 1;
  if (before) move(before, 320);
}

function go(to, animated = true) {
  to = Math.max(0, Math.min(steps.length - 1, to));
  if (to === current) return;
  const near = Math.abs(to - current) === 1;
  current = to;
  draw(animated && near);
  if (hasAddress) history.replaceState(null, "", `#${current + 1}`);
}

let timer = null;
function play(on) {
  clearTimeout(timer);
  timer = null;
  $("play").classList.toggle("playing", on && steps.length > 0);
  $("play").setAttribute("aria-label", on ? "Pause (space)" : "Play (space)");
  if (!on || !steps.length) return;
  if (current === steps.length - 1) go(0, false);
  const beat = () => {
    if (current === steps.length - 1) return play(false);
    const step = steps[current];
    timer = setTimeout(() => { go(current + 1); beat(); }, 650 + 24 * (step.what.length + step.why.length * 0.7));
  };
  beat();
}
const by = (steps) => { play(false); go(current + steps); };

$("next").onclick = () => by(1);
$("back").onclick = () => by(-1);
$("first").onclick = () => by(-steps.length);
$("last").onclick = () => by(steps.length);
$("play").onclick = () => play(timer === null);
$("slider").oninput = (event) => { play(false); go(Number(event.target.value)); };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("textarea, select")) return;
  const act = {
    ArrowRight: () => by(1), ArrowLeft: () => by(-1), PageDown: () => by(10), PageUp: () => by(-10),
    Home: () => by(-steps.length), End: () => by(steps.length), " ": () => play(timer === null),
  }[event.key];
  if (!act || (event.key === " " && document.activeElement?.matches("button:focus-visible"))) return;
  event.preventDefault();
  act();
});

// A swipe to the left or right, but not over the slider or the source
let touch = null;
addEventListener("touchstart", (event) => {
  const free = event.touches.length === 1 && !event.target.closest("input, textarea, #source");
  touch = free ? event.touches[0] : null;
}, { passive: true });
addEventListener("touchend", (event) => {
  if (!touch) return;
  const x = event.changedTouches[0].clientX - touch.clientX, y = event.changedTouches[0].clientY - touch.clientY;
  if (Math.abs(x) > 48 && Math.abs(x) > 2 * Math.abs(y)) by(x < 0 ? 1 : -1);
  touch = null;
}, { passive: true });

$("theme").onclick = () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
};

// The recording

let isStill = true; // nothing moves while a recording is opened
const stepOfAddress = () => (hasAddress && parseInt(location.hash.slice(1), 10) || 1) - 1;
function load(data) {
  play(false);
  recording = data;
  events = data.events;
  forgetStates();
  cards.clear();
  shownFile = null;
  steps = allSteps();
  findKinds();
  manyFiles = new Set(data.locations.map((location) => location[0])).size > 1;
  $("log").replaceChildren();
  $("title").textContent = data.title;
  $("slider").max = Math.max(0, steps.length - 1);
  current = Math.max(0, Math.min(steps.length - 1, stepOfAddress()));
  if (steps.length) show();
}
// Shows the current step as if the page had been opened on it.
function show() {
  isStill = true;
  document.documentElement.classList.add("still");
  layPhases();
  draw(false);
  requestAnimationFrame(() => requestAnimationFrame(() => {
    isStill = false;
    document.documentElement.classList.remove("still");
  }));
}
addEventListener("hashchange", () => hasAddress && by(stepOfAddress() - current));
narrow.addEventListener("change", () => steps.length && show());
layPhases();
load(recording);
