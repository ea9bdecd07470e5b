//! Ways to run a loop: [`run`], [`run_script`], [`block_on`], and [`EventLoop`] with its builder.
//!
//! This file is the interface. `run.rs` contains the steps of a run, and `embed.rs` the turns of a
//! loop that a host drives.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{Location, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;

use crate::async_local::preserve_context;
use crate::event_loop::current::{enter, is_observer, try_current};
use crate::event_loop::state::LoopState;
use crate::event_loop::status::LoopStatus;
use crate::hooks::rejection::{MainError, Reason};
use crate::observe::why_alive::WhyAlive;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{Promise, TryPromise, spawn_between_runs, try_spawn_between_runs};
use crate::runtime::embed::Hosting;
use crate::runtime::handle::Handle;
use crate::runtime::run::Target;

mod builder;
#[cfg(unix)]
mod descriptor;
mod embed;
mod errors;
pub(crate) mod handle;
mod journal;
mod output;
mod run;
mod spawner;

pub use builder::{Builder, EntryMode, StuckPolicy};
pub use errors::{RunError, Stuck};
pub use output::MainOutput;
pub use spawner::LocalSpawner;

/// Runs `future` and everything that it starts, until the future has finished *and* nothing keeps the
/// loop alive, and returns the output of the future.
///
/// This corresponds to `async function main() { … }; main()` at the end of a CommonJS script: the
/// future is polled in the main macrotask, so ticks run before promise jobs (R1, R10).
///
/// The future and its output may borrow from the caller: the future stays on the caller's stack, and
/// is dropped before this returns. What it spawns must be `'static`.
///
/// [`exit`](crate::exit) ends the process, and a code of [`set_exit_code`](crate::set_exit_code) does so
/// at the end of the run. An unhandled rejection and an uncaught panic panic here;
/// [`EventLoop::run`] returns them as errors instead.
///
/// An `Err` of the future is an unhandled rejection as well, as that of `main()` is in Node: at the end
/// of the drain the run ends, everything that is pending is cancelled, and this returns the `Err`. If
/// there are [`on_unhandled_rejection`](crate::on_unhandled_rejection) or
/// [`on_uncaught`](crate::on_uncaught) listeners, they are called instead, with the text of the error as
/// a [`MainError`], and the run goes on. [`MainOutput`] decides what is an error.
///
/// If the future is pending and nothing keeps the loop alive, the run waits as long as a waker of the
/// future exists that another thread may use ([`StuckPolicy::Wait`]). A future that can never finish,
/// because no such waker is left, ends the run at once with a panic.
///
/// The loop opens the operating system's poll with its first socket, pipe or signal listener, and the error
/// is that of the call that creates it. Timers and other threads need no file descriptor.
///
/// # Panics
///
/// Panics if the run fails as described above, or if a loop is running on this thread. The panic of a
/// callback is continued, after a line on the standard error that names the line at which the callback was
/// passed to the loop.
///
/// # Examples
///
/// ```
/// nodeloop::run(async {
///     nodeloop::set_immediate(|| println!("third"));
///     nodeloop::queue_microtask(|| println!("second"));
///     nodeloop::next_tick(|| println!("first"));
/// });
/// ```
#[track_caller]
pub fn run<F>(future: F) -> F::Output
where
    F: Future<Output: MainOutput>,
{
    let future = pin!(Some(future));
    let mut event_loop = default_loop("run");
    let result = event_loop.run_pinned(Location::caller(), future);
    let code = event_loop.exit_code();
    drop(event_loop);
    let output = value_or_panic(result);
    if code != 0 && output.error().is_none() {
        drop(output);
        std::process::exit(code);
    }
    output
}

/// Runs `script` as a CommonJS main script, then the loop until nothing keeps it alive.
///
/// A panic in the script is an uncaught error of the main macrotask (R52).
///
/// # Panics
///
/// Panics like [`run`].
#[track_caller]
pub fn run_script(script: impl FnOnce() + 'static) {
    let mut event_loop = default_loop("run_script");
    let result = event_loop.run_script(script);
    let code = event_loop.exit_code();
    drop(event_loop);
    value_or_panic(result);
    if code != 0 {
        std::process::exit(code);
    }
}

