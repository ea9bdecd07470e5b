//! Turns the recording of a run into the data of the page: places in the program instead of places in the
//! host, and the jobs of the engine in the microtask queue.
//!
//! The loop is not told when the engine queues a job, only when it runs one. But the host's marks (see
//! `js/sandbox.js` of `nodeloop-js`) are jobs, too: a job that ran after the mark `n` and before the next was
//! queued between them.

use std::collections::HashMap;
use std::mem::take;

use nodeloop_js::{Ended, MARK};
use serde_json::{Map, Value, json};

/// The name of the program on the page.
const FILE: &str = "program.js";

/// Returns the data of the page; its format is described in `src/recording/page.rs` of nodeloop.
pub(crate) fn page_data(ended: &Ended, source: &str, message: &str) -> Value {
    let mut text = Vec::new();
    ended
        .recording
        .write_json(&mut text)
        .expect("a vector can be written to");
    let mut data: Value = serde_json::from_slice(&text).expect("a recording is JSON");
    let events = match data["events"].take() {
        Value::Array(events) => events.into_iter().map(Event::of).collect(),
        _ => Vec::new(),
    };
    let jobs = Jobs::of(&events);
    let mut replay = Replay::new(jobs);
    for event in events {
        replay.add(event);
    }
    data["events"] = Value::Array(replay.end(ended, message));
    data["locations"] = json!(replay.places);
    data["language"] = json!("js");
    data["title"] = json!("nodeloop playground");
    let lines = (1..).zip(source.lines());
    data["sources"] = json!({ FILE: lines.collect::<Vec<(u64, &str)>>() });
    data
}

/// A call of the program on the stack: line, column, name of the function.
type Call = (u64, u64, String);

/// An event of the recording, or a mark.
enum Event {
    Mark { kind: String, calls: Vec<Call> },
    Other(Map<String, Value>),
}

impl Event {
    fn of(event: Value) -> Event {
        let Value::Object(mut event) = event else {
            unreachable!("an event is an object");
        };
        let text = event.get("text").and_then(Value::as_str);
        match text.and_then(|text| text.strip_prefix(MARK)) {
            Some(printed) if printed.starts_with(MARK) => {
                let printed = json!(printed);
                event.insert("text".to_owned(), printed);
                Event::Other(event)
            }
            Some(mark) => {
                let mut lines = mark.lines();
                Event::Mark {
                    kind: lines.next().unwrap_or_default().to_owned(),
                    calls: lines.filter_map(call).collect(),
                }
            }
            None => Event::Other(event),
        }
    }
}

fn call(line: &str) -> Option<Call> {
    let mut parts = line.splitn(3, '\t');
    let line = parts.next()?.parse().ok()?;
    let column = parts.next()?.parse().ok()?;
    Some((line, column, parts.next()?.to_owned()))
}

fn kind(event: &Map<String, Value>) -> &str {
    event.get("e").and_then(Value::as_str).unwrap_or_default()
}

fn id(event: &Map<String, Value>) -> i64 {
    event.get("id").and_then(Value::as_i64).unwrap_or_default()
}

fn is_job(event: &Map<String, Value>) -> bool {
    kind(event) == "call" && event.get("k").and_then(Value::as_str) == Some("queue_microtask")
}

/// What the marks tell about the jobs of the engine, and about what calls do first.
#[derive(Default)]
struct Jobs {
    /// The jobs that were queued after a mark and before the next one.
    queued_after: HashMap<usize, Vec<i64>>,
    /// The first known place in the program of each call.
    begins_at: HashMap<i64, (u64, u64)>,
    /// The calls in which nothing happened that belongs to the program.
    empty: Vec<i64>,
}

