//! The ordered log of a test.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::diff;
use super::shared::{new_name, touch_key};
use crate::event_loop::current::try_current;
use crate::observe::event::Phase;
use crate::observe::position;
use crate::observe::position::Position;
use crate::phases::macrotask::{SourceLocation, StepKind};
use crate::phases::poll::delivery::footprint::{Access, Key};
use crate::runtime::MainOutput;

/// A record of what happened, in order, with the position of the loop at each entry.
///
/// Clones write to the same log, from callbacks, futures and other threads: a `Log` is `Send`. The
/// order of entries that several threads write at the same time is not defined; use the assertions
/// about partial orders for these.
///
/// Each entry contains the phase, the turn, the queue and the virtual time, the location where the
/// running callback was created, and the location where the entry was logged. A failed comparison
/// prints them:
///
/// ```text
/// the order differs (- expected, + logged)
///     1 "tick"       tick, before the first turn, t=0 ms, queued at src/x.rs:11
///   - 2 "immediate"  logged as entry 3
///   + 2 "timeout"    timers, before the first turn, t=1 ms, set at src/x.rs:12
///     3 "immediate"  check, turn 1, t=1 ms, set at src/x.rs:13
/// ```
///
/// A `-` is an expected entry that is missing here, a `+` an entry that was not expected here.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::{next_tick, set_immediate, set_timeout};
///
/// nodeloop::test::run(async |t| {
///     let log = t.log();
///     set_timeout(Duration::from_millis(20), log.callback("timeout"));
///     set_immediate(log.callback("immediate"));
///     next_tick(log.callback("tick"));
///     t.until_idle().await;
///     log.assert_order(["tick", "immediate", "timeout"]);
///     log.assert_before("immediate", "timeout");
///     log.assert_never("a second tick");
/// });
/// ```
#[derive(Clone, Default)]
pub struct Log {
    entries: Arc<Mutex<Vec<LogEntry>>>,
    /// Identifies the log in every order; 0 for those that were created outside of a loop.
    name: u64,
}

impl MainOutput for Log {}

/// An entry of a [`Log`]. `Display` prints its position.
#[derive(Debug, Clone)]
pub struct LogEntry {
    pub(super) label: String,
    pub(super) position: Position,
    pub(super) logged_at: SourceLocation,
    /// The thread, if it does not run a loop.
    pub(super) thread: Option<(ThreadId, String)>,
}

impl Log {
    /// Creates an empty log.
    pub fn new() -> Log {
        Log {
            name: new_name(),
            ..Log::default()
        }
    }

    /// Adds an entry with the position of the running code.
    #[track_caller]
    pub fn add(&self, label: impl fmt::Display) {
        self.add_at(label.to_string(), Location::caller());
    }

