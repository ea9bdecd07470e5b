//! Order as a unit test: a loop on virtual time, an ordered log, time in hand, and exploration.
//!
//! ```
//! use std::time::Duration;
//! use nodeloop::{next_tick, set_timeout};
//!
//! # /*
//! #[test]
//! # */
//! fn the_tick_comes_first() {
//!     nodeloop::test::run(async |t| {
//!         let log = t.log();
//!         set_timeout(Duration::from_secs(3600), log.callback("timeout"));
//!         next_tick(log.callback("tick"));
//!         t.until_idle().await; // an hour passes, at once
//!         log.assert_order(["tick", "timeout"]);
//!     });
//! }
//! # the_tick_comes_first();
//! ```
//!
//! * [`run`] runs the body on a fresh loop with a virtual clock, until the body has finished *and*
//!   nothing is left. It fails, naming places, when the body can never finish, when a rejection or
//!   a panic of a callback is left to nobody, when the program calls [`exit`](crate::exit), when
//!   ticks or microtasks follow each other without end, and when a task is left behind that nothing
//!   will ever wake. What the body returns comes back, so
//!   a `Result` can be returned from the test, and `?` be used in it.
//! * [`Log`] is what happened, with where each of it happened, and the comparisons.
//! * [`Test`] moves time from inside of the body; [`Stepper`] goes round the wheel from outside of
//!   the loop, phase by phase.
//! * [`explore`] runs the body under many seeds, each of which permutes what Node does not
//!   guarantee, and nothing else.
//!
//! The chapter [`guide::testing`](crate::guide::testing) has worked tests.
//!
//! # Time
//!
//! Virtual time moves only when nothing else can run: straight to the next timer. These verbs must
//! not be confused:
//!
//! | verb | time passes | callbacks run |
//! |---|---|---|
//! | *block for d*: [`time::block_for`](crate::time::block_for) | d, at once | none, as in a callback that is busy |
//! | *wait for jobs*: [`time::wait_for_jobs`](crate::time::wait_for_jobs) | none | none; the completions are there for the next poll phase |
//! | *advance by d*: [`Test::advance`], [`Stepper::advance`] | d | all that are due by then, each at its own time |
//!
//! `advance` is exact, to the nanosecond: behind it the clock is `d` later, never more, unless a
//! callback itself blocked past that. Whatever ran meanwhile ran at its own time: a timer of an
//! interval sees 10, 20, 30 ms, and not the target.
//!
//! # Real I/O and jobs of the pool
//!
//! What really takes time, while virtual time stands or jumps, is ruled explicitly:
//!
//! | what is out | the clock | the setting |
//! |---|---|---|
//! | a job of the pool (`spawn_blocking`, `queue_work`, `fs`) | waits for it, however long its thread takes: in virtual time a job takes none | [`TestBuilder::jobs_hold_time`], on by default |
//! | a wait on a socket | does not wait: the loop looks once without waiting, then jumps | [`TestBuilder::io_holds_time`], off by default, or a listening socket would freeze time for ever |
//! | a [`KeepAlive`](crate::KeepAlive) token, another thread | does not wait if a timer is pending | hold the time: [`Test::hold_time`] |
//!
//! # What is different from a paused clock elsewhere
//!
//! Four things over which users of tokio's paused clock stumble, and what happens here:
//!
//! * *The clock ran away from a `spawn_blocking`, so that a timeout around it fired at once*
//!   (tokio issue 4614). Jobs hold the clock, those of `fs` included.
//! * *Since they do, a job that never ends stops the clock for good* (6242). That is a setting:
//!   with [`jobs_hold_time(false)`](Builder::jobs_hold_time) the clock jumps while a job is out.
//! * *There is no way to turn the jumping off while a test prepares something with I/O* (4522).
//!   [`Test::hold_time`] does, for as long as its guard lives, and
//!   [`TestBuilder::auto_advance`] for good; `advance` still moves the clock. A test that would then
//!   wait for ever fails, and says that the clock is held.
//! * *`advance` went too far, or left behind what was due on the way* (3710, and 3837, 3985, 7463).
//!   Advancing is a wait in the loop, not a jump under it: the clock goes from timer to timer,
//!   never past the target, and the whole turn of each of them runs before the next.

