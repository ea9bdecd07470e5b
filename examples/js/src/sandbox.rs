//! A program in a sandbox: its source is a text, it has no files, and its run has bounds.
//!
//! The recording of the run has the lines that the program prints, and marks: lines that begin with
//! [`MARK`], which tell where the program was and which jobs of the engine waited. `js/sandbox.js` makes them.
//!
//! Invariant: the engine is never entered to end a run. [`Sandbox::end`] ends the process instead, also from
//! the middle of the engine's code.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nodeloop::recording::Recording;
use nodeloop::{Handle, NodeRelease};
use rquickjs::promise::PromiseHookType;
use rquickjs::{Ctx, Function, Object, Result};
use rustix::time::{ClockId, clock_gettime};

use crate::host::Host;
use crate::native::define;

/// The character that a mark in the recording begins with. After it follow the kind of the mark, and a line
/// for each call of the program on the stack: its line, its column and its name, separated by tabs. A printed
/// text that begins with this character has one more.
pub const MARK: char = '\u{1}';

/// A program that runs in a sandbox.
#[derive(Debug, Clone)]
pub struct Program {
    /// The text of the program.
    pub source: String,
    /// Whether it is a module instead of a script.
    pub is_module: bool,
    /// The release of Node whose order the loop has.
    pub node: NodeRelease,
    /// Whether waiting takes no time.
    pub virtual_time: bool,
}

/// What a run may use.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The memory of the engine, in bytes.
    pub memory: usize,
    /// The time of the run: that of the processor on virtual time, where nothing waits, and else that of the
    /// machine's clock.
    pub time: Duration,
    /// The length of the output, in bytes.
    pub output: usize,
    /// The number of events, marks included, in the recording. The program continues after it.
    pub events: usize,
}

/// The bound at which a run was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`Bounds::time`].
    Time,
    /// [`Bounds::output`].
    Output,
}

/// The end of a run.
#[derive(Debug)]
pub struct Ended {
    /// The exit code of the program.
    pub exit_code: i32,
    /// The bound that stopped the program, if it did not end by itself.
    pub stopped: Option<Bound>,
    /// The output in pieces, with its descriptor: 1 or 2.
    pub output: Vec<(i32, String)>,
    /// The recording of the run.
    pub recording: Recording,
}

/// What the caller of a run wants to be told.
pub trait Watch {
    /// Is called when everything is prepared and the program is about to start.
    fn before_start(&self) {}

    /// Is called at the end of the run, and ends the process.
    fn at_end(&self, ended: Ended) -> Infallible;
}

/// The sandbox of a program.
pub(crate) struct Sandbox {
    pub(crate) program: Program,
    bounds: Bounds,
    watch: Box<dyn Watch>,
    recording: Recording,
    began: Instant,
    /// The value of [`Sandbox::spent`] at which the run is stopped.
    deadline: Cell<Option<Duration>>,
    output: RefCell<Vec<(i32, String)>>,
    output_bytes: Cell<usize>,
    /// Whether the job that ran last was a mark.
    was_mark: Cell<bool>,
}

impl Sandbox {
    pub(crate) fn new(program: Program, bounds: Bounds, watch: Box<dyn Watch>) -> Sandbox {
        let recording = Recording::new("program").without_sources();
        Sandbox {
            program,
            bounds,
            watch,
            recording: recording.limit(bounds.events),
            began: Instant::now(),
            deadline: Cell::new(None),
            output: RefCell::default(),
            output_bytes: Cell::new(0),
            was_mark: Cell::new(false),
        }
    }

    pub(crate) fn recording(&self) -> Recording {
        self.recording.clone()
    }

