//! The host of one program: the engine, and what the loop has of it.
//!
//! Invariant: the loop calls [`Host::enter`], and nothing enters the engine while it runs. Functions of the
//! engine's code only schedule.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use nodeloop::NodeRelease;
use nodeloop::host::fail_callback;
use nodeloop::recording::Recording;
use nodeloop::time::Instant;
use rquickjs::function::IntoArgs;
use rquickjs::{Context, Ctx, Function, Object, Persistent, Runtime, Value};

use crate::places::Places;
use crate::rejections::Rejections;
use crate::sandbox::Sandbox;
use crate::timers::Timers;

thread_local! {
    static CURRENT: Cell<Option<&'static Host>> = const { Cell::new(None) };
}

/// A kept function of the engine.
pub(crate) type Kept = Persistent<Function<'static>>;

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The script, a path.
    pub script: String,
    /// The arguments of the script.
    pub arguments: Vec<String>,
    /// Whether waiting takes no time.
    pub virtual_time: bool,
    /// The page to write that replays the run.
    pub html: Option<PathBuf>,
    /// The trace to write, for Perfetto.
    pub trace: Option<PathBuf>,
    /// Whether reports have the places of the script. A recorded run has them.
    pub places: bool,
    /// The release whose order the loop has.
    pub node: NodeRelease,
    /// The text to run in place of a file.
    pub evaluated: Option<Text>,
    /// The options of Node that the run has.
    pub node_flags: Vec<String>,
}

/// A script that is in no file.
#[derive(Debug, Clone)]
pub struct Text {
    /// The script.
    pub script: String,
    /// Where it is from.
    pub origin: TextOrigin,
}

/// Where a [`Text`] is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOrigin {
    /// The option `--eval`.
    Eval,
    /// The option `--print`, which also prints the value of the script.
    Print,
    /// Standard input.
    Stdin,
}

impl TextOrigin {
    /// Returns the name of the script, as Node has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            TextOrigin::Eval | TextOrigin::Print => "[eval]",
            TextOrigin::Stdin => "[stdin]",
        }
    }
}

impl Options {
    /// Returns whether the run is recorded.
    pub(crate) fn is_recorded(&self) -> bool {
        self.html.is_some() || self.trace.is_some()
    }
}

/// The functions of `js/bootstrap.js` that the loop calls.
pub(crate) struct Entries {
    pub(crate) tick: Kept,
    pub(crate) timer: Kept,
    pub(crate) immediate: Kept,
    pub(crate) completion: Kept,
    pub(crate) uncaught: Kept,
    pub(crate) unhandled: Kept,
    pub(crate) handled_late: Kept,
    pub(crate) rejection: Kept,
    pub(crate) before_exit: Kept,
    pub(crate) exit: Kept,
    pub(crate) main: Kept,
    pub(crate) mark: Kept,
    pub(crate) import_source: Kept,
    pub(crate) resolve: Kept,
    pub(crate) promise: Kept,
}

impl Entries {
    fn of<'js>(ctx: &Ctx<'js>, made: &Object<'js>) -> rquickjs::Result<Entries> {
        let kept = |name: &str| -> rquickjs::Result<Kept> {
            Ok(Persistent::save(ctx, made.get::<_, Function<'js>>(name)?))
        };
        Ok(Entries {
            tick: kept("tick")?,
            timer: kept("timer")?,
            immediate: kept("immediate")?,
            completion: kept("completion")?,
            uncaught: kept("uncaught")?,
            unhandled: kept("unhandled")?,
            handled_late: kept("handledLate")?,
            rejection: kept("rejection")?,
            before_exit: kept("beforeExit")?,
            exit: kept("exit")?,
            main: kept("main")?,
            mark: kept("mark")?,
            import_source: kept("importSource")?,
            resolve: kept("resolve")?,
            promise: kept("promise")?,
        })
    }
}

/// An exception that left the engine.
pub(crate) struct Thrown(pub(crate) Persistent<Value<'static>>);

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JavaScript exception")
    }
}