impl Jobs {
    fn of(events: &[Event]) -> Jobs {
        let mut jobs = Jobs::default();
        let mut passed = 0;
        // The open calls, with whether anything happened in them.
        let mut open: Vec<(i64, bool)> = Vec::new();
        for event in events {
            match event {
                Event::Mark { kind, .. } if kind == "passed" => passed += 1,
                Event::Mark { kind, .. } if kind == "empty" => {
                    jobs.empty.extend(open.last().map(|(id, _)| *id));
                }
                Event::Mark { calls, .. } => {
                    if let (Some((id, _)), Some((line, column, _))) = (open.last(), calls.first()) {
                        jobs.begins_at.entry(*id).or_insert((*line, *column));
                    }
                }
                Event::Other(event) if kind(event) == "call" => {
                    open.push((id(event), is_job(event)))
                }
                Event::Other(event) if kind(event) == "return" => {
                    let Some((id, is_job)) = open.pop() else {
                        continue;
                    };
                    if is_job && !jobs.empty.contains(&id) {
                        jobs.queued_after.entry(passed).or_default().push(id);
                    }
                }
                Event::Other(_) => {}
            }
        }
        if let Some((id, true)) = open.last() {
            jobs.queued_after.entry(passed).or_default().push(*id);
        }
        jobs
    }
}

/// The events of the page, as far as they are known.
struct Replay {
    jobs: Jobs,
    events: Vec<Value>,
    places: Vec<(&'static str, u64, u64)>,
    place_of: HashMap<i64, usize>,
    /// The number of marks, and the last of them if its action has not come yet.
    marks: usize,
    mark: Option<(String, Vec<Call>)>,
    /// The mark after whose successor the jobs follow that were queued since.
    ended: Option<usize>,
    time: Value,
}

impl Replay {
    fn new(jobs: Jobs) -> Replay {
        Replay {
            jobs,
            events: Vec::new(),
            places: Vec::new(),
            place_of: HashMap::new(),
            marks: 0,
            mark: None,
            ended: None,
            time: json!(0),
        }
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Mark { kind, .. } if kind == "passed" || kind == "empty" => {}
            Event::Mark { kind, calls } => {
                self.finish_mark();
                if let Some(mark) = self.ended.take() {
                    self.queue_jobs(mark, "", &calls);
                }
                self.marks += 1;
                if kind == "end" {
                    self.ended = Some(self.marks);
                } else {
                    self.mark = Some((kind, calls));
                }
            }
            Event::Other(mut event) => {
                self.time = event.get("t").cloned().unwrap_or_default();
                self.place(&mut event);
                self.push(event);
                self.finish_mark();
            }
        }
    }

    /// Gives an event its place in the program.
    fn place(&mut self, event: &mut Map<String, Value>) {
        event.remove("loc");
        let of_mark = self.mark.as_ref().is_some_and(|(mark, _)| {
            matches!(
                (kind(event), mark.as_str()),
                ("add", "armTimer" | "refreshTimer" | "immediate" | "tick")
                    | ("cancel", "clearTimer" | "clearImmediate" | "refreshTimer")
                    | ("log", "write" | "writeBytes" | "writeError")
            )
        });
        if !of_mark {
            self.finish_mark();
        }
        let id = id(event);
        if self
            .mark
            .as_ref()
            .is_some_and(|(mark, _)| mark == "writeError")
        {
            event.insert("err".to_owned(), json!(true));
        }
        let calls = self.mark.as_ref().map(|(_, calls)| calls.clone());
        if let Some((line, column, _)) = calls.as_ref().and_then(|calls| calls.first()) {
            let place = self.place_at(*line, *column);
            event.insert("loc".to_owned(), json!(place));
            if kind(event) == "add" {
                self.place_of.insert(id, place);
            }
            let calls = calls.unwrap_or_default();
            self.insert_calls(event, &calls);
        } else if let Some(place) = self.place_of.get(&id) {
            event.insert("loc".to_owned(), json!(place));
        }
        if kind(event) == "call" {
            if let Some((line, column)) = self.jobs.begins_at.get(&id).copied() {
                let place = self.place_at(line, column);
                event.insert("at".to_owned(), json!(place));
            }
            if is_job(event) {
                event.remove("k"); // as it was queued
            }
        }
    }

