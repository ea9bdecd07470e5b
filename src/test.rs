//! Tests of order: a loop on virtual time, an ordered log, control of time, and exploration.
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
//!         t.until_idle().await; // an hour of virtual time passes
//!         log.assert_order(["tick", "timeout"]);
//!     });
//! }
//! # the_tick_comes_first();
//! ```
//!
//! * [`run`] runs the body on a new loop with a virtual clock, until the body has finished *and*
//!   nothing keeps the loop alive. It returns the output of the body, so that a test can return a
//!   `Result` and use `?`. It fails if the body can never finish, if a rejection or a panic of a
//!   callback is not handled, if the program calls [`exit`](crate::exit), if a drain does not end, or
//!   if a task is left that can never be woken. The report contains the source locations.
//! * The attribute [`#[nodeloop::test]`](macro@crate::test) does the same for an `async fn`, without the
//!   closure.
//! * [`Log`] records events with their positions, and compares their order.
//! * [`Test`] advances time from the body. [`Stepper`] runs the loop from outside, phase by phase.
//! * [`World`] runs several hosts with a simulated network; see [`guide::world`](crate::guide::world).
//!   [`WorldBuilder::explore`] runs it under many seeds, which also choose faults and delays.
//! * [`explore`] runs the body under many seeds. Each permutes what Node does not guarantee, and
//!   nothing else. [`complete_within`] simulates an operation whose duration a seed chooses.
//! * [`Replay::explore`] replays a recording of a real run with its arrivals in other orders.
//! * [`explore_all`] runs the body in every order that Node permits, for small programs.
//!
//! The chapter [`guide::testing`](crate::guide::testing) explains complete tests.
//!
//! # Time
//!
//! Virtual time moves only when nothing else can run, and then to the time of the next timer. Three
//! operations move it or wait:
//!
//! | operation | time that passes | callbacks that run |
//! |---|---|---|
//! | [`time::block_for(d)`](crate::time::block_for) | `d`, immediately | none, as during a callback that is busy |
//! | [`time::wait_for_jobs`](crate::time::wait_for_jobs) | none | none; the completions are handled in the next poll phase |
//! | [`Test::advance(d)`](Test::advance), [`Stepper::advance(d)`](Stepper::advance) | `d` | those that are due by then, each at its own time |
//!
//! `advance` is exact to the nanosecond: afterwards the clock is `d` later, never more, unless a
//! callback itself blocked past that. Callbacks run at their own times: an interval of 10 ms sees
//! 10, 20 and 30 ms, not the target.
//!
//! # Real I/O and jobs of the pool
//!
//! Some operations need real time, while virtual time stops or jumps:
//!
//! | pending operation | the clock | setting |
//! |---|---|---|
//! | a job of the pool (`spawn_blocking`, `queue_work`, `fs`) | waits for it, however long its thread takes; in virtual time a job takes no time | [`TestBuilder::jobs_hold_time`], on by default |
//! | a wait for a socket | does not wait: the loop polls once without waiting, then jumps | [`TestBuilder::io_holds_time`], off by default, because a listening socket would hold the clock forever |
//! | a [`KeepAlive`](crate::KeepAlive) token, another thread | does not wait if a timer is pending | [`Test::hold_time`] holds the clock |
//!
//! # Differences from tokio's paused clock
//!
//! Four issues with tokio's paused clock, and what happens here:
//!
//! * *The clock advances during a `spawn_blocking`, so that a timeout around it fires immediately*
//!   (tokio issue 4614). Jobs hold the clock, including those of `fs`.
//! * *A job that never ends stops the clock* (6242). With
//!   [`jobs_hold_time(false)`](TestBuilder::jobs_hold_time) the clock jumps while a job runs.
//! * *Automatic advancing cannot be turned off while a test waits for I/O* (4522).
//!   [`Test::hold_time`] turns it off until its guard is dropped, and [`TestBuilder::auto_advance`]
//!   for the whole test; `advance` still moves the clock. A test that would then wait forever fails
//!   and reports that the clock is held.
//! * *`advance` moves the clock too far, or skips timers that are due earlier* (3710, 3837, 3985, 7463).
//!   Here the clock moves from timer to timer, never past the target, and all work of one timer runs
//!   before the next timer.

mod control;
mod diff;
mod explore;
mod explore_all;
mod failure;
mod log;
mod replay;
mod report;
mod shared;
mod simulated;
mod stepper;
mod world;

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::pin;
use std::rc::Rc;

use crate::event_loop::release::NodeRelease;
use crate::event_loop::state::LoopState;
use crate::observe::ObserverHandle;
use crate::phases::macrotask::SourceLocation;
use crate::phases::poll::delivery::order::{OrderRecord, Plan};
use crate::phases::poll::delivery::{Decision, Seed};
use crate::runtime::{Builder, EntryMode, EventLoop, MainOutput, RunError, StuckPolicy};

use explore_all::{Limits, SharedState, Tracker};

