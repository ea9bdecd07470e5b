//! Writes the page that replays a recording, and the data inside of it.
//!
//! The page is one file that contains its style, its program and the recording, and refers to no other
//! file. The element `<script type="application/json" id="recording">` holds the data, with `format`
//! `nodeloop-recording` and `version` 1:
//!
//! | field | meaning |
//! |---|---|
//! | `title`, `clock` | the heading; `real` or `virtual` |
//! | `omitted` | the number of events after the limit |
//! | `locations` | `[file, line, column]`; `loc` is an index into it |
//! | `sources` | by file, `[number, text]` for the lines that could be read |
//! | `events` | the events in order; `t` is the time in µs since the run began |
//!
//! | `e` of an event | other fields | meaning |
//! |---|---|---|
//! | `begin`, `end` | | a run begins or ends |
//! | `turn`, `phase` | `n`; `name` | a turn or a phase begins |
//! | `sleep`, `wake` | `ms`, absent without a limit | the poll phase waits or continues |
//! | `add` | `id`, `to`, `k`, `loc` if it has a place, `ms` and `due` for timers | something is queued in `to` |
//! | `cancel` | `id` | it was cleared |
//! | `call` | `id`, `as`, `k`, `loc` | a callback, tick, microtask or task is called |
//! | `return` | `id`, `how`: `done`, `waits` or `panicked` | it returns |
//! | `drain`, `drained` | | a drain of both queues begins or ends |
//! | `promise`, `unhandled` | `id`, `how` | a promise is settled; its rejection is reported |
//! | `log` | `text`, `loc` | the program prints a line |
//!
//! The page also shows what the host of an engine may add to the data (`examples/playground` does):
//!
//! | field | meaning |
//! |---|---|
//! | `language` | `js`: the sentences use the words of JavaScript |
//! | `at` of a `call` | an index into `locations`: the first line of the callback that is known |
//! | `calls` of an `add`, `cancel` or `log` | `[name, location]` of the functions above the callback, the innermost first |
//! | `err` of a `log` | `true`: it is printed on standard error |
//! | `code`, `early`, `message` of an `end` | the exit code; `true` if the program ended itself; why it was stopped |

use std::collections::BTreeMap;
use std::time::Duration;

use super::json::{self, Object};
use super::record::{Called, Entry, LocationIndex, Outcome, Record, What};
use super::sources;
use crate::observe::{Queue, SettledAs, StepKind};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: [&str; 3] = [
    include_str!("page/model.js"),
    include_str!("page/story.js"),
    include_str!("page/view.js"),
];

/// Returns the page as one HTML file.
pub(super) fn html(record: &Record, title: &str, with_sources: bool) -> String {
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + 64 * record.entries.len());
    let mut rest = PAGE;
    // Searches only the template for placeholders, never the inserted text.
    while let Some((before, after)) = rest.split_once("{{") {
        let (placeholder, after) = after
            .split_once("}}")
            .expect("every placeholder of the page is closed");
        page.push_str(before);
        match placeholder {
            "title" => json::html(&mut page, title),
            "style" => page.push_str(STYLE),
            "recording" => data(&mut page, record, title, with_sources),
            "script" => SCRIPT.iter().for_each(|part| page.push_str(part)),
            _ => unreachable!("unknown placeholder in the page: {placeholder}"),
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Appends the recording as JSON.
pub(super) fn data(out: &mut String, record: &Record, title: &str, with_sources: bool) {
    let mut object = Object::new(out);
    object.text("format", "nodeloop-recording");
    object.number("version", 1).text("title", title);
    let clock = if record.is_virtual { "virtual" } else { "real" };
    object.text("clock", clock);
    object.number("omitted", record.omitted as u64);
    let places = record.shown_places();
    json::lines(object.value("locations"), places.values(), |out, place| {
        out.push('[');
        json::string(out, &place.file);
        out.push_str(&format!(",{},{}]", place.line, place.column));
    });
    let texts = if with_sources {
        sources::around(places.values().copied(), &record.sources)
    } else {
        BTreeMap::new()
    };
    let mut files = Object::new(object.value("sources"));
    for (file, lines) in texts {
        json::lines(files.value(file), lines, |out, (number, text)| {
            out.push_str(&format!("[{number},"));
            json::string(out, &text);
            out.push(']');
        });
    }
    files.end();
    let shown = record.entries.iter().filter(|entry| {
        !matches!(entry.what, What::TurnEnd | What::PhaseEnd) // implied by the next event
    });
    let indices = Indices {
        record,
        shown: places.into_keys().zip(0..).collect(),
    };
    json::lines(object.value("events"), shown, |out, entry| {
        event(out, entry, &indices);
    });
    object.end();
}

/// The indices of the places that the page contains.
struct Indices<'a> {
    record: &'a Record,
    shown: BTreeMap<LocationIndex, u64>,
}

impl Indices<'_> {
    /// Writes the place of the entry `id`, if it has one.
    fn write_place<'o, 'a>(
        &self,
        object: &'o mut Object<'a>,
        id: i128,
        location: LocationIndex,
    ) -> &'o mut Object<'a> {
        match self.record.place_of(id, location) {
            Some(place) => object.number("loc", self.shown[&place]),
            None => object,
        }
    }
}

