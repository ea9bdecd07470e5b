//! The ways into a loop: `run`, `run_script`, `block_on`, and `EventLoop` with its builder.
//!
//! What a run is (R1, R2): the main script as the first macrotask, with its drain; the loop until
//! nothing keeps it alive; `before_exit`, and the loop again if that made work; `exit`.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::Clock;
use crate::current::{Entered, Life, LoopState, Stop, enter, try_current};
use crate::event_loop::Patience;
use crate::handle::Handle;
use crate::macrotask::Place;
use crate::phases::poll::PollPhase;
use crate::promise::{Failure, Promise, spawn_at};
use crate::remote::Door;
use crate::uncaught::Uncaught;

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
        try_current().is_none(),
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
    entry: Entry,
    stuck: StuckPolicy,
}

impl EventLoop {
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
        let _entered = self.enter("run");
        let place = Location::caller();
        let main = self.start_main(place, move || spawn_at(place, future));
        let stuck = self.run_to_the_end(&|| main.as_ref().is_none_or(Promise::is_finished));
        self.result(main, place, stuck)
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
        let _entered = self.enter("run_script");
        self.start_script(Location::caller(), script);
        self.run_to_the_end(&|| true);
        match self.state.take_stop() {
            None => Ok(()),
            stop => {
                self.state.cancel_all();
                Err(RunError::from_stop(stop, None))
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
        let place = Location::caller();
        let (output, state) = (Rc::new(RefCell::new(None)), self.state.clone());
        let slot = output.clone();
        let main = self.start_main(place, move || {
            spawn_at(place, async move {
                let value = future.await;
                *slot.borrow_mut() = Some(value);
                state.stop(Stop::Done);
            })
        });
        let mut stuck = None;
        while !self.state.is_stopping() {
            self.state.run_while_alive();
            if !self.state.is_stopping() && main.as_ref().is_none_or(Promise::is_finished) {
                break; // it panicked, and a hook has been told
            }
            stuck = self.wait_or_give_up();
            if stuck.is_some() {
                break;
            }
        }
        if matches!(*self.state.stop.borrow(), Some(Stop::Done)) {
            let _ = self.state.take_stop();
            return Ok(output.take().expect("the value comes before the stop"));
        }
        match self.result(main, place, stuck) {
            Ok(()) => unreachable!("a main future that finishes stops the run"),
            Err(error) => Err(error),
        }
    }

    /// The end of a run: what the main future gave, or why there is nothing. A run that ended
    /// early leaves nothing behind, and a main future that is stuck is dropped.
    fn result<T>(
        &self,
        main: Option<Promise<T>>,
        place: Place,
        stuck: Option<Stuck>,
    ) -> Result<T, RunError> {
        let mut early = self.state.take_stop();
        if early.is_some() {
            self.state.cancel_all();
        }
        if let Some(main) = main {
            if main.is_finished() {
                match (main.state().take(), &early) {
                    (Ok(output), None) => return Ok(output),
                    (_, Some(Stop::Exit(_))) => {} // the payload is the one of `exit`
                    (Err(Failure::Panicked(payload)), _) => {
                        return Err(RunError::Uncaught(Uncaught { payload, place }));
                    }
                    _ => {}
                }
            } else {
                main.abort();
                let _ = self.state.checkpoint();
                // What the destructors set off may end the run in its turn: not the next one.
                if let Some(stop) = self.state.take_stop() {
                    self.state.cancel_all();
                    early.get_or_insert(stop);
                }
            }
        }
        Err(RunError::from_stop(early, stuck))
    }

    /// A handle with which other threads reach this loop, also between two runs.
    pub fn handle(&self) -> Handle {
        Handle::new(self.state.door.clone())
    }

    #[track_caller]
    fn enter(&self, verb: &str) -> Entered {
        refuse_nesting(verb);
        self.state.life.set(Life::Open);
        enter(&self.state)
    }

    /// R1: the main macrotask and its drain. A throw in it does not keep the drain away (R52).
    fn start_script(&self, place: Place, script: impl FnOnce() + 'static) {
        let state = &self.state;
        let _ = match self.entry {
            Entry::CommonJs => state.guard(place, script),
            Entry::Module => {
                // R19: the body of a module is a promise job, so its jobs come before its ticks.
                let callback: Box<dyn FnOnce()> = Box::new(script);
                state.push_microtask(crate::queues::Job { callback, place });
                Ok(())
            }
        };
        if !state.is_stopping() {
            let _ = state.checkpoint();
        }
    }

    fn start_main<T>(
        &self,
        place: Place,
        start: impl FnOnce() -> Promise<T> + 'static,
    ) -> Option<Promise<T>> {
        let main = Rc::new(RefCell::new(None));
        let slot = main.clone();
        self.start_script(place, move || *slot.borrow_mut() = Some(start()));
        main.take()
    }

    /// R2. What comes back says why the main future can never finish.
    fn run_to_the_end(&self, main_is_done: &dyn Fn() -> bool) -> Option<Stuck> {
        let state = &self.state;
        let stuck = loop {
            state.run_while_alive();
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
            if let Some(stuck) = self.wait_or_give_up() {
                break Some(stuck);
            }
        };
        let code = match &*state.stop.borrow() {
            Some(Stop::Exit(code)) => *code,
            Some(_) => 1,
            None => 0,
        };
        state.emit_exit(code);
        stuck
    }

    /// The loop has run dry and the main future is pending: only another thread can wake it now.
    fn wait_or_give_up(&self) -> Option<Stuck> {
        match self.stuck {
            StuckPolicy::Wait => {
                self.state.turn(Patience::EvenIfIdle);
                None
            }
            StuckPolicy::Error => Some(Stuck {
                pending: self.state.pending_places(),
            }),
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.state.shut_down();
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("entry", &self.entry)
            .field("stuck", &self.stuck)
            .finish_non_exhaustive()
    }
}

impl LoopState {
    /// R2: one macrotask, with a drain behind it.
    fn emit_before_exit(&self) {
        let place = Location::caller();
        if self
            .guard(place, || self.hooks.before_exit.call(&()))
            .is_ok()
        {
            let _ = self.checkpoint();
        }
    }

    /// R9: once. Ticks are refused from now on; microtasks of the listeners run only if the loop
    /// has ended by itself.
    pub(crate) fn emit_exit(&self, code: i32) {
        if self.life.get() != Life::Open {
            return; // told already, or everything is being cancelled
        }
        self.life.set(Life::Exiting);
        let place = Location::caller();
        if self.guard(place, || self.hooks.exit.call(&code)).is_ok() {
            let _ = self.checkpoint();
        }
    }

    /// What is pending, for the report of a run that is stuck.
    fn pending_places(&self) -> Vec<Place> {
        self.tasks
            .borrow()
            .iter()
            .map(|(_, task)| task.place)
            .collect()
    }
}

/// Settings of an [`EventLoop`].
#[derive(Debug, Clone)]
pub struct Builder {
    blocking_threads: usize,
    virtual_time: bool,
    io_holds_time: bool,
    entry: Entry,
    stuck: StuckPolicy,
}

/// How the main script is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entry {
    /// A macrotask of its own: ticks before promise jobs (R1, R10).
    #[default]
    CommonJs,
    /// A promise job, as the body of an ES module: promise jobs before ticks (R19).
    Module,
}

/// What a run does when its main future is pending and nothing keeps the loop alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StuckPolicy {
    /// Wait for a wake from another thread. If no other thread holds a waker it waits for ever.
    #[default]
    Wait,
    /// End the run with [`RunError::Stuck`].
    Error,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            blocking_threads: 4,
            virtual_time: false,
            io_holds_time: false,
            entry: Entry::default(),
            stuck: StuckPolicy::default(),
        }
    }
}