pub use crate::reactor::disk::{Disk, DiskError, DiskFault, DiskOperation};
pub use crate::reactor::world::{SimulatedChild, SimulatedJob};
pub use control::{Test, TimeHeld};
pub use explore::{Explored, explore};
pub use explore_all::{CheckedOrders, explore_all};
pub use failure::TestFailure;
pub use log::{Log, LogEntry};
pub use replay::{
    DivergenceReport, Replay, ReplayError, ReplayErrorKind, ReplayFailure, Replayed, replay,
};
pub use shared::{Shared, touch};
pub use simulated::complete_within;
pub use stepper::Stepper;
pub use world::{Fault, Host, World, WorldBuilder};

/// Runs `body` as a test of order: on a new loop with a virtual clock, until the body has finished
/// and nothing keeps the loop alive. Returns the output of the body.
///
/// The body is the main future, as in [`run`](crate::run).
///
/// # Panics
///
/// Resumes the panic of the body if it panics. Panics with the report of a [`TestFailure`] if the
/// test fails in any other way, and if a loop is running on this thread.
///
/// # Examples
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
#[track_caller]
pub fn run<T, F>(body: F) -> T
where
    T: MainOutput,
    F: AsyncFnOnce(Test) -> T,
{
    TestBuilder::new().run(body)
}

/// Runs a test with `script` as a CommonJS main script, as [`run_script`](crate::run_script) does,
/// and otherwise as [`run`].
///
/// # Panics
///
/// Panics like [`run`].
#[track_caller]
pub fn run_script(script: impl FnOnce(Test) + 'static) {
    TestBuilder::new().run_script(script);
}

/// The default limit of ticks and microtasks in one drain of a test.
const DRAIN_LIMIT: u64 = 1_000_000;

/// Settings of a test.
#[derive(Debug)]
#[must_use = "settings do nothing until a test runs with them"]
pub struct TestBuilder {
    settings: Builder,
    allow_leftovers: bool,
    seed: Option<Seed>,
    limits: Limits,
    shared_state: SharedState,
}

impl Default for TestBuilder {
    fn default() -> TestBuilder {
        TestBuilder::new()
    }
}

/// A finished run of a test: its result, its log, and the decisions of its seed.
struct FinishedRun<T> {
    result: Result<T, TestFailure>,
    log: Log,
    decisions: Vec<Decision>,
    /// The decisions of its seed that do not apply.
    inapplicable: Vec<usize>,
    /// The order of the run, if it has a plan.
    record: OrderRecord,
    /// Why the order could not be followed, so that the result means nothing.
    not_followed: Option<String>,
}

impl TestBuilder {
    /// Creates the default settings, which [`run`] uses.
    pub fn new() -> TestBuilder {
        let settings = Builder::default().virtual_time();
        TestBuilder {
            settings: settings
                .stuck_policy(StuckPolicy::Error)
                .drain_limit(DRAIN_LIMIT),
            allow_leftovers: false,
            seed: None,
            limits: Limits::default(),
            shared_state: SharedState::Unknown,
        }
    }

    /// Sets the release of Node whose order the loop has; see [`Builder::node`].
    pub fn node(mut self, release: NodeRelease) -> TestBuilder {
        self.settings = self.settings.node(release);
        self
    }

    /// Allows tasks to be pending when the loop ends. They are cancelled.
    pub fn allow_leftovers(mut self) -> TestBuilder {
        self.allow_leftovers = true;
        self
    }

    /// Sets the clock to that of the system, for a test with real sockets, files or processes.
    ///
    /// Such a clock cannot be advanced: [`Test::advance`] panics. The checks of a test remain, except
    /// that a body that is pending while nothing keeps the loop alive waits for other threads
    /// ([`StuckPolicy::Wait`]).
    pub fn real_time(mut self) -> TestBuilder {
        let settings = self.settings.real_time();
        self.settings = settings.stuck_policy(StuckPolicy::Wait);
        self
    }

    /// Sets whether jobs of the pool hold the clock, as they do by default; see
    /// [`Builder::jobs_hold_time`].
    pub fn jobs_hold_time(mut self, hold: bool) -> TestBuilder {
        self.settings = self.settings.jobs_hold_time(hold);
        self
    }

    /// Sets whether waits for sockets hold the clock, which they do not by default; see
    /// [`Builder::io_holds_time`].
    pub fn io_holds_time(mut self, holds: bool) -> TestBuilder {
        self.settings = self.settings.io_holds_time(holds);
        self
    }

    /// Sets whether time jumps to the next timer by itself, as it does by default; see
    /// [`Builder::auto_advance`].
    pub fn auto_advance(mut self, advance: bool) -> TestBuilder {
        self.settings = self.settings.auto_advance(advance);
        self
    }

    /// Sets how the body is entered; as CommonJS by default.
    pub fn entry(mut self, entry: EntryMode) -> TestBuilder {
        self.settings = self.settings.entry(entry);
        self
    }

