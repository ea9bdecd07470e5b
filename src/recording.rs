//! Records a run, as a page that replays it step by step or as a trace for Perfetto.
//!
//! A [`Recording`] is an [observer](crate::observe) that stores the events of a loop. After the run it
//! can be written as
//!
//! * **an HTML page** ([`save_html`](Recording::save_html)), with the five phases, the call stack, the
//!   tick and microtask queues, the callbacks that wait, the source of the program and its output. The
//!   arrow keys, a slider or a swipe move through the steps, and each step has an explanation. The page
//!   loads no other file, so it can be sent by mail;
//! * **a trace** ([`save_trace`](Recording::save_trace)) in Chrome's trace event format, for
//!   <https://ui.perfetto.dev> or `chrome://tracing`. It suits programs with too many steps for the
//!   page.
//!
//! [`guide::recording`](crate::guide::recording) shows how to read both.
//!
//! To record a program on request from its command line, add one line to its `main`, and import
//! [`println!`] to have its output in the recording:
//!
//! ```
//! use nodeloop::recording::println; // prints as usual, and adds the line to the recording
//!
//! fn main() {
//!     let _recording = nodeloop::recording::from_args(); // `--html FILE`, `--trace FILE`
//!     nodeloop::run(async {
//!         nodeloop::next_tick(|| println!("second"));
//!         println!("first");
//!     });
//! }
//! ```
//!
//! A recording does not change the order of anything, and its size is bounded.

// Invariants: no borrow is held while code of the program runs, and a page and a trace can be written
// at any moment, also from a recording that a panic or its limit has cut off.

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

pub use arguments::{RecordingGuard, from_args, record_to_files};
use record::{Place, Record};

/// The number of events that a recording keeps by default. A page with that many events has about
/// 3 MB.
pub const DEFAULT_LIMIT: usize = 50_000;

thread_local! {
    /// The recordings whose loop runs on this thread.
    static RUNNING: RefCell<Vec<Weak<Inner>>> = const { RefCell::new(Vec::new()) };
}

/// The recorded events of a loop.
///
/// Clones refer to the same recording: pass one to the loop as an observer, keep the other and write
/// it after the run.
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
/// It keeps at most [`DEFAULT_LIMIT`] events; [`limit`](Recording::limit) changes that. Events after
/// the limit are counted, and the page reports their number. A recording of several runs of one loop
/// contains them one after the other. A recording that observes several loops mixes their events.
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
    /// Creates an empty recording. `title` is the heading of its page.
    pub fn new(title: impl Into<String>) -> Recording {
        Recording {
            inner: Rc::new(Inner {
                title: title.into(),
                record: RefCell::new(Record::new(DEFAULT_LIMIT)),
                with_sources: Cell::new(true),
            }),
        }
    }

    /// Sets the number of events to keep. Events that have been recorded already are kept.
    pub fn limit(self, events: usize) -> Recording {
        self.inner.record.borrow_mut().limit = events;
        self
    }

    /// Omits the source of the program from the page. By default the page contains the lines around
    /// all source locations of the recording, if their files can be read when the page is written.
    pub fn without_sources(self) -> Recording {
        self.inner.with_sources.set(false);
        self
    }

    /// Returns the number of recorded events.
    pub fn len(&self) -> usize {
        self.inner.record.borrow().entries.len()
    }

    /// Returns whether no event was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of events after the limit, which were not recorded.
    pub fn omitted(&self) -> usize {
        self.inner.record.borrow().omitted
    }

    /// Adds a line to the output of the program without printing it. [`print_line`] and [`println!`]
    /// do both.
    #[track_caller]
    pub fn log(&self, text: impl fmt::Display) {
        self.log_at(text.to_string(), Place::of(Location::caller()));
    }

    /// Does what [`log`](Recording::log) does, for a line that was printed at `label`, a place in a script of the
    /// form `file:line:column`. Another label is replaced by the place of the caller.
    #[track_caller]
    pub fn log_labeled(&self, text: impl fmt::Display, label: &str) {
        let place = Place::of_label(label).unwrap_or_else(|| Place::of(Location::caller()));
        self.log_at(text.to_string(), place);
    }

    /// Shows no place for what has no [label](crate::host::set_step_label), instead of a location in the host of
    /// the engine.
    pub fn labels_only(self) -> Recording {
        self.inner.record.borrow_mut().labels_only = true;
        self
    }

    /// Gives the text of `file`, for a file in [labels](crate::host::set_step_label) that cannot be read when
    /// the page is written, such as a script that is only in memory.
    pub fn add_source(&self, file: impl Into<String>, text: impl Into<String>) {
        let (file, text) = (file.into(), text.into());
        self.inner.record.borrow_mut().sources.insert(file, text);
    }

    fn log_at(&self, text: String, place: Place) {
        let time = position().time;
        self.inner.record.borrow_mut().log(text, place, time);
    }

    /// Writes the page.
    ///
    /// # Errors
    ///
    /// Returns any error of `out`.
    pub fn write_html(&self, mut out: impl io::Write) -> io::Result<()> {
        let record = self.inner.record.borrow();
        let page = page::html(&record, &self.inner.title, self.inner.with_sources.get());
        drop(record); // the writer may use the recording
        out.write_all(page.as_bytes())
    }

    /// Writes only the data of the page, as JSON.
    ///
    /// # Errors
    ///
    /// Returns any error of `out`.
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
    /// Virtual time does not pass while the program runs, so in the trace each event is at least one
    /// microsecond after the previous one.
    ///
    /// # Errors
    ///
    /// Returns any error of `out`.
    pub fn write_trace(&self, mut out: impl io::Write) -> io::Result<()> {
        let trace = trace::json(&self.inner.record.borrow(), &self.inner.title);
        out.write_all(trace.as_bytes())
    }

    /// Writes the page to a file. The file is replaced only after the whole page has been written.
    ///
    /// # Errors
    ///
    /// Returns any error of the file system.
    pub fn save_html(&self, path: impl AsRef<Path>) -> io::Result<()> {
        file::replace(path.as_ref(), |out| self.write_html(out))
    }

    /// Writes the trace to a file, in the same way as [`save_html`](Recording::save_html).
    ///
    /// # Errors
    ///
    /// Returns any error of the file system.
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
            .field("omitted", &record.omitted)
            .finish_non_exhaustive()
    }
}

fn running(change: impl FnOnce(&mut Vec<Weak<Inner>>)) {
    // The thread-local is missing only while its thread ends, when no loop runs on it.
    let _ = RUNNING.try_with(|all| change(&mut all.borrow_mut()));
}

/// Prints a line to standard output and adds it to the recording of the loop that runs on this
/// thread, if there is one. [`println!`] does the same with a format string.
///
/// # Panics
///
/// Panics like [`std::println!`] if writing to standard output fails.
#[track_caller]
pub fn print_line(text: impl fmt::Display) {
    let text = text.to_string(); // once, because it calls code of the program
    std::println!("{text}");
    let location = Location::caller();
    let mut recordings = Vec::new();
    running(|all| recordings.extend(all.iter().filter_map(Weak::upgrade)));
    for inner in recordings {
        Recording { inner }.log_at(text.clone(), Place::of(location));
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __recording_println {
    ($($text:tt)*) => {
        $crate::recording::print_line(::std::format_args!($($text)*))
    };
}

/// Prints like [`std::println!`] and adds the line to the recording of the running loop. Import it to
/// have the output of a program in its recording.
///
/// ```
/// use nodeloop::recording::println;
///
/// println!("{} and {}", 1, 2);
/// ```
pub use __recording_println as println;