mod diff;
mod explore;
mod failure;
mod log;
mod stepper;
mod verbs;

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;
use crate::phases::poll::delivery::{Decision, Seed};
use crate::runtime::{Builder, EntryMode, EventLoop, RunError, StuckPolicy};

pub use explore::{Explored, explore};
pub use failure::TestFailure;
pub use log::{Log, LogEntry};
pub use stepper::Stepper;
pub use verbs::{Test, TimeHeld};

/// Runs a test of order: `body` on a fresh loop with a virtual clock, until it has finished and
/// nothing is left to do. What the body gives comes back.
///
/// The body is the main future, entered as by [`run`](crate::run).
///
/// ```
/// # /*
/// #[test]
/// # */
/// fn parses() -> Result<(), std::num::ParseIntError> {
///     nodeloop::test::run(async |t| {
///         let number: u64 = "20".parse()?;
///         t.advance(std::time::Duration::from_millis(number)).await;
///         assert_eq!(t.now().as_millis(), 20);
///         Ok(())
///     })
/// }
/// # parses().unwrap();
/// ```
///
/// # Panics
///
/// With the panic of the body, if it panics; and with the report of a [`TestFailure`] for everything
/// else that fails a test. Also if a loop is running on this thread.
#[track_caller]
pub fn run<T, F>(body: F) -> T
where
    F: AsyncFnOnce(Test) -> T + 'static,
    T: 'static,
{
    TestBuilder::new().run(body)
}

/// Runs `script` as a CommonJS main script, as [`run_script`](crate::run_script) does, and the
/// loop until nothing is left; everything else is as in [`run`].
///
/// # Panics
///
/// As [`run`].
#[track_caller]
pub fn run_script(script: impl FnOnce(Test) + 'static) {
    TestBuilder::new().run_script(script);
}

/// How many ticks and microtasks one drain of a test may run by default.
const DRAIN_LIMIT: u64 = 1_000_000;

/// Settings of a test.
#[derive(Debug)]
#[must_use = "settings do nothing until a test is run with them"]
pub struct TestBuilder {
    settings: Builder,
    leftovers: bool,
    seed: Option<Seed>,
}

impl Default for TestBuilder {
    fn default() -> TestBuilder {
        TestBuilder::new()
    }
}

/// What a run of a test gave, or how it failed, and the decisions of its seed.
pub(crate) struct Ran<T> {
    pub(crate) result: Result<T, TestFailure>,
    pub(crate) log: Log,
    pub(crate) decisions: Vec<Decision>,
}

impl TestBuilder {
    /// The settings of [`run`].
    pub fn new() -> TestBuilder {
        let settings = Builder::default().virtual_time();
        TestBuilder {
            settings: settings
                .stuck_policy(StuckPolicy::Error)
                .drain_limit(DRAIN_LIMIT),
            leftovers: false,
            seed: None,
        }
    }

    /// Lets the test leave tasks behind that are pending when the loop has nothing left. They are
    /// cancelled.
    pub fn allow_leftovers(mut self) -> TestBuilder {
        self.leftovers = true;
        self
    }

    /// See [`TestBuilder::jobs_hold_time`](crate::TestBuilder::jobs_hold_time); they do by default.
    pub fn jobs_hold_time(mut self, hold: bool) -> TestBuilder {
        self.settings = self.settings.jobs_hold_time(hold);
        self
    }

    /// See [`TestBuilder::io_holds_time`](crate::TestBuilder::io_holds_time); it does not by default.
    pub fn io_holds_time(mut self, holds: bool) -> TestBuilder {
        self.settings = self.settings.io_holds_time(holds);
        self
    }

    /// Whether time jumps to the next timer by itself, as it does by default; see
    /// [`TestBuilder::auto_advance`](crate::TestBuilder::auto_advance).
    pub fn auto_advance(mut self, advance: bool) -> TestBuilder {
        self.settings = self.settings.auto_advance(advance);
        self
    }

    /// How the body is entered; as CommonJS by default.
    pub fn entry(mut self, entry: EntryMode) -> TestBuilder {
        self.settings = self.settings.entry(entry);
        self
    }

