//! A picture of a run: a page that replays it step by step, or a trace for Perfetto.
//!
//! A [`Recording`] is an [observer](crate::observe) that keeps what it is told. Behind the run it
//! becomes
//!
//! * **one HTML page** ([`save_html`](Recording::save_html)): the wheel with its five stops, the
//!   call stack, the queues of ticks and microtasks, what waits, the program's text and what it
//!   prints, forward and back with the arrow keys, a slider or a finger, and at each step a
//!   sentence that says what happens and why. It loads nothing from anywhere, and can be sent by
//!   mail;
//! * **a trace** ([`save_trace`](Recording::save_trace)) in the format of Chrome, for
//!   <https://ui.perfetto.dev> or `chrome://tracing`: for programs that are too long to be read
//!   step by step.
//!
//! [`guide::recording`](crate::guide::recording) shows how to read both.
//!
//! A program that is to be asked for its picture on the command line has one line more in its
//! `main`, and one among its imports if the picture is to show what it prints:
//!
//! ```
//! use nodeloop::recording::println; // prints as ever, and is seen by the recording
//!
//! fn main() {
//!     let _picture = nodeloop::recording::from_arguments(); // `--html FILE`, `--trace FILE`
//!     nodeloop::run(async {
//!         nodeloop::next_tick(|| println!("second"));
//!         println!("first");
//!     });
//! }
//! ```
//!
//! What it never does: change the order of anything, hold a borrow while the program's code runs,
//! or grow without a bound. Invariant: a page and a trace can be written at any moment, also from
//! a recording that a panic or its limit has cut off.
//!
//! # The data in the page
//!
//! The element `<script type="application/json" id="recording">` holds, with `format`
//! `nodeloop-recording` and `version` 1:
//!
//! | field | meaning |
//! |---|---|
//! | `title`, `clock` | the heading; `real` or `virtual` |
//! | `left_off` | how many events came behind the limit |
//! | `locations` | `[file, line, column]`; a `p` below is an index into it |
//! | `sources` | by file, `[number, text]` for the lines that could be read |
//! | `events` | what happened, in order; `t` is the time in µs since the run began |
//!
//! | `e` of an event | other fields | meaning |
//! |---|---|---|
//! | `begin`, `end` | | of a run |
//! | `turn`, `phase` | `n`; `name` | a turn or a phase begins |
//! | `sleep`, `wake` | `ms`, absent without a limit | the poll phase waits, goes on |
//! | `add` | `id`, `to`, `k`, `p`, `ms` and `due` for timers | something is queued at `to` |
//! | `cancel` | `id` | it was cleared |
//! | `call` | `id`, `as`, `k`, `p` | a callback, tick, microtask or task is called |
//! | `return` | `id`, `how`: `done`, `waits` or `threw` | it comes back |
//! | `drain`, `drained` | | both queues are emptied |
//! | `promise`, `unhandled` | `id`, `how` | a promise is settled; its rejection is reported |
//! | `log` | `text`, `p` | the program prints a line |

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::rc::{Rc, Weak};

use crate::observe::{Event, EventContext, Observer, position};

mod arguments;
mod file;
mod json;
mod page;
mod record;
mod sources;
mod trace;

pub use arguments::{Picture, from_arguments, take};
use record::Record;

/// How many events a recording keeps if nothing else is said. A page with that many has about
/// three megabytes.
pub const DEFAULT_LIMIT: usize = 50_000;

thread_local! {
    /// The recordings whose loop runs on this thread.
    static RUNNING: RefCell<Vec<Weak<Inner>>> = const { RefCell::new(Vec::new()) };
}

/// What happened in a loop, kept for a picture of it.
///
/// Clones are the same recording: one is given to the loop, the other is kept and written behind
/// the run.
///
/// ```
/// use std::time::Duration;
/// use nodeloop::recording::Recording;
/// use nodeloop::{EventLoop, set_timeout};
///
/// let recording = Recording::new("two callbacks");
/// let mut event_loop = EventLoop::builder()
///     .virtual_time()
///     .observer(recording.clone())
///     .build()?;
/// let log = recording.clone();
/// event_loop.run_script(move || {
///     set_timeout(Duration::from_millis(20), move || log.log("the second"));
/// })?;
///
/// let mut page = Vec::new();
/// recording.write_html(&mut page)?; // or recording.save_html("two.html")
/// assert!(page.starts_with(b"<!doctype html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It keeps at most [`DEFAULT_LIMIT`] events, or what [`limit`](Recording::limit) says. What comes
/// behind the limit is counted, and the picture says so. A recording of several runs of one loop
/// has them one behind the other; one that is given to several loops mixes what they do.
#[derive(Clone)]
pub struct Recording {
    inner: Rc<Inner>,
}