/// Runs `future` and returns its output as soon as it has finished. Everything else that is pending
/// is cancelled.
///
/// The future and its output may borrow from the caller, as with [`run`]. An `Err` is an output like
/// any other.
///
/// # Panics
///
/// Panics like [`run`].
///
/// # Examples
///
/// ```
/// let words = ["first", "second"];
/// let longest = nodeloop::block_on(async {
///     nodeloop::yield_now().await;
///     words.iter().max_by_key(|word| word.len())
/// });
/// assert_eq!(longest, Some(&"second"));
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let future = pin!(Some(future));
    let mut event_loop = default_loop("block_on");
    let result = event_loop.block_on_pinned(Location::caller(), future);
    drop(event_loop);
    value_or_panic(result)
}

#[track_caller]
fn default_loop(function: &str) -> EventLoop {
    refuse_nesting(function);
    match EventLoop::builder().build_unhosted() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("the event loop could not be built: {error}"),
    }
}

#[track_caller]
fn value_or_panic<T>(result: Result<T, RunError>) -> T {
    match result {
        Ok(value) => value,
        Err(RunError::Exit(code)) => std::process::exit(code),
        Err(RunError::Uncaught(error)) => {
            // The panic hook has printed where it panicked. For the main future that is enough.
            if error.location() != Location::caller() {
                eprintln!("nodeloop: {error}");
            }
            resume_unwind(error.into_payload())
        }
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn refuse_nesting(function: &str) {
    assert!(
        try_current().is_none() && !is_observer(),
        "`{function}` was called inside a running event loop, and a thread can run only one loop at \
         a time: await or spawn the future here, or start the other loop on a thread of its own"
    );
}

/// An event loop that can be configured and run several times, and that returns errors as values.
///
/// A loop can be run any number of times. What a run leaves pending is kept for the next run: tasks,
/// unref'd timers and immediates, listeners, the virtual time. A run that ended early (by
/// [`exit`](crate::exit), an uncaught panic or an unhandled rejection) cancels everything before it
/// returns. Dropping the loop cancels everything, too: tasks and callbacks are dropped on this
/// thread, and calls through [handles](Handle) fail from then on.
///
/// Several loops may exist on one thread, but only one of them runs at a time.
pub struct EventLoop {
    state: Rc<LoopState>,
    entry: EntryMode,
    stuck_policy: StuckPolicy,
    /// Whether this run has already reported that it waits for another thread.
    has_reported: Cell<bool>,
    hosting: Hosting,
}

impl EventLoop {
    /// Creates a loop with the settings of [`Builder::default`], like [`run`].
    ///
    /// # Errors
    ///
    /// Fails like [`Builder::build`].
    pub fn new() -> io::Result<EventLoop> {
        EventLoop::builder().build()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs `future` until it has finished and nothing keeps the loop alive, as [`run`] does.
    ///
    /// The future and its output may borrow. A future that has not finished is dropped before this
    /// returns. An `Err` of the future ends the run, as with [`run`], and is returned in an `Ok`.
    ///
    /// # Errors
    ///
    /// Returns a [`RunError`] if the run ended without a value. A panic of the future itself is
    /// returned as [`RunError::Uncaught`].
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread.
    #[track_caller]
    pub fn run<F>(&mut self, future: F) -> Result<F::Output, RunError>
    where
        F: Future<Output: MainOutput>,
    {
        self.run_pinned(Location::caller(), pin!(Some(future)))
    }

    /// Runs a future in its place as [`run`](EventLoop::run) does, with `location` as the location of
    /// the main future in reports.
    #[track_caller]
    pub(crate) fn run_pinned<F>(
        &mut self,
        location: SourceLocation,
        future: Pin<&mut Option<F>>,
    ) -> Result<F::Output, RunError>
    where
        F: Future<Output: MainOutput>,
    {
        let _entered = self.enter("run", location);
        self.run_future(Target::Exit, location, future, |output| {
            match output.error() {
                None => Ok(()),
                Some(error) => Err(MainError {
                    text: format!("{error:?}"),
                }),
            }
        })
    }

    /// Runs `script` as the main script, then the loop until nothing keeps it alive.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`run`](EventLoop::run), except for a [`RunError::Stuck`] about a
    /// main future.
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread.
    #[track_caller]
    pub fn run_script(&mut self, script: impl FnOnce() + 'static) -> Result<(), RunError> {
        self.run_script_at(Location::caller(), script)
    }

    /// Runs `script` as [`run_script`](EventLoop::run_script) does, with `location` as its location
    /// in reports.
    #[track_caller]
    pub(crate) fn run_script_at(
        &mut self,
        location: SourceLocation,
        script: impl FnOnce() + 'static,
    ) -> Result<(), RunError> {
        let _entered = self.enter("run_script", location);
        self.run_to_exit(location, script)
    }

    /// Runs the loop only until `future` has finished, and returns its output.
    ///
    /// The future and its output may borrow. What else is pending then is kept for the next run, and
    /// neither `before_exit` nor `exit` listeners are called.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`run`](EventLoop::run).
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread.
    #[track_caller]
    pub fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output, RunError> {
        self.block_on_pinned(Location::caller(), pin!(Some(future)))
    }

    #[track_caller]
    fn block_on_pinned<F: Future>(
        &mut self,
        location: SourceLocation,
        future: Pin<&mut Option<F>>,
    ) -> Result<F::Output, RunError> {
        let _entered = self.enter("block_on", location);
        self.run_future(Target::MainFuture, location, future, |_| Ok(()))
    }

    /// Spawns a task between two runs.
    ///
    /// The task is polled for the first time in the first drain of the next run or turn: after the main
    /// script and its ticks, and before the microtasks that the script queues. Several tasks are polled
    /// in the order in which they were spawned. To run code at once, use
    /// [`start_script`](EventLoop::start_script).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut event_loop = nodeloop::EventLoop::new()?;
    /// let task = event_loop.spawn(async {
    ///     nodeloop::yield_now().await;
    ///     42
    /// });
    /// assert_eq!(event_loop.block_on(task).unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> Promise<T> {
        spawn_between_runs(&self.state, Location::caller(), future)
    }

    /// Spawns a task that can fail between two runs, as [`spawn`](EventLoop::spawn) does.
    ///
    /// An error that is not handled is reported in the next run, as that of
    /// [`try_spawn`](crate::try_spawn) is.
    #[track_caller]
    pub fn try_spawn<T: 'static, E: Reason>(
        &mut self,
        future: impl Future<Output = Result<T, E>> + 'static,
    ) -> TryPromise<T, E> {
        try_spawn_between_runs(&self.state, Location::caller(), future)
    }

    /// Calls `call` inside of the loop, between two runs, and returns its result.
    ///
    /// It is for functions that need a running loop, such as [`on_exit`](crate::on_exit) and the other hooks,
    /// when they must be there before the main script begins. This is neither a macrotask nor followed by a
    /// drain: what `call` queues runs in the next run or turn, ticks and microtasks in its first drain.
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread, and if `call` ends the run or lets a callback fail. A
    /// panic of `call` continues in the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::{EventLoop, next_tick, on_exit};
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// event_loop.with_current(|| on_exit(|code| println!("exit {code}")));
    /// event_loop.run_script(|| next_tick(|| println!("tick"))).unwrap(); // prints "tick", then "exit 0"
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn with_current<R>(&mut self, call: impl FnOnce() -> R) -> R {
        refuse_nesting("with_current");
        self.state.set_status(LoopStatus::Open);
        let entered = enter(&self.state);
        let result = preserve_context(&self.state, call);
        drop(entered);
        self.state.refuse_interrupt();
        result
    }

    /// Returns the exit code of the last run, which is what Node's process would end with: 0, the code of
    /// [`set_exit_code`](crate::set_exit_code) or [`exit`](crate::exit), or 1 after an error.
    ///
    /// A [`block_on`](EventLoop::block_on) and the turns of a host have no end, so only a code that was
    /// set is returned after them.
    pub fn exit_code(&self) -> i32 {
        self.state.exit_code()
    }

    /// Returns a handle with which other threads reach this loop, also between two runs.
    pub fn handle(&self) -> Handle {
        Handle::new(self.state.remote_queue.clone())
    }

    /// Reports what this loop waits for, as [`why_alive`](crate::why_alive) does from inside of it.
    pub fn why_alive(&self) -> WhyAlive {
        WhyAlive::of(&self.state)
    }

    pub(crate) fn state(&self) -> &Rc<LoopState> {
        &self.state
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.end_hosting();
        self.state.shut_down();
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("entry", &self.entry)
            .field("stuck_policy", &self.stuck_policy)
            .finish_non_exhaustive()
    }
}