    /// Sets how many jobs of the pool run concurrently; 4 by default.
    ///
    /// # Panics
    ///
    /// Panics if `count` is zero.
    #[track_caller]
    pub fn blocking_threads(mut self, count: usize) -> TestBuilder {
        self.settings = self.settings.blocking_threads(count);
        self
    }

    /// Sets how many ticks and microtasks one drain may run before the test fails; a million by
    /// default. A chain of them that never ends would block the test forever (R11). See
    /// [`Builder::drain_limit`].
    #[track_caller]
    pub fn drain_limit(mut self, limit: u64) -> TestBuilder {
        self.settings = self.settings.drain_limit(limit);
        self
    }

    /// Sets a seed that permutes what Node does not guarantee; see [`explore`].
    pub fn seed(mut self, seed: Seed) -> TestBuilder {
        self.seed = Some(seed);
        self
    }

    /// Runs a test as [`run`] does, with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`run`].
    #[track_caller]
    pub fn run<T, F>(self, body: F) -> T
    where
        T: MainOutput,
        F: AsyncFnOnce(Test) -> T,
    {
        value_or_panic(self.try_run(body))
    }

    /// Runs a test as [`run_script`] does, with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`run`].
    #[track_caller]
    pub fn run_script(self, script: impl FnOnce(Test) + 'static) {
        let location = Location::caller();
        let finished = self.drive(location, None, |event_loop, test| {
            event_loop.run_script_at(location, move || script(test))
        });
        value_or_panic(finished.result);
    }

    /// Runs a test as [`run`] does, with these settings, and returns a failure as an error.
    ///
    /// # Errors
    ///
    /// Returns the failure of the test, which may be a panic of the body.
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread.
    #[track_caller]
    pub fn try_run<T, F>(self, body: F) -> Result<T, TestFailure>
    where
        T: MainOutput,
        F: AsyncFnOnce(Test) -> T,
    {
        let main = move |test: Test| async move { body(test).await };
        self.run_future(Location::caller(), main).result
    }

    /// Creates a loop with these settings that the test drives from outside.
    #[track_caller]
    pub fn stepper(self) -> Stepper {
        let allow_leftovers = self.allow_leftovers;
        Stepper::new(self.build(), allow_leftovers)
    }

    #[track_caller]
    fn run_future<T, M, F>(self, location: SourceLocation, main: M) -> FinishedRun<T>
    where
        T: MainOutput,
        M: FnOnce(Test) -> F,
        F: Future<Output = T>,
    {
        self.run_with_plan(location, None, main)
    }

    /// Runs a test. With a plan, the order of the run is recorded.
    #[track_caller]
    fn run_with_plan<T, M, F>(
        self,
        location: SourceLocation,
        plan: Option<Plan>,
        main: M,
    ) -> FinishedRun<T>
    where
        T: MainOutput,
        M: FnOnce(Test) -> F,
        F: Future<Output = T>,
    {
        self.drive(location, plan, |event_loop, test| {
            event_loop.run_pinned(location, pin!(Some(main(test))))
        })
    }

    #[track_caller]
    fn drive<T>(
        self,
        location: SourceLocation,
        plan: Option<Plan>,
        run: impl FnOnce(&mut EventLoop, Test) -> Result<T, RunError>,
    ) -> FinishedRun<T> {
        report::refuse_loop("test::run");
        let (allow_leftovers, shared_state) = (self.allow_leftovers, self.shared_state);
        let mut event_loop = self.build();
        let state: Rc<LoopState> = event_loop.state().clone();
        if let Some(footprints) = plan.and_then(|plan| state.poll.delivery.set_plan(plan)) {
            let tracker = Tracker::new(shared_state, footprints);
            ObserverHandle::new(state.clone(), Rc::new(tracker), location).forget();
        }
        let log = Log::new();
        let result = run(&mut event_loop, Test::new(state.clone(), log.clone()));
        let result = match result {
            Err(error) => Err(TestFailure::of_run(error, location, &log)),
            Ok(value) => match event_loop.why_alive() {
                report if report.tasks().is_empty() || allow_leftovers => Ok(value),
                report => Err(TestFailure::leftovers_of(report, &log)),
            },
        };
        FinishedRun {
            result,
            log,
            decisions: state.poll.delivery.decisions(),
            inapplicable: state.poll.delivery.inapplicable(),
            record: state.poll.delivery.take_record(),
            not_followed: None,
        }
    }

    #[track_caller]
    fn build(self) -> EventLoop {
        let settings = match self.seed {
            Some(seed) => self.settings.seed(seed),
            None => self.settings,
        };
        match settings.build_unhosted() {
            Ok(event_loop) => event_loop,
            Err(error) => panic!("the event loop of the test could not be built: {error}"),
        }
    }
}

/// Returns the value of a test, or panics with its failure.
#[track_caller]
fn value_or_panic<T>(result: Result<T, TestFailure>) -> T {
    match result {
        Ok(value) => value,
        Err(failure) => match failure.into_body_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(failure) => panic!("{failure}"),
        },
    }
}