struct Inner {
    title: String,
    record: RefCell<Record>,
    with_sources: Cell<bool>,
}

impl Recording {
    /// An empty recording; `title` is the heading of its page.
    pub fn new(title: impl Into<String>) -> Recording {
        Recording {
            inner: Rc::new(Inner {
                title: title.into(),
                record: RefCell::new(Record::new(DEFAULT_LIMIT)),
                with_sources: Cell::new(true),
            }),
        }
    }

    /// Keeps at most `events` events. What is kept already stays.
    pub fn limit(self, events: usize) -> Recording {
        self.inner.record.borrow_mut().limit = events;
        self
    }

    /// Leaves the program's text out of the page. By default the page has the lines around all
    /// places of the recording, as far as their files can be read when the page is written.
    pub fn without_sources(self) -> Recording {
        self.inner.with_sources.set(false);
        self
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.inner.record.borrow().entries.len()
    }

    /// Whether it has no event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events came behind the limit, and are not in it.
    pub fn left_off(&self) -> usize {
        self.inner.record.borrow().left_off
    }

    /// Adds a line to what the program prints, without printing it. [`say`] and [`println!`]
    /// do both.
    #[track_caller]
    pub fn log(&self, text: impl fmt::Display) {
        self.log_at(text.to_string(), Location::caller());
    }

    fn log_at(&self, text: String, location: &'static Location<'static>) {
        let time = position().time;
        self.inner.record.borrow_mut().log(text, location, time);
    }

    /// Writes the page.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_html(&self, mut out: impl io::Write) -> io::Result<()> {
        let record = self.inner.record.borrow();
        let page = page::html(&record, &self.inner.title, self.inner.with_sources.get());
        drop(record); // a writer is the user's code
        out.write_all(page.as_bytes())
    }

    /// Writes the page's data alone, as JSON.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        let mut data = String::new();
        let record = self.inner.record.borrow();
        let with_sources = self.inner.with_sources.get();
        page::data(&mut data, &record, &self.inner.title, with_sources);
        drop(record);
        data.push('\n');
        out.write_all(data.as_bytes())
    }

    /// Writes the trace.
    ///
    /// In virtual time, which stands still while the program runs, each event stands at least a
    /// microsecond behind the one before, so that it can be seen.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_trace(&self, mut out: impl io::Write) -> io::Result<()> {
        let trace = trace::json(&self.inner.record.borrow(), &self.inner.title);
        out.write_all(trace.as_bytes())
    }

    /// Writes the page to a file. The file is there as a whole or not at all: an abort meanwhile
    /// leaves what was there before.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn save_html(&self, path: impl AsRef<Path>) -> io::Result<()> {
        file::replace(path.as_ref(), |out| self.write_html(out))
    }

    /// Writes the trace to a file, as [`save_html`](Recording::save_html) does the page.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn save_trace(&self, path: impl AsRef<Path>) -> io::Result<()> {
        file::replace(path.as_ref(), |out| self.write_trace(out))
    }
}

impl Observer for Recording {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        self.inner.record.borrow_mut().observe(event, context);
        match event {
            Event::RunBegin { .. } => running(|all| all.push(Rc::downgrade(&self.inner))),
            Event::RunEnd => running(|all| {
                all.retain(|known| !std::ptr::eq(known.as_ptr(), Rc::as_ptr(&self.inner)));
            }),
            _ => {}
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.inner.record.borrow();
        f.debug_struct("Recording")
            .field("title", &self.inner.title)
            .field("events", &record.entries.len())
            .field("left_off", &record.left_off)
            .finish_non_exhaustive()
    }
}

fn running(change: impl FnOnce(&mut Vec<Weak<Inner>>)) {
    // Without a thread-local (its thread is ending) no loop runs here.
    let _ = RUNNING.try_with(|all| change(&mut all.borrow_mut()));
}

/// Prints a line on the standard output, and adds it to the recording of the loop that runs on
/// this thread, if there is one. [`println!`] is the same with a format string.
///
/// # Panics
///
/// As [`std::println!`], if the standard output can't be written.
#[track_caller]
pub fn say(text: impl fmt::Display) {
    let text = text.to_string(); // once: it is the user's code
    std::println!("{text}");
    let location = Location::caller();
    let mut recordings = Vec::new();
    running(|all| recordings.extend(all.iter().filter_map(Weak::upgrade)));
    for inner in recordings {
        Recording { inner }.log_at(text.clone(), location);
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __recording_println {
    ($($text:tt)*) => {
        $crate::recording::say(::std::format_args!($($text)*))
    };
}

/// [`std::println!`], seen by the recording of the running loop, too: import it, and the picture
/// of a program shows what it prints.
///
/// ```
/// use nodeloop::recording::println;
///
/// println!("{} and {}", 1, 2);
/// ```
pub use __recording_println as println;