impl Builder {
    /// How many jobs of this loop's pool run at once (R60); 4 by default, as in Node.
    ///
    /// The threads belong to the `blocking` crate, which shares them among all loops of the
    /// process and starts at most `BLOCKING_MAX_THREADS` (an environment variable, 500 by
    /// default). With fewer threads than jobs, loops take turns.
    ///
    /// # Panics
    ///
    /// If `count` is zero.
    #[track_caller]
    pub fn blocking_threads(mut self, count: usize) -> Builder {
        assert!(
            count > 0,
            "a loop needs at least one blocking thread; `blocking_threads(0)`"
        );
        self.blocking_threads = count;
        self
    }

    /// Gives the loop a clock that moves only when nothing else can run: straight to the next
    /// timer. It starts at zero. Jobs of the pool hold it, waits on sockets do not.
    pub fn virtual_time(mut self) -> Builder {
        self.virtual_time = true;
        self
    }

    /// Whether waits on sockets hold virtual time, too: the clock then jumps only when nobody
    /// waits for a socket. Off by default, or a listening socket would freeze time for ever.
    pub fn io_holds_time(mut self, holds: bool) -> Builder {
        self.io_holds_time = holds;
        self
    }

    /// How the main script is entered; as CommonJS by default.
    pub fn entry(mut self, entry: Entry) -> Builder {
        self.entry = entry;
        self
    }

