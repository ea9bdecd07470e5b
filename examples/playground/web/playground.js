// The playground around the page of a recorded run: `load` of that page shows the recording of a run.

hasAddress = false; // the fragment is the shared program

const options = () => ({
  source: $("text").value,
  node: Number(document.querySelector("#releases input:checked").value),
  virtualTime: $("virtual").checked,
  module: $("module").checked,
});
let programs = [];
let ran = null; // what the shown recording is of

// Edit or replay

function edit(isEditing) {
  document.body.classList.toggle("editing", isEditing);
  if (!isEditing) return;
  play(false);
  number();
  if (!ran) [$("hub-what").textContent, $("hub-more").textContent] = ["the loop", "has not run yet"];
  tell("Write a program, or choose one.", "*Run* replays it step by step: the phases of the loop, both queues, the call stack, and the reason for each step.");
}
function tell(what, why, isProblem = false) {
  setText($("what"), what);
  setText($("why"), why);
  $("what").classList.toggle("problem", isProblem);
}

// The numbers of the lines. A long line is continued below, so a copy of the text is measured.
function number() {
  const text = $("text"), mirror = $("mirror");
  mirror.style.width = `${text.clientWidth}px`;
  mirror.replaceChildren(...text.value.split("\n").map((line) => make("div", "", line || " ")));
  const heights = [...mirror.children].map((line) => line.getBoundingClientRect().height);
  $("numbers").replaceChildren(...heights.map((height, at) => {
    const row = make("div", "", at + 1);
    row.style.height = `${height}px`;
    return row;
  }));
  $("numbers").scrollTop = text.scrollTop;
}

// A run

async function run() {
  const asked = options();
  $("run").disabled = true;
  tell("The program runs …", asked.virtualTime ? "" : "On real time, waiting takes as long as the program asks for.");
  try {
    const response = await fetch("/run", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(asked),
    });
    if (!response.ok) throw new Error(await response.text());
    shown(await response.json(), asked);
  } catch (error) {
    edit(true);
    tell("The program did not run.", error instanceof TypeError ? "The server does not answer. Does `nodeloop-playground` still run?" : error.message, true);
  } finally {
    $("run").disabled = false;
  }
}
function shown(answer, asked) {
  if (!answer.recording) {
    edit(true);
    tell("There is nothing to replay.", answer.message || answer.error, true);
    return;
  }
  ran = answer;
  edit(false);
  load({ ...answer.recording, title: document.title = titleOf(asked.source) });
}
const titleOf = (source) => programs.find((program) => program.source === source)?.title ?? "nodeloop playground";

// Programs

async function fetchPrograms() {
  programs = await (await fetch("/programs")).json();
  const groups = new Map();
  for (const program of programs) {
    if (!groups.has(program.group)) {
      const group = make("optgroup");
      group.label = program.group;
      groups.set(program.group, group);
    }
    const option = make("option", "", program.title);
    option.value = program.id;
    groups.get(program.group).append(option);
  }
  $("programs").append(...groups.values());
}
function choose(id) {
  const program = programs.find((program) => program.id === id);
  if (!program) return;
  $("text").value = program.source;
  $("module").checked = program.module;
  $("programs").value = id;
  $("text").scrollTop = 0;
  history.replaceState(null, "", `#${id}`);
  edit(true);
}

// A program in the address: `#p=` and its JSON, compressed. A fragment is never sent to a server.

const pack = (format, stream) => new Response(stream.pipeThrough(format)).arrayBuffer();
async function toFragment(value) {
  const bytes = new Uint8Array(await pack(new CompressionStream("deflate-raw"), new Blob([JSON.stringify(value)]).stream()));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `p=${btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}
async function ofFragment(fragment) {
  const bytes = Uint8Array.from(atob(fragment.slice(2).replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) { // a small fragment may unfold to much
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    if (text.length > 1_000_000) throw new Error("too long");
  }
  return JSON.parse(text);
}
async function share() {
  history.replaceState(null, "", `#${await toFragment(options())}`);
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  const label = $("share").querySelector("span");
  label.textContent = copied ? "Copied" : "In the address";
  setTimeout(() => { label.textContent = "Share"; }, 2000);
}
async function openFragment() {
  const fragment = location.hash.slice(1);
  if (!fragment.startsWith("p=")) {
    choose(programs.some(({ id }) => id === fragment) ? fragment : programs[0].id);
    return;
  }
  try {
    const shared = await ofFragment(fragment);
    if (typeof shared.source !== "string") throw new Error("no program");
    $("text").value = shared.source;
    $("virtual").checked = shared.virtualTime !== false;
    $("module").checked = shared.module === true;
    const release = document.querySelector(`#releases input[value="${Number(shared.node)}"]`);
    if (release) release.checked = true;
    $("programs").value = "";
    edit(true);
  } catch {
    choose(programs[0].id);
    tell("The program in the address cannot be read.", "The address may have been cut off. It was made by *Share*.", true);
  }
}

$("run").onclick = run;
$("edit").onclick = () => { edit(true); $("text").focus(); };
$("share").onclick = share;
$("programs").onchange = (event) => choose(event.target.value);
$("source").ondblclick = () => { edit(true); $("text").focus(); };
$("text").oninput = () => {
  $("programs").value = programs.find((program) => program.source === $("text").value)?.id ?? "";
  number();
};
$("text").onscroll = () => { $("numbers").scrollTop = $("text").scrollTop; };
$("text").onkeydown = (event) => {
  if (event.key === "Tab" && !event.shiftKey) {
    event.preventDefault();
    document.execCommand("insertText", false, "  "); // keeps the history of changes
  }
};
// A choice of a release or of the time runs the shown program again.
for (const input of document.querySelectorAll("#releases input, #virtual, #module")) {
  input.onchange = () => { if (!document.body.classList.contains("editing")) run(); };
}
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("run").disabled) run();
  if (event.key === "Escape" && !document.body.classList.contains("editing")) $("edit").click();
});
addEventListener("resize", number);
addEventListener("hashchange", openFragment);
fetchPrograms().then(openFragment);