    /// Inserts the functions above the callback, the innermost first.
    fn insert_calls(&mut self, event: &mut Map<String, Value>, calls: &[Call]) {
        let Some((_, inner)) = calls.split_last() else {
            return;
        };
        if !inner.is_empty() {
            let frames: Vec<Value> = inner
                .iter()
                .map(|(line, column, name)| json!([name, self.place_at(*line, *column)]))
                .collect();
            event.insert("calls".to_owned(), Value::Array(frames));
        }
    }

    fn push(&mut self, event: Map<String, Value>) {
        let opens = |event: &Value, of: &str| event["e"] == *of;
        let last = self.events.last();
        match kind(&event) {
            "call" if self.jobs.empty.contains(&id(&event)) => return,
            "return" if self.jobs.empty.contains(&id(&event)) => return,
            // The host listens, but the program does not.
            "return"
                if last.is_some_and(|last| opens(last, "call") && last["k"] == "before_exit") =>
            {
                self.events.pop();
                return;
            }
            "drained" if last.is_some_and(|last| opens(last, "drain")) => {
                let before = self.events.iter().rev().nth(1);
                if !before.is_some_and(|before| opens(before, "return")) {
                    self.events.pop();
                    return;
                }
            }
            _ => {}
        }
        let mut event = event;
        if kind(&event) == "log" {
            self.finish_line(&mut event);
        }
        self.events.push(Value::Object(event));
    }

    /// Removes the end of a printed line.
    fn finish_line(&self, event: &mut Map<String, Value>) {
        let text = event
            .get("text")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let text = text.strip_suffix('\n').unwrap_or(text).to_owned();
        event.insert("text".to_owned(), json!(text));
    }

    /// Queues the jobs of the last mark, whose action has been added, or did not come.
    fn finish_mark(&mut self) {
        if let Some((kind, calls)) = self.mark.take() {
            self.queue_jobs(self.marks, &kind, &calls);
        }
    }

    fn queue_jobs(&mut self, mark: usize, kind: &str, calls: &[Call]) {
        for (nth, id) in self
            .jobs
            .queued_after
            .remove(&mark)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let is_microtask = kind == "queueMicrotask" && nth == 0;
            let mut event = Map::new();
            event.insert("t".to_owned(), self.time.clone());
            event.insert("e".to_owned(), json!("add"));
            event.insert("id".to_owned(), json!(id));
            event.insert("to".to_owned(), json!("microtasks"));
            event.insert(
                "k".to_owned(),
                json!(if is_microtask {
                    "queue_microtask"
                } else {
                    "reaction"
                }),
            );
            let queued_at = calls.first().map(|(line, column, _)| (*line, *column));
            if let Some((line, column)) = queued_at.or(self.jobs.begins_at.get(&id).copied()) {
                let place = self.place_at(line, column);
                event.insert("loc".to_owned(), json!(place));
                self.place_of.insert(id, place);
                self.insert_calls(&mut event, calls);
            }
            self.events.push(Value::Object(event));
        }
    }

    fn place_at(&mut self, line: u64, column: u64) -> usize {
        let place = (FILE, line, column);
        let known = self.places.iter().position(|known| *known == place);
        known.unwrap_or_else(|| {
            self.places.push(place);
            self.places.len() - 1
        })
    }

    /// Adds how the run ended.
    fn end(&mut self, ended: &Ended, message: &str) -> Vec<Value> {
        self.finish_mark();
        let mut events = take(&mut self.events);
        if ended.recording.omitted() == 0 && events.last().is_none_or(|last| last["e"] != "end") {
            events.push(json!({ "t": self.time, "e": "end", "early": true }));
        }
        if let Some(last) = events.last_mut().filter(|last| last["e"] == "end") {
            last["code"] = json!(ended.exit_code);
            if !message.is_empty() {
                last["message"] = json!(message);
            }
        }
        events
    }
}
