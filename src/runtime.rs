//! The ways into a loop: `run`, `run_script`, `block_on`, and `EventLoop` with its builder.
//!
//! What a run is (R1, R2): the main script as the first macrotask, with its drain; the loop until
//! nothing keeps it alive; `before_exit`, and the loop again if that made work; `exit`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::event_loop::PollMode;
use crate::event_loop::current::{Entered, enter, is_observer, try_current};
use crate::event_loop::state::LoopState;
use crate::event_loop::status::{LoopStatus, Stop};
use crate::hooks::uncaught::Uncaught;
use crate::observe::why_alive::{PendingTask, WhyAlive};
use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::promise::{Promise, PromiseError, spawn_at};
use crate::runtime::handle::Handle;

mod builder;
#[cfg(unix)]
mod descriptor;
mod embed;
mod errors;
pub(crate) mod handle;

pub use builder::{Builder, EntryMode, StuckPolicy};
pub use errors::{RunError, Stuck};

/// How long, in real time, a main future may wait for another thread before that is told.
const WORTH_A_REPORT: Duration = Duration::from_secs(1);

/// Runs `future` and everything it starts, until the future has finished *and* nothing keeps the
/// loop alive; gives the future's output.
///
/// It is `async function main() { … }; main()` at the end of a CommonJS script: the future is the
/// main macrotask, so ticks come before promise jobs (R1, R10).
///
/// It ends loudly: an unhandled rejection, an uncaught panic and a main future that can never
/// finish panic here, and [`exit`](crate::exit) ends the process. [`EventLoop::run`] says the same
/// as values.
///
/// ```
/// nodeloop::run(async {
///     nodeloop::set_immediate(|| println!("third"));
///     nodeloop::queue_microtask(|| println!("second"));
///     nodeloop::next_tick(|| println!("first"));
/// });
/// ```
///
/// # Panics
///
/// As said, and if a loop is running on this thread, or the system has no descriptors left.
#[track_caller]
pub fn run<F>(future: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    let mut event_loop = default_loop("run");
    let result = event_loop.run(future);
    drop(event_loop);
    loudly(result)
}

/// Runs `script` as a CommonJS main script, then the loop until nothing keeps it alive.
///
/// A panic in the script is an uncaught error of the main macrotask (R52).
///
/// # Panics
///
/// As [`run`].
#[track_caller]
pub fn run_script(script: impl FnOnce() + 'static) {
    let mut event_loop = default_loop("run_script");
    let result = event_loop.run_script(script);
    drop(event_loop);
    loudly(result);
}

/// Runs `future` and returns as soon as it has finished; whatever else is pending is cancelled.
///
/// # Panics
///
/// As [`run`].
#[track_caller]
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    let mut event_loop = default_loop("block_on");
    let result = event_loop.block_on(future);
    drop(event_loop);
    loudly(result)
}

#[track_caller]
fn default_loop(verb: &str) -> EventLoop {
    refuse_nesting(verb);
    match EventLoop::builder().build() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("the event loop could not be built: {error}"),
    }
}