    /// Returns a callback that adds an entry when it is called.
    #[track_caller]
    pub fn callback(&self, label: impl fmt::Display) -> impl FnMut() + Send + 'static {
        let (log, label, location) = (self.clone(), label.to_string(), Location::caller());
        move || log.add_at(label.clone(), location)
    }

    /// Returns a handler that adds an entry when it is called, for `then` and for listeners that
    /// receive a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::promise;
    ///
    /// nodeloop::test::run(async |t| {
    ///     let log = t.log();
    ///     promise::ready(7).then(log.reaction("fulfilled")).detach();
    ///     promise::resolve::<_, String>(7).then(log.reaction("resolved"));
    ///     t.until_idle().await;
    ///     log.assert_order(["fulfilled", "resolved"]);
    /// });
    /// ```
    #[track_caller]
    pub fn reaction<T>(&self, label: impl fmt::Display) -> impl FnMut(T) + Send + 'static {
        let (log, label, location) = (self.clone(), label.to_string(), Location::caller());
        move |_| log.add_at(label.clone(), location)
    }

    fn add_at(&self, label: String, logged_at: SourceLocation) {
        if let Some(state) = try_current()
            && let Some(journal) = state.journal()
        {
            journal.label(&label, logged_at);
        }
        let position = position();
        let outside = position.kind.is_none();
        let thread = outside.then(|| {
            let current = thread::current();
            (current.id(), current.name().unwrap_or("unnamed").to_owned())
        });
        self.push(LogEntry {
            label,
            position,
            logged_at,
            thread,
        });
    }

    pub(super) fn push(&self, entry: LogEntry) {
        touch_key(Key::Log(self.name), Access::Write);
        self.lock().push(entry);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LogEntry>> {
        // No user code runs under the lock, so the entries are valid even if it is poisoned.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all entries so far.
    pub fn entries(&self) -> Vec<LogEntry> {
        touch_key(Key::Log(self.name), Access::Read);
        self.lock().clone()
    }

    /// Returns the entries after the first `count`.
    pub(super) fn entries_after(&self, count: usize) -> Vec<LogEntry> {
        self.lock()[count..].to_vec()
    }

    /// Returns the labels of all entries so far.
    pub fn labels(&self) -> Vec<String> {
        touch_key(Key::Log(self.name), Access::Read);
        let entries = self.lock();
        entries.iter().map(|entry| entry.label.clone()).collect()
    }

    /// Returns whether nothing has been logged.
    pub fn is_empty(&self) -> bool {
        touch_key(Key::Log(self.name), Access::Read);
        self.lock().is_empty()
    }

    /// Removes all entries, for a test with several parts.
    pub fn clear(&self) {
        touch_key(Key::Log(self.name), Access::Write);
        self.lock().clear();
    }

    /// Asserts that the log consists of exactly these labels in this order.
    ///
    /// # Panics
    ///
    /// Panics if it does not, with a difference that contains the position of each entry.
    #[track_caller]
    pub fn assert_order<'a>(&self, expected: impl AsRef<[&'a str]>) {
        let (entries, expected) = (self.entries(), expected.as_ref());
        if !entries
            .iter()
            .map(LogEntry::label)
            .eq(expected.iter().copied())
        {
            let difference = diff::difference(expected, &entries);
            panic!("the order differs (- expected, + logged)\n{difference}");
        }
    }

    /// Asserts that these labels occur in this order, possibly with other entries in between.
    ///
    /// # Panics
    ///
    /// Panics if they do not.
    #[track_caller]
    pub fn assert_in_order<'a>(&self, labels: impl AsRef<[&'a str]>) {
        let (entries, labels) = (self.entries(), labels.as_ref());
        let mut remaining = entries.iter().enumerate();
        let mut previous: Option<usize> = None;
        for label in labels {
            let Some((index, _)) = remaining.find(|(_, entry)| entry.label == **label) else {
                must_have(&entries, &[*label]);
                let missing = match previous {
                    Some(index) => format!("no {label:?} comes after{}", line(&entries, index)),
                    None => format!("no {label:?} is left"),
                };
                panic!("{missing}\n{}", whole(&entries));
            };
            previous = Some(index);
        }
    }

    /// Asserts that every entry `first` comes before every entry `second`, and that both occur.
    ///
    /// # Panics
    ///
    /// Panics if a label is missing, or if an entry `second` comes before an entry `first`.
    #[doc(alias = "assert_after")]
    #[track_caller]
    pub fn assert_before(&self, first: &str, second: &str) {
        let entries = self.entries();
        must_have(&entries, &[first, second]);
        let last_of_first = entries.iter().rposition(|entry| entry.label == first);
        let first_of_second = entries.iter().position(|entry| entry.label == second);
        if let (Some(first), Some(second)) = (last_of_first, first_of_second)
            && first >= second
        {
            let (first_line, second_line) = (line(&entries, first), line(&entries, second));
            panic!(
                "{:?} must come before {:?}, but came after it{second_line}{first_line}",
                entries[first].label, entries[second].label
            );
        }
    }

    /// Asserts that these labels occur in this order with nothing in between, somewhere in the log.
    ///
    /// # Panics
    ///
    /// Panics if they do not.
    #[track_caller]
    pub fn assert_contiguous<'a>(&self, labels: impl AsRef<[&'a str]>) {
        let (entries, labels) = (self.entries(), labels.as_ref());
        must_have(&entries, labels);
        let is_run = |window: &[LogEntry]| {
            window
                .iter()
                .map(LogEntry::label)
                .eq(labels.iter().copied())
        };
        if labels.is_empty() || entries.windows(labels.len()).any(is_run) {
            return;
        }
        // The part of the log from the first of the labels to the last.
        let is_listed = |entry: &LogEntry| labels.contains(&entry.label());
        let first = entries.iter().position(is_listed).unwrap_or(0);
        let last = entries.iter().rposition(is_listed).unwrap_or(first);
        let part = &entries[first..=last];
        let difference = diff::difference_from(labels, part, first);
        panic!("{labels:?} must come with nothing in between\n{difference}");
    }

    /// Asserts that all entries with these labels were logged in the same phase of the same turn,
    /// including the drains after its callbacks, or all before the first turn.
    ///
    /// # Panics
    ///
    /// Panics if they did not.
    #[track_caller]
    pub fn assert_same_phase<'a>(&self, labels: impl AsRef<[&'a str]>) {
        let (entries, labels) = (self.entries(), labels.as_ref());
        must_have(&entries, labels);
        let is_listed = |entry: &LogEntry| labels.contains(&entry.label());
        let mut phases: Vec<(u64, Option<Phase>, Option<ThreadId>)> = entries
            .iter()
            .filter(|entry| is_listed(entry))
            .map(LogEntry::phase_and_turn)
            .collect();
        phases.dedup();
        if phases.len() > 1 {
            let numbered = entries.iter().enumerate();
            let lines = numbered.filter(|(_, entry)| is_listed(entry));
            let lines: String = lines.map(|(index, _)| line(&entries, index)).collect();
            panic!("these must run in the same phase of the same turn, but did not{lines}");
        }
    }

    /// Asserts that there is exactly one entry with this label.
    ///
    /// # Panics
    ///
    /// Panics if there is none or more than one.
    #[track_caller]
    pub fn assert_once(&self, label: &str) {
        let entries = self.entries();
        must_have(&entries, &[label]);
        let found = all_of(&entries, label);
        if found.len() > 1 {
            let lines: String = found.iter().map(|index| line(&entries, *index)).collect();
            panic!(
                "{label:?} must be logged once, but was logged {} times{lines}",
                found.len()
            );
        }
    }

    /// Asserts that there is no entry with this label.
    ///
    /// # Panics
    ///
    /// Panics if there is one.
    #[track_caller]
    pub fn assert_never(&self, label: &str) {
        let entries = self.entries();
        let found = all_of(&entries, label);
        if !found.is_empty() {
            let lines: String = found.iter().map(|index| line(&entries, *index)).collect();
            panic!("{label:?} must never be logged, but was{lines}");
        }
    }
}