    /// What a stuck run does; it waits by default.
    pub fn stuck(mut self, policy: StuckPolicy) -> Builder {
        self.stuck = policy;
        self
    }

    /// Builds the loop.
    ///
    /// # Errors
    ///
    /// The system's, when it has no descriptor left for the poll.
    pub fn build(self) -> io::Result<EventLoop> {
        let clock = if self.virtual_time {
            Clock::virtual_time()
        } else {
            Clock::real()
        };
        let (poll, waker) = PollPhase::new(self.io_holds_time)?;
        let door = Arc::new(Door::new(waker));
        let state = Rc::new(LoopState::new(clock, poll, door, self.blocking_threads));
        Ok(EventLoop {
            state,
            entry: self.entry,
            stuck: self.stuck,
        })
    }
}

/// Why a run ended without a value.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The main future is pending, and nothing keeps the loop alive.
    Stuck(Stuck),
    /// A promise was rejected, and nobody handled it.
    Unhandled {
        /// The reason as `Debug` prints it.
        reason: String,
        /// Where the promise was made.
        place: Place,
    },
    /// A panic left a callback, or the main future panicked.
    Uncaught(Uncaught),
    /// The program called [`exit`](crate::exit) with this code.
    Exit(i32),
}

impl RunError {
    fn from_stop(stop: Option<Stop>, stuck: Option<Stuck>) -> RunError {
        match (stop, stuck) {
            (Some(Stop::Exit(code)), _) => RunError::Exit(code),
            (Some(Stop::Uncaught(error)), _) => RunError::Uncaught(error),
            (Some(Stop::Unhandled { reason, place }), _) => RunError::Unhandled { reason, place },
            (_, Some(stuck)) => RunError::Stuck(stuck),
            (Some(Stop::Done) | None, None) => RunError::Stuck(Stuck {
                pending: Vec::new(),
            }),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Stuck(stuck) => stuck.fmt(f),
            RunError::Unhandled { reason, place } => write!(
                f,
                "unhandled rejection of the promise made at {place}: {reason}; await it, give it \
                 a reaction, or install `on_unhandled_rejection`"
            ),
            RunError::Uncaught(error) => error.fmt(f),
            RunError::Exit(code) => write!(f, "the program called `exit({code})`"),
        }
    }
}

impl std::error::Error for RunError {}

/// The report of a run that can never finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pending: Vec<Place>,
}

impl Stuck {
    /// Where the tasks that are pending were spawned.
    pub fn pending(&self) -> &[Place] {
        &self.pending
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the main future is pending and nothing keeps the loop alive: no timer, immediate, \
             job, I/O wait or keep-alive token is left to wake it",
        )?;
        for place in &self.pending {
            write!(f, "\n  a task spawned at {place} is pending")?;
        }
        Ok(())
    }
}