    /// Returns the name of the only file.
    pub(crate) fn file(&self) -> &'static str {
        match self.program.is_module {
            true => "/playground/program.mjs",
            false => "/playground/program.js",
        }
    }

    /// Adds what `js/sandbox.js` needs to the object `native`.
    pub(crate) fn define(self: &Rc<Sandbox>, native: &Object<'_>) -> Result<()> {
        native.set("isSandboxed", true)?;
        native.set("sandboxFile", self.file())?;
        native.set("sandboxSource", self.program.source.as_str())?;
        let sandbox = self.clone();
        define(native, "isTracing", move || sandbox.is_tracing())?;
        let sandbox = self.clone();
        define(native, "mark", move |kind: String, calls: String| {
            sandbox.note(&kind, &calls)
        })?;
        let sandbox = self.clone();
        define(native, "passed", move || {
            sandbox.note("passed", "");
            sandbox.was_mark.set(true);
        })?;
        let sandbox = self.clone();
        define(native, "checkTime", move || sandbox.check_time())
    }

    /// Sets the limits of the engine, and the hooks that mark promises.
    pub(crate) fn prepare(self: &Rc<Sandbox>, host: &'static Host) {
        host.runtime.set_memory_limit(self.bounds.memory);
        let sandbox = self.clone();
        host.runtime.set_interrupt_handler(Some(Box::new(move || {
            sandbox.check_time();
            false
        })));
        host.runtime
            .set_promise_hook(Some(Box::new(move |ctx, kind, _, _| {
                if matches!(kind, PromiseHookType::Init | PromiseHookType::Resolve) {
                    mark(host, &ctx, "promise");
                }
            })));
        host.context.with(|ctx| mark(host, &ctx, "end"));
        self.deadline.set(Some(self.spent() + self.bounds.time));
        if !self.program.virtual_time {
            self.wake_at_deadline();
        }
        self.watch.before_start();
    }

    /// Ends a run that waits in the poll phase at the deadline.
    fn wake_at_deadline(&self) {
        let (handle, time) = (Handle::current(), self.bounds.time);
        thread::spawn(move || {
            thread::sleep(time);
            // The loop may have ended.
            let _ = handle.post(|| {
                if let Some(sandbox) = &Host::current().sandbox {
                    sandbox.check_time();
                }
            });
        });
    }

    /// Runs the next job that is not a mark, if there is one.
    pub(crate) fn run_job(&self, host: &Host, run: impl Fn() -> bool) -> bool {
        loop {
            self.was_mark.set(false);
            if !run() {
                self.note("empty", "");
                return true;
            }
            if !self.was_mark.get() {
                host.context.with(|ctx| mark(host, &ctx, "end"));
                return true;
            }
        }
    }

    /// Takes a piece of output, and ends the run if it is too much.
    pub(crate) fn write(&self, fd: i32, bytes: &[u8]) {
        let left = self.bounds.output - self.output_bytes.get();
        let is_too_much = bytes.len() > left;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(left)]).into_owned();
        self.output_bytes
            .set(self.output_bytes.get() + bytes.len().min(left));
        match text.starts_with(MARK) {
            true => self.recording.log(format_args!("{MARK}{text}")),
            false => self.recording.log(&text),
        }
        self.output.borrow_mut().push((fd, text));
        if is_too_much {
            self.end(1, Some(Bound::Output));
        }
    }

    /// Ends the run and the process.
    pub(crate) fn end(&self, exit_code: i32, stopped: Option<Bound>) -> ! {
        let ended = Ended {
            exit_code,
            stopped,
            output: self.output.take(),
            recording: self.recording(),
        };
        match self.watch.at_end(ended) {}
    }

    fn check_time(&self) {
        if self
            .deadline
            .get()
            .is_some_and(|deadline| self.spent() >= deadline)
        {
            self.end(1, Some(Bound::Time));
        }
    }

    /// Returns the time that the run has taken, by the clock of its bound.
    fn spent(&self) -> Duration {
        if !self.program.virtual_time {
            return self.began.elapsed();
        }
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(spent).unwrap_or_default()
    }

    fn is_tracing(&self) -> bool {
        self.recording.omitted() == 0
    }

    fn note(&self, kind: &str, calls: &str) {
        if self.is_tracing() {
            self.recording.log(format_args!("{MARK}{kind}\n{calls}"));
        }
    }
}

/// Makes a mark, unless the engine has no memory for it.
fn mark(host: &Host, ctx: &Ctx<'_>, kind: &str) {
    let function: Result<Function<'_>> = host.entries().mark.clone().restore(ctx);
    let result = function.and_then(|function| function.call::<_, ()>((kind,)));
    if result.is_err() {
        ctx.catch();
    }
}