impl LogEntry {
    /// Returns the label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the position of the loop: turn, phase, queue, time, and where the running callback was
    /// created.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the location of the call of [`Log::add`] or [`Log::callback`].
    pub fn logged_at(&self) -> &'static Location<'static> {
        self.logged_at
    }

    fn phase_and_turn(&self) -> (u64, Option<Phase>, Option<ThreadId>) {
        let thread = self.thread.as_ref().map(|(id, _)| *id);
        (self.position.turn, self.position.phase, thread)
    }
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = &self.position;
        let Some(kind) = here.kind else {
            let (_, name) = self.thread.as_ref().ok_or(fmt::Error)?;
            write!(f, "outside of the loop, on thread {name:?}")?;
            return write!(f, ", logged at {}", short(self.logged_at));
        };
        match here.phase {
            Some(_) if is_named_by_phase(kind) => {}
            _ => write!(f, "{kind}, ")?,
        }
        if let Some(phase) = here.phase {
            write!(f, "{phase}, ")?;
        }
        match (here.phase, here.turn) {
            (_, 0) => f.write_str("before the first turn")?, // R3: a timers phase may run there
            (Some(_), turn) => write!(f, "turn {turn}")?,
            (None, turn) => write!(f, "after turn {turn}")?,
        }
        write!(f, ", t={} ms", here.time.as_secs_f64() * 1_000.0)?;
        if let Some(location) = here.location {
            write!(f, ", {} at {}", participle(kind), short(location))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.labels()).finish()
    }
}

/// Prints a numbered line for each entry, with its position.
impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&whole(&self.entries()))
    }
}

/// Returns whether the name of the phase implies the kind of the callback.
fn is_named_by_phase(kind: StepKind) -> bool {
    matches!(
        kind,
        StepKind::Timeout | StepKind::Immediate | StepKind::Pending | StepKind::Close
    )
}

/// Returns the participle for the call that created a callback of this kind.
fn participle(kind: StepKind) -> &'static str {
    match kind {
        StepKind::MainScript => "run",
        StepKind::Tick | StepKind::Microtask => "queued",
        StepKind::Task | StepKind::RemoteWake => "spawned",
        StepKind::Reaction => "added",
        StepKind::Timeout | StepKind::Interval | StepKind::Immediate => "set",
        StepKind::JobDone => "submitted",
        StepKind::Message => "sent",
        StepKind::Simulated => "started",
        _ => "created",
    }
}

/// Returns the file and the line.
pub(super) fn short(location: SourceLocation) -> String {
    format!("{}:{}", location.file(), location.line())
}

#[track_caller]
fn must_have(entries: &[LogEntry], labels: &[&str]) {
    for label in labels {
        if all_of(entries, label).is_empty() {
            panic!("{label:?} was never logged\n{}", whole(entries));
        }
    }
}

fn all_of(entries: &[LogEntry], label: &str) -> Vec<usize> {
    let numbered = entries.iter().enumerate();
    let found = numbered.filter(|(_, entry)| entry.label == label);
    found.map(|(index, _)| index).collect()
}

fn line(entries: &[LogEntry], index: usize) -> String {
    let entry = &entries[index];
    format!("\n    {} {:?}  {entry}", index + 1, entry.label)
}

pub(super) fn whole(entries: &[LogEntry]) -> String {
    if entries.is_empty() {
        return "the log is empty".to_owned();
    }
    let lines: String = (0..entries.len())
        .map(|index| line(entries, index))
        .collect();
    format!("the log:{lines}")
}