/// The host of the program that runs on this thread. It is never dropped: the process ends with the program.
pub(crate) struct Host {
    entries: OnceCell<Entries>,
    pub(crate) rejections: Rejections,
    pub(crate) timers: Timers,
    pub(crate) context: Context,
    pub(crate) runtime: Runtime,
    pub(crate) options: Options,
    pub(crate) started: Instant,
    /// The recording of the run, if it has one.
    pub(crate) recording: Option<Recording>,
    pub(crate) places: Places,
    /// The sandbox of the program, if it runs in one.
    pub(crate) sandbox: Option<Rc<Sandbox>>,
    /// The exit code when the loop has ended.
    pub(crate) exit_code: Cell<i32>,
}

impl Host {
    /// Creates the host, and makes it that of this thread.
    pub(crate) fn install(
        options: Options,
        recording: Option<Recording>,
        sandbox: Option<Rc<Sandbox>>,
    ) -> rquickjs::Result<&'static Host> {
        let runtime = Runtime::new()?;
        runtime.set_max_stack_size(MAX_STACK);
        if sandbox.is_none() {
            runtime.set_gc_threshold(GC_THRESHOLD); // the memory of a sandbox may be smaller
        }
        let context = Context::full(&runtime)?;
        let host: &'static Host = Box::leak(Box::new(Host {
            entries: OnceCell::new(),
            rejections: Rejections::default(),
            timers: Timers::default(),
            context,
            runtime,
            places: Places::new(options.places || options.is_recorded()),
            options,
            started: Instant::now(),
            recording,
            sandbox,
            exit_code: Cell::new(0),
        }));
        CURRENT.set(Some(host));
        Ok(host)
    }

    /// Returns the host of this thread.
    pub(crate) fn current() -> &'static Host {
        CURRENT.get().expect("a program runs on this thread")
    }

    pub(crate) fn set_entries<'js>(
        &self,
        ctx: &Ctx<'js>,
        made: &Object<'js>,
    ) -> rquickjs::Result<()> {
        let is_first = self.entries.set(Entries::of(ctx, made)?).is_ok();
        debug_assert!(is_first, "the bootstrap script runs once");
        Ok(())
    }

    /// Writes the page and the trace of the run, if it was recorded, and returns whether all were written.
    pub(crate) fn save_recording(&self) -> bool {
        let Some(recording) = &self.recording else {
            return true;
        };
        let mut are_written = true;
        let page = self
            .options
            .html
            .iter()
            .map(|file| (file, recording.save_html(file)));
        let trace = self
            .options
            .trace
            .iter()
            .map(|file| (file, recording.save_trace(file)));
        for (file, saved) in page.chain(trace) {
            if let Err(error) = saved {
                eprintln!("{} could not be written: {error}", file.display());
                are_written = false;
            }
        }
        are_written
    }

    /// Returns the entries; they exist from the bootstrap on.
    pub(crate) fn entries(&self) -> &Entries {
        self.entries.get().expect("the bootstrap script has run")
    }

    /// Calls a function of the engine from the loop. An exception is an uncaught error of the running
    /// callback.
    pub(crate) fn enter<A>(&self, entry: fn(&Entries) -> &Kept, arguments: A)
    where
        A: for<'js> IntoArgs<'js>,
    {
        let entries = self.entries();
        let thrown = self.context.with(|ctx| {
            let function = entry(entries).clone().restore(&ctx);
            let result = function.and_then(|function| function.call::<_, ()>(arguments));
            result.err().map(|_| thrown(&ctx))
        });
        if let Some(thrown) = thrown {
            fail_callback(thrown);
        }
    }
}

/// Takes the exception that the engine has just thrown.
pub(crate) fn thrown(ctx: &Ctx<'_>) -> Thrown {
    Thrown(Persistent::save(ctx, ctx.catch()))
}

/// Deep enough for recursive programs, and well below the stack of a main thread.
const MAX_STACK: usize = 4 * 1024 * 1024;

/// The memory in use at which the engine looks for cycles the first time, in bytes: the size of Node's new space.
/// The engine's own is 256 KiB, so that a program with many timers spends its time on that.
const GC_THRESHOLD: usize = 16 * 1024 * 1024;
