//! The page that replays a recording, and the data inside of it.
//!
//! The page is one file without any reference to another: its style, its program and the recording
//! stand in it. What the data means is described in [`picture`](super).

use std::collections::BTreeMap;
use std::time::Duration;

use super::json::{self, Object};
use super::record::{Called, Entry, Outcome, Record, What};
use super::sources;
use crate::observe::{Queue, SettledAs, StepKind};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: [&str; 3] = [
    include_str!("page/model.js"),
    include_str!("page/story.js"),
    include_str!("page/view.js"),
];

/// The page as one HTML file.
pub(super) fn html(record: &Record, title: &str, with_sources: bool) -> String {
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + 64 * record.entries.len());
    let mut rest = PAGE;
    // Each mark once, from the first to the last: what is filled in is never searched.
    while let Some((before, behind)) = rest.split_once("{{") {
        let (mark, behind) = behind
            .split_once("}}")
            .expect("a mark of the page is closed");
        page.push_str(before);
        match mark {
            "title" => json::html(&mut page, title),
            "style" => page.push_str(STYLE),
            "recording" => data(&mut page, record, title, with_sources),
            "script" => SCRIPT.iter().for_each(|part| page.push_str(part)),
            _ => unreachable!("the page has no such mark: {mark}"),
        }
        rest = behind;
    }
    page.push_str(rest);
    page
}

/// The recording as JSON.
pub(super) fn data(out: &mut String, record: &Record, title: &str, with_sources: bool) {
    let mut object = Object::new(out);
    object.text("format", "nodeloop-recording");
    object.number("version", 1).text("title", title);
    let clock = if record.is_virtual { "virtual" } else { "real" };
    object.text("clock", clock);
    object.number("left_off", record.left_off as u64);
    json::lines(
        object.value("places"),
        &record.locations,
        |out, location| {
            out.push('[');
            json::string(out, location.file());
            out.push_str(&format!(",{},{}]", location.line(), location.column()));
        },
    );
    let texts = if with_sources {
        sources::around(&record.locations)
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
        !matches!(entry.what, What::TurnEnd | What::PhaseEnd) // the next one says it, too
    });
    json::lines(object.value("events"), shown, event);
    object.end();
}

fn event(out: &mut String, entry: &Entry) {
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
            object
                .text("k", kind_of(*kind))
                .number("p", *location as u64);
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
                object.number("p", *location as u64);
            }
            &mut object
        }
        What::Return { id, outcome } => object.text("e", "return").number("id", *id).text(
            "how",
            match outcome {
                Outcome::Done => "done",
                Outcome::Waits => "waits",
                Outcome::Threw => "threw",
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
            .number("p", *location as u64),
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

/// How the call is counted: by the queue from which it comes.
fn called_as(kind: StepKind) -> &'static str {
    match kind.queue() {
        Queue::MainScript => "main",
        Queue::Tick => "tick",
        Queue::Microtask => "microtask",
        Queue::Macrotask | Queue::Outside => "macrotask",
    }
}

/// Where it waits.
fn queue_of(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Tick => "ticks",
        StepKind::Microtask | StepKind::Task | StepKind::ErrorListener => "microtasks",
        StepKind::Timeout | StepKind::Interval => "timers",
        StepKind::Immediate => "check",
        StepKind::Pending => "pending",
        StepKind::Close => "close",
        _ => "poll",
    }
}

/// The verb behind it, or what it is.
pub(super) fn kind_of(kind: StepKind) -> &'static str {
    match kind {
        StepKind::MainScript => "main",
        StepKind::Tick => "next_tick",
        StepKind::Microtask => "queue_microtask",
        StepKind::Task => "task",
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
