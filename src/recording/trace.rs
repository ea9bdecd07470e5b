//! Writes a recording in Chrome's trace event format, which <https://ui.perfetto.dev> opens.
//!
//! The trace has one thread with nested spans: turn ⊃ phase ⊃ callback or drain ⊃ tick or microtask ⊃
//! task. An arrow leads from the queuing of a callback to its call. Two counters show the lengths of
//! the queues, and each line of output is an instant event.
//!
//! Invariants: times only increase, so that they show the nesting, and each begin has an end.

use std::collections::HashSet;

use super::json::Object;
use super::page::{kind_of, nanoseconds};
use super::record::{Called, LocationIndex, Record, What};

/// An open span.
#[derive(Clone, Copy, PartialEq)]
enum Span {
    Turn,
    Phase,
    Sleep,
    Drain,
    Call(i128),
}

struct Trace<'a> {
    events: String,
    record: &'a Record,
    now_ns: u64,
    open: Vec<Span>,
    queued: HashSet<i128>,
    ticks: i64,
    microtasks: i64,
}

/// Returns the recording as one JSON object.
pub(super) fn json(record: &Record, title: &str) -> String {
    let mut trace = Trace {
        events: String::new(),
        record,
        now_ns: 0,
        open: Vec::new(),
        queued: HashSet::new(),
        ticks: 0,
        microtasks: 0,
    };
    trace.names(title);
    for entry in &record.entries {
        trace.advance(nanoseconds(entry.at));
        trace.entry(&entry.what);
    }
    trace.advance(trace.now_ns);
    trace.close_all();

    let mut out = String::with_capacity(trace.events.len() + 200);
    let mut object = Object::new(&mut out);
    object.text("displayTimeUnit", "ms");
    let mut other = Object::new(object.value("otherData"));
    other.text("title", title);
    let clock = if record.is_virtual { "virtual" } else { "real" };
    other.text("clock", clock);
    other.number("omitted", record.omitted as u64).end();
    let array = object.value("traceEvents");
    array.push('[');
    array.push_str(&trace.events);
    array.push_str("\n]");
    object.end();
    out.push('\n');
    out
}

impl Trace<'_> {
    /// Sets the time of the next event. It is the recorded time, but always later than the previous
    /// one: virtual time does not pass while the program runs, and each step must be visible.
    fn advance(&mut self, recorded_ns: u64) {
        let least_ns = if self.record.is_virtual { 1_000 } else { 1 };
        self.now_ns = recorded_ns.max(self.now_ns + least_ns);
    }

    fn names(&mut self, title: &str) {
        for (what, name) in [("process_name", title), ("thread_name", "event loop")] {
            self.event("M", what, |object| {
                Object::new(object.value("args")).text("name", name).end();
            });
        }
    }

    fn entry(&mut self, what: &What) {
        match what {
            What::RunBegin | What::RunEnd => self.close_all(),
            What::Turn(number) => self.begin(Span::Turn, &format!("turn {number}"), None),
            What::TurnEnd => self.close(Span::Turn),
            What::Phase(phase) => self.begin(Span::Phase, &phase.to_string(), None),
            What::PhaseEnd => self.close(Span::Phase),
            What::Sleep(_) => self.begin(Span::Sleep, "sleep", None),
            What::Wake => self.close(Span::Sleep),
            What::Drain => self.begin(Span::Drain, "drain", None),
            What::Drained => self.close(Span::Drain),
            What::Add {
                id, kind, location, ..
            } => {
                let place = self.record.place_of(*id, *location);
                let label = place.map_or(String::new(), |place| self.location(place));
                if self.queued.insert(*id) {
                    self.flow("s", *id);
                }
                self.mark(&format!("queue {}", kind_of(*kind)), "location", &label);
                self.count(kind_of(*kind), 1);
            }
            What::Cancel(_) => self.mark("clear", "location", ""),
            What::Call {
                id,
                called,
                location,
            } => {
                let name = match called {
                    Called::Eager => "spawn",
                    Called::Step(kind) => kind_of(*kind),
                };
                let location = location.and_then(|location| self.record.place_of(*id, location));
                let location = location.map(|location| self.location(location));
                self.begin(Span::Call(*id), name, location.as_deref());
                if self.queued.remove(id) {
                    self.flow("f", *id);
                    self.count(name, -1);
                }
            }
            What::Return { id, .. } => self.close(Span::Call(*id)),
            What::SettledAs { .. } | What::Unhandled { .. } => {}
            What::Log { text, location } => {
                let location = self.location(*location);
                self.mark(text, "location", &location);
            }
        }
    }

    fn begin(&mut self, span: Span, name: &str, location: Option<&str>) {
        self.open.push(span);
        let short =
            location.map(|location| location.rsplit(['/', '\\']).next().unwrap_or(location));
        let name = match short {
            Some(location) => format!("{name} {location}"),
            None => name.to_owned(),
        };
        self.event("B", &name, |object| {
            if let Some(location) = location {
                Object::new(object.value("args"))
                    .text("location", location)
                    .end();
            }
        });
    }

    /// Ends a span and every span inside of it that is still open after a run that ended early.
    fn close(&mut self, span: Span) {
        let Some(index) = self.open.iter().rposition(|open| *open == span) else {
            return;
        };
        while self.open.len() > index {
            self.open.pop();
            self.event("E", "", |_| {});
        }
    }

    fn close_all(&mut self) {
        while self.open.pop().is_some() {
            self.event("E", "", |_| {});
        }
    }

    fn mark(&mut self, name: &str, key: &str, value: &str) {
        self.event("i", name, |object| {
            object.text("s", "t");
            Object::new(object.value("args")).text(key, value).end();
        });
    }

    /// Writes one end of the arrow from the queuing of `id` to its call.
    fn flow(&mut self, phase: &str, id: i128) {
        self.event(phase, "queued", |object| {
            object.text("cat", "queue").number("id", id);
            if phase == "f" {
                object.text("bp", "e");
            }
        });
    }

    fn count(&mut self, kind: &str, change: i64) {
        let (name, count) = match kind {
            "next_tick" => ("ticks", &mut self.ticks),
            "queue_microtask" | "task" => ("microtasks", &mut self.microtasks),
            _ => return,
        };
        *count = (*count + change).max(0);
        let count = *count;
        self.event("C", name, |object| {
            let mut args = Object::new(object.value("args"));
            args.number("queued", count).end();
        });
    }

    fn location(&self, location: LocationIndex) -> String {
        let place = &self.record.locations[location];
        format!("{}:{}", place.file, place.line)
    }

    fn event(&mut self, phase: &str, name: &str, more: impl FnOnce(&mut Object<'_>)) {
        let separator = if self.events.is_empty() { "\n" } else { ",\n" };
        self.events.push_str(separator);
        let mut object = Object::new(&mut self.events);
        object.text("ph", phase);
        if !name.is_empty() {
            object.text("name", name);
        }
        object.thousandth("ts", self.now_ns);
        object.number("pid", 1).number("tid", 1);
        more(&mut object);
        object.end();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_empty_recording_is_a_valid_trace() {
        let text = super::json(&super::Record::new(10), "empty");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["traceEvents"].as_array().unwrap().len(), 2);
    }
}