#[track_caller]
fn loudly<T>(result: Result<T, RunError>) -> T {
    match result {
        Ok(value) => value,
        Err(RunError::Exit(code)) => std::process::exit(code),
        Err(RunError::Uncaught(error)) => resume_unwind(error.into_payload()),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn refuse_nesting(verb: &str) {
    assert!(
        try_current().is_none() && !is_observer(),
        "`{verb}` was called inside a running event loop, and a thread runs one at a time: await \
         or spawn the future here, or start the other loop on a thread of its own"
    );
}

/// An event loop, for those who want to keep it, to choose its settings, or to get errors as
/// values.
///
/// It can be run again and again. What a run leaves behind stays for the next one: pending tasks,
/// unref'd timers and immediates, listeners, virtual time. A run that ended early (by
/// [`exit`](crate::exit), an uncaught panic or an unhandled rejection) leaves nothing: everything
/// is cancelled. Dropping the loop cancels everything, too, on this thread: tasks and callbacks
/// are dropped, and [handles](Handle) refuse from then on.
///
/// Several loops may exist on one thread, but only one of them runs at a time.
pub struct EventLoop {
    state: Rc<LoopState>,
    entry: EntryMode,
    stuck_policy: StuckPolicy,
    /// Whether the running run has told that it waits for another thread.
    has_reported: Cell<bool>,
    /// Whether a host drives the loop: its run goes on between the calls.
    is_hosted: Cell<bool>,
    /// Whether a host has started something and given no turn yet.
    at_first_turn: bool,
}

impl EventLoop {
    /// A loop with the settings of [`Builder::default`]: real time, as [`run`] takes.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> io::Result<EventLoop> {
        EventLoop::builder().build()
    }

    /// Settings for a new loop.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs `future` until it has finished and nothing keeps the loop alive, as [`run`] does.
    ///
    /// # Errors
    ///
    /// [`RunError`] says why the run ended without a value. A panic of the future itself comes
    /// as [`RunError::Uncaught`].
    ///
    /// # Panics
    ///
    /// If a loop is running on this thread.
    #[track_caller]
    pub fn run<F>(&mut self, future: F) -> Result<F::Output, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.run_at(Location::caller(), future)
    }

    /// [`run`](EventLoop::run) on behalf of somebody else.
    #[track_caller]
    pub(crate) fn run_at<F>(
        &mut self,
        location: SourceLocation,
        future: F,
    ) -> Result<F::Output, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let _entered = self.enter("run");
        let main = self.start_main(location, move || spawn_at(location, future));
        let stuck_policy =
            self.run_to_the_end(location, &|| main.as_ref().is_none_or(Promise::is_finished));
        let main = self.wind_up(main);
        self.result(main, location, stuck_policy)
    }

    /// Runs `script` as the main script, then the loop until nothing keeps it alive.
    ///
    /// # Errors
    ///
    /// As [`run`](EventLoop::run), [`RunError::Stuck`] excepted.
    ///
    /// # Panics
    ///
    /// If a loop is running on this thread.
    #[track_caller]
    pub fn run_script(&mut self, script: impl FnOnce() + 'static) -> Result<(), RunError> {
        self.run_script_at(Location::caller(), script)
    }

    /// [`run_script`](EventLoop::run_script) on behalf of somebody else.
    #[track_caller]
    pub(crate) fn run_script_at(
        &mut self,
        location: SourceLocation,
        script: impl FnOnce() + 'static,
    ) -> Result<(), RunError> {
        let _entered = self.enter("run_script");
        self.run_main(location, script);
        self.run_to_the_end(location, &|| true);
        self.state.end_run();
        match self.state.take_stop() {
            None => Ok(()),
            stop => {
                let stuck_policy = self.stuck_report(None);
                self.state.cancel_all();
                Err(RunError::from_stop(stop, Some(stuck_policy)))
            }
        }
    }

    /// Runs until `future` has finished, and no further: what is pending stays for the next run,
    /// and neither `before_exit` nor `exit` listeners are called.
    ///
    /// # Errors
    ///
    /// As [`run`](EventLoop::run).
    ///
    /// # Panics
    ///
    /// If a loop is running on this thread.
    #[track_caller]
    pub fn block_on<F>(&mut self, future: F) -> Result<F::Output, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let _entered = self.enter("block_on");
        let location = Location::caller();
        let (output, state) = (Rc::new(RefCell::new(None)), self.state.clone());
        let slot = output.clone();
        let main = self.start_main(location, move || {
            spawn_at(location, async move {
                let value = future.await;
                *slot.borrow_mut() = Some(value);
                state.stop(Stop::Done);
            })
        });
        let mut stuck_policy = None;
        while !self.state.is_stopping() {
            self.run_dry();
            if !self.state.is_stopping() && main.as_ref().is_none_or(Promise::is_finished) {
                break; // it panicked, and a hook has been told
            }
            stuck_policy = self.wait_or_give_up(location);
            if stuck_policy.is_some() {
                break;
            }
        }
        let main = self.wind_up(main);
        if matches!(*self.state.stop_reason(), Some(Stop::Done)) {
            let _ = self.state.take_stop();
            return Ok(output.take().expect("the value comes before the stop"));
        }
        match self.result(main, location, stuck_policy) {
            Ok(()) => unreachable!("a main future that finishes stops the run"),
            Err(error) => Err(error),
        }
    }

    /// The last things of a run: a main future that is stuck is dropped. What its destructors set
    /// off may end the run in its turn: not the next one. The main future, if it has finished.
    fn wind_up<T>(&self, main: Option<Promise<T>>) -> Option<Promise<T>> {
        let state = &self.state;
        let finished = main.filter(|main| {
            let finished = main.is_finished();
            if !finished && !state.is_stopping() {
                main.abort();
                let _ = state.checkpoint();
            }
            finished
        });
        state.end_run();
        finished
    }

    /// The end of a run: what the main future gave, or why there is nothing. A run that ended
    /// early leaves nothing behind.
    fn result<T>(
        &self,
        main: Option<Promise<T>>,
        location: SourceLocation,
        stuck_policy: Option<Stuck>,
    ) -> Result<T, RunError> {
        let early = self.state.take_stop();
        let stuck_policy = match early {
            Some(Stop::ClockHeld) => Some(self.stuck_report(Some(location))),
            _ => stuck_policy,
        };
        if early.is_some() {
            self.state.cancel_all();
        }
        if let Some(main) = main {
            match (main.state().outcome(), &early) {
                (Ok(output), None) => return Ok(output),
                (_, Some(Stop::Exit(_))) => {} // the payload is the one of `exit`
                (Err(PromiseError::Panicked(payload)), _) => {
                    return Err(RunError::Uncaught(Uncaught { payload, location }));
                }
                _ => {}
            }
        }
        Err(RunError::from_stop(early, stuck_policy))
    }

    /// A handle with which other threads reach this loop, also between two runs.
    pub fn handle(&self) -> Handle {
        Handle::new(self.state.remote_queue.clone())
    }

    #[track_caller]
    fn enter(&self, verb: &str) -> Entered {
        refuse_nesting(verb);
        self.state.set_status(LoopStatus::Open);
        self.has_reported.set(false);
        let entered = enter(&self.state);
        self.end_hosting();
        self.state.begin_run(Location::caller());
        entered
    }

    /// R1: the main macrotask and its drain. A throw in it does not keep the drain away (R52).
    fn run_main(&self, location: SourceLocation, script: impl FnOnce() + 'static) {
        let state = &self.state;
        let _ = match self.entry {
            EntryMode::CommonJs => {
                state.invoke(Origin::new(StepKind::MainScript, location), script)
            }
            EntryMode::Module => {
                // R19: the body of a module is a promise job, so its jobs come before its ticks.
                let callback: Box<dyn FnOnce()> = Box::new(script);
                state.push_microtask(crate::phases::queues::Job { callback, location });
                ControlFlow::Continue(())
            }
        };
        if !state.is_stopping() {
            let _ = state.checkpoint();
        }
    }

    fn start_main<T>(
        &self,
        location: SourceLocation,
        start: impl FnOnce() -> Promise<T> + 'static,
    ) -> Option<Promise<T>> {
        let main = Rc::new(RefCell::new(None));
        let slot = main.clone();
        self.run_main(location, move || *slot.borrow_mut() = Some(start()));
        main.take()
    }

    /// R2. What comes back says why the main future can never finish.
    fn run_to_the_end(
        &self,
        main: SourceLocation,
        main_is_done: &dyn Fn() -> bool,
    ) -> Option<Stuck> {
        let state = &self.state;
        let stuck_policy = loop {
            self.run_dry();
            if state.is_stopping() {
                break None;
            }
            state.emit_before_exit();
            if state.is_alive() && !state.is_stopping() {
                continue;
            }
            if main_is_done() || state.is_stopping() {
                break None;
            }
            if let Some(stuck_policy) = self.wait_or_give_up(main) {
                break Some(stuck_policy);
            }
        };
        let code = match &*state.stop_reason() {
            Some(Stop::Exit(code)) => *code,
            Some(_) => 1,
            None => 0,
        };
        state.emit_exit(code);
        stuck_policy
    }

    /// Runs until nothing keeps the loop alive, and nobody waits for just that.
    fn run_dry(&self) {
        loop {
            self.state.run_while_alive();
            if self.state.is_stopping() || !self.state.call_idle() {
                break;
            }
        }
    }

    /// The loop has run dry and the main future is pending, which keeps nothing alive (R50): only
    /// another thread can wake it now.
    fn wait_or_give_up(&self, main: SourceLocation) -> Option<Stuck> {
        match self.stuck_policy {
            StuckPolicy::Wait => {
                if !self.state.turn_within(WORTH_A_REPORT) && !self.state.is_stopping() {
                    if !self.has_reported.replace(true) {
                        eprintln!("nodeloop: still waiting: {}", self.stuck_report(Some(main)));
                    }
                    self.state.turn(PollMode::EvenIfIdle);
                }
                self.state.leave_phase();
                None
            }
            StuckPolicy::Error => Some(self.stuck_report(Some(main))),
        }
    }
}

impl EventLoop {
    fn stuck_report(&self, main: Option<SourceLocation>) -> Stuck {
        let report = WhyAlive::of(&self.state);
        Stuck {
            is_clock_held: false,
            main,
            pending: report.tasks().iter().map(PendingTask::location).collect(),
            report,
        }
    }

    /// What this loop waits for, as [`why_alive`](crate::why_alive) says it from inside.
    pub fn why_alive(&self) -> WhyAlive {
        WhyAlive::of(&self.state)
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
            .field("stuck", &self.stuck_policy)
            .finish_non_exhaustive()
    }
}