fn event(out: &mut String, entry: &Entry, indices: &Indices<'_>) {
    let mut object = Object::new(out);
    object.thousandth("t", nanoseconds(entry.at));
    match &entry.what {
        What::RunBegin => object.text("e", "begin"),
        What::RunEnd => object.text("e", "end"),
        What::Turn(number) => object.text("e", "turn").number("n", *number),
        What::TurnEnd | What::PhaseEnd => &mut object,
        What::Phase(phase) => object.text("e", "phase").text("name", &phase.to_string()),
        What::Sleep(at_most) => {
            object.text("e", "sleep");
            match at_most {
                Some(at_most) => milliseconds(&mut object, "ms", *at_most),
                None => &mut object,
            }
        }
        What::Wake => object.text("e", "wake"),
        What::Drain => object.text("e", "drain"),
        What::Drained => object.text("e", "drained"),
        What::Add {
            id,
            kind,
            due,
            location,
        } => {
            object.text("e", "add").number("id", *id);
            object.text("to", queue_of(*kind));
            object.text("k", kind_of(*kind));
            indices.write_place(&mut object, *id, *location);
            if let Some(due) = due {
                milliseconds(&mut object, "ms", due.saturating_sub(entry.at));
                milliseconds(&mut object, "due", *due);
            }
            &mut object
        }
        What::Cancel(id) => object.text("e", "cancel").number("id", *id),
        What::Call {
            id,
            called,
            location,
        } => {
            object.text("e", "call").number("id", *id);
            match called {
                Called::Eager => object.text("as", "task").text("k", "spawn"),
                Called::Step(kind) => object
                    .text("as", called_as(*kind))
                    .text("k", kind_of(*kind)),
            };
            if let Some(location) = location {
                indices.write_place(&mut object, *id, *location);
            }
            &mut object
        }
        What::Return { id, outcome } => object.text("e", "return").number("id", *id).text(
            "how",
            match outcome {
                Outcome::Done => "done",
                Outcome::Waits => "waits",
                Outcome::Panicked => "panicked",
            },
        ),
        What::SettledAs { promise, settled } => {
            object
                .text("e", "promise")
                .number("id", -i128::from(*promise));
            object.text("how", settled_as(*settled))
        }
        What::Unhandled { promise } => object
            .text("e", "unhandled")
            .number("id", -i128::from(*promise)),
        What::Log { text, location } => object
            .text("e", "log")
            .text("text", text)
            .number("loc", indices.shown[location]),
    };
    object.end();
}

fn milliseconds<'o, 'a>(
    object: &'o mut Object<'a>,
    name: &str,
    duration: Duration,
) -> &'o mut Object<'a> {
    object.thousandth(name, nanoseconds(duration) / 1_000)
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn settled_as(settled: SettledAs) -> &'static str {
    match settled {
        SettledAs::Fulfilled => "fulfilled",
        SettledAs::Rejected => "rejected",
        SettledAs::Panicked => "panicked",
        SettledAs::Aborted => "aborted",
    }
}

/// Returns the kind of queue that a call comes from.
fn called_as(kind: StepKind) -> &'static str {
    match kind.queue() {
        Queue::MainScript => "main",
        Queue::Tick => "tick",
        Queue::Microtask => "microtask",
        Queue::Macrotask | Queue::Outside => "macrotask",
    }
}

/// Returns the name of the queue in which a callback waits.
fn queue_of(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Tick => "ticks",
        StepKind::Microtask | StepKind::Task | StepKind::Reaction | StepKind::ErrorListener => {
            "microtasks"
        }
        StepKind::Timeout | StepKind::Interval => "timers",
        StepKind::Immediate => "check",
        StepKind::Pending => "pending",
        StepKind::Close => "close",
        _ => "poll",
    }
}

/// Returns the function that queues such a callback, or a name for it.
pub(super) fn kind_of(kind: StepKind) -> &'static str {
    match kind {
        StepKind::MainScript => "main",
        StepKind::Tick => "next_tick",
        StepKind::Microtask => "queue_microtask",
        StepKind::Task | StepKind::Reaction => "task",
        StepKind::Timeout => "set_timeout",
        StepKind::Interval => "set_interval",
        StepKind::Immediate => "set_immediate",
        StepKind::JobDone => "job",
        StepKind::Readiness => "readiness",
        StepKind::Signal => "signal",
        StepKind::ChildExit => "child",
        StepKind::Message => "message",
        StepKind::RemoteWake => "wake",
        StepKind::Simulated => "completion",
        StepKind::Pending => "pending",
        StepKind::Close => "close",
        StepKind::ErrorListener => "error listener",
        StepKind::BeforeExit => "before_exit",
        StepKind::Exit => "exit",
    }
}