    /// How many jobs of the pool run at once; 4 by default.
    ///
    /// # Panics
    ///
    /// If `count` is zero.
    #[track_caller]
    pub fn blocking_threads(mut self, count: usize) -> TestBuilder {
        self.settings = self.settings.blocking_threads(count);
        self
    }

    /// How many ticks and microtasks one drain may run before the test fails: a chain of them that
    /// never ends would hang it (R11). A million by default; see
    /// [`TestBuilder::drain_limit`](crate::TestBuilder::drain_limit).
    #[track_caller]
    pub fn drain_limit(mut self, limit: u64) -> TestBuilder {
        self.settings = self.settings.drain_limit(limit);
        self
    }

    /// Permutes what Node does not guarantee by this seed; see [`explore`].
    pub fn seed(mut self, seed: Seed) -> TestBuilder {
        self.seed = Some(seed);
        self
    }

    /// [`run`] with these settings.
    ///
    /// # Panics
    ///
    /// As [`run`].
    #[track_caller]
    pub fn run<T, F>(self, body: F) -> T
    where
        F: AsyncFnOnce(Test) -> T + 'static,
        T: 'static,
    {
        loudly(self.try_run(body))
    }

    /// [`run_script`] with these settings.
    ///
    /// # Panics
    ///
    /// As [`run`].
    #[track_caller]
    pub fn run_script(self, script: impl FnOnce(Test) + 'static) {
        let location = Location::caller();
        let ran = self.drive(location, |event_loop, test| {
            event_loop.run_script_at(location, move || script(test))
        });
        loudly(ran.result);
    }

    /// [`run`] with these settings, with the failure as a value.
    ///
    /// # Errors
    ///
    /// What fails the test, the panic of the body included.
    ///
    /// # Panics
    ///
    /// If a loop is running on this thread, or the system has no descriptors left.
    #[track_caller]
    pub fn try_run<T, F>(self, body: F) -> Result<T, TestFailure>
    where
        F: AsyncFnOnce(Test) -> T + 'static,
        T: 'static,
    {
        let main = move |test: Test| async move { body(test).await };
        self.run_future(Location::caller(), main).result
    }

    /// A loop with these settings that is driven from outside.
    ///
    /// # Panics
    ///
    /// If the system has no descriptors left.
    #[track_caller]
    pub fn stepper(self) -> Stepper {
        let leftovers = self.leftovers;
        Stepper::new(self.build(), leftovers)
    }

    #[track_caller]
    pub(crate) fn run_future<T, M, F>(self, location: SourceLocation, main: M) -> Ran<T>
    where
        M: FnOnce(Test) -> F + 'static,
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        self.drive(location, |event_loop, test| {
            event_loop.run_at(location, main(test))
        })
    }

    #[track_caller]
    fn drive<T>(
        self,
        location: SourceLocation,
        run: impl FnOnce(&mut EventLoop, Test) -> Result<T, RunError>,
    ) -> Ran<T> {
        let allowed = self.leftovers;
        let mut event_loop = self.build();
        let state: Rc<LoopState> = event_loop.state().clone();
        let log = Log::new();
        let result = run(&mut event_loop, Test::new(state.clone(), log.clone()));
        let result = match result {
            Err(error) => Err(TestFailure::ended(error, location, &log)),
            Ok(value) => match event_loop.why_alive() {
                left if left.tasks().is_empty() || allowed => Ok(value),
                left => Err(TestFailure::left(left, &log)),
            },
        };
        Ran {
            result,
            log,
            decisions: state.poll.delivery.decisions(),
        }
    }

    #[track_caller]
    fn build(self) -> EventLoop {
        let settings = match self.seed {
            Some(seed) => self.settings.seed(seed),
            None => self.settings,
        };
        match settings.build() {
            Ok(event_loop) => event_loop,
            Err(error) => panic!("the event loop of the test could not be built: {error}"),
        }
    }
}

/// Fails the test as it failed.
#[track_caller]
fn loudly<T>(result: Result<T, TestFailure>) -> T {
    match result {
        Ok(value) => value,
        Err(failure) => match failure.into_panic_of_the_body() {
            Ok(payload) => resume_unwind(payload),
            Err(failure) => panic!("{failure}"),
        },
    }
}
