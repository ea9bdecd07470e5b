//! The settings of a loop, and the construction of the loop from them.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use crate::blocking::pool::Pool;
use crate::event_loop::eager::DEFAULT_SPAWN_STACK;
use crate::event_loop::release::NodeRelease;
use crate::event_loop::state::LoopState;
use crate::event_loop::status::Stop;
use crate::flight_recorder::FlightRecorder;
use crate::observe::{Observer, ObserverHandle, Starvation, of_new_loop, starvation_detector};
use crate::phases::macrotask::SourceLocation;
use crate::phases::poll::delivery::{Delivery, Seed};
use crate::phases::poll::{PollPhase, TimeRules};
use crate::reactor::clock::Clock;
use crate::reactor::poller::Poller;
use crate::reactor::registrations::Registrations;
use crate::reactor::remote_queue::RemoteQueue;
use crate::reactor::world::WorldHost;
use crate::runtime::EventLoop;
use crate::runtime::embed::Hosting;
use crate::runtime::journal::JournalMode;

/// Settings of an [`EventLoop`].
#[derive(Clone)]
pub struct Builder {
    pub(super) node: NodeRelease,
    pub(super) blocking_threads: usize,
    spawn_stack: usize,
    pub(super) virtual_time: bool,
    pub(super) io_holds_time: bool,
    pub(super) jobs_hold_time: bool,
    pub(super) auto_advance: bool,
    seed: Option<Seed>,
    pub(super) entry: EntryMode,
    pub(super) stuck_policy: StuckPolicy,
    observers: Vec<(Rc<dyn Observer>, SourceLocation)>,
    drain_limit: Option<(u64, SourceLocation)>,
    pub(super) journal: Option<JournalMode>,
    world: Option<WorldHost>,
}

/// How the main script is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntryMode {
    /// As a macrotask of its own: ticks run before promise jobs (R1, R10).
    #[default]
    CommonJs,
    /// As a promise job, like the body of an ES module: promise jobs run before ticks (R19).
    Module,
}

/// What a run does when its main future is pending, nothing keeps the loop alive, and something that the
/// loop does not know may still wake the main future.
///
/// That is so while a waker of the main future exists outside of the loop's own lists: on another
/// thread, in a channel, in a combinator that passes it on, in a timer that is unref'd. If there is none,
/// as in `std::future::pending()` or while it awaits a promise whose resolvers have all been dropped, the
/// main future can never finish. The run then ends at once with
/// [`RunError::Stuck`](crate::RunError::Stuck), whatever the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StuckPolicy {
    /// Wait for a wake. If none ever comes it waits forever, so a `StillWaitingWarning` with the report
    /// of [`RunError::Stuck`](crate::RunError::Stuck) is emitted, once in a run, when such a wait has
    /// lasted for a second; see [`on_warning`](crate::on_warning).
    #[default]
    Wait,
    /// End the run with [`RunError::Stuck`](crate::RunError::Stuck).
    Error,
}

/// When a loop opens the operating system's poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Descriptor {
    /// When it is built, because a host may wait on it.
    ForHost,
    /// With its first source.
    WhenNeeded,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            node: NodeRelease::default(),
            blocking_threads: 4,
            spawn_stack: DEFAULT_SPAWN_STACK,
            virtual_time: false,
            io_holds_time: false,
            jobs_hold_time: true,
            auto_advance: true,
            seed: None,
            entry: EntryMode::default(),
            stuck_policy: StuckPolicy::default(),
            observers: Vec::new(),
            drain_limit: None,
            journal: None,
            world: None,
        }
    }
}

impl Builder {
    /// Sets the release of Node whose order the loop has; [`NodeRelease::V24`] by default.
    ///
    /// The loops of its [workers](crate::worker) have the same release.
    pub fn node(mut self, release: NodeRelease) -> Builder {
        self.node = release;
        self
    }

    /// Sets how many jobs of this loop's pool run concurrently (R60); 4 by default, as in Node.
    ///
    /// The threads belong to the `blocking` crate, which shares them among all loops of the
    /// process and starts at most `BLOCKING_MAX_THREADS` (an environment variable, 500 by
    /// default). With fewer threads than jobs, loops take turns.
    ///
    /// # Panics
    ///
    /// Panics if `count` is zero.
    #[track_caller]
    pub fn blocking_threads(mut self, count: usize) -> Builder {
        assert!(
            count > 0,
            "a loop needs at least one thread for jobs: pass 1 or more to `blocking_threads`"
        );
        self.blocking_threads = count;
        self
    }

    /// Sets how much of the stack nested eager spawns may use, in bytes; 768 KiB by default.
    ///
    /// [`spawn`](crate::spawn) polls the future on the stack of its caller. A task that spawns a task
    /// within its first poll therefore uses more of the stack than one that has waited before. A spawn
    /// panics if there are more than this many bytes between it and the outermost one. The futures of
    /// the tasks themselves do not count, except for small ones; they are on the heap.
    ///
    /// On a stack of one megabyte, the default leaves 256 KiB to the last spawn that is permitted. In a
    /// debug build its frames contain several copies of its future: for one of 40 KiB that is too little
    /// on Windows. Set a lower value for such tasks, or if the thread of the loop has a smaller stack. A
    /// higher value allows deeper nesting, up to [`MAX_SPAWN_DEPTH`](crate::promise::MAX_SPAWN_DEPTH), on
    /// a thread with a larger stack.
    ///
    /// The distance is that of the addresses of two variables. AddressSanitizer moves variables to the
    /// heap unless `ASAN_OPTIONS` has `detect_stack_use_after_return=0`; under it, set that or
    /// `usize::MAX` here. With `cfg(fuzzing)`, as in `cargo fuzz`, only the depth is limited.
    ///
    /// # Examples
    ///
    /// ```
    /// let run = || {
    ///     let mut event_loop = nodeloop::EventLoop::builder().spawn_stack(128 << 10).build()?;
    ///     event_loop.run(async { nodeloop::spawn(async { 7 }).await }).map_err(std::io::Error::other)
    /// };
    /// let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run)?;
    /// assert_eq!(thread.join().unwrap()?, 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn spawn_stack(mut self, bytes: usize) -> Builder {
        self.spawn_stack = bytes;
        self
    }

    /// Sets the clock to a virtual one, which starts at zero and jumps to the time of the next timer
    /// whenever nothing else can run. Jobs of the pool hold it, waits for sockets do not.
    pub fn virtual_time(mut self) -> Builder {
        self.virtual_time = true;
        self
    }

    /// Makes the loop a host of a simulated world, which has the clock and answers for the system.
    pub(crate) fn host_of_world(mut self, host: WorldHost) -> Builder {
        self.world = Some(host);
        self.virtual_time()
    }

    /// Sets the clock to that of the system, as it is by default.
    pub(crate) fn real_time(mut self) -> Builder {
        self.virtual_time = false;
        self
    }

    /// Sets whether waits for sockets hold virtual time: the clock then jumps only while no task
    /// waits for a socket. Off by default, because a listening socket would hold the clock forever.
    pub fn io_holds_time(mut self, holds: bool) -> Builder {
        self.io_holds_time = holds;
        self
    }

    /// Sets whether jobs of the pool hold virtual time: the clock then does not move while a job
    /// runs, however long its thread takes. On by default. Turn it off for jobs that never end or
    /// that wait for a timer: the clock may then jump while they run, and a timeout around them
    /// fires immediately.
    pub fn jobs_hold_time(mut self, hold: bool) -> Builder {
        self.jobs_hold_time = hold;
        self
    }

    /// Sets whether virtual time jumps to the next timer by itself when nothing else can run. On by
    /// default. Otherwise only [`time::advance`](crate::time::advance),
    /// [`time::block_for`](crate::time::block_for) and [`EventLoop::advance`] move the clock, and a
    /// run that could only continue after some time ends with
    /// [`RunError::Stuck`](crate::RunError::Stuck), whatever the [`StuckPolicy`].
    pub fn auto_advance(mut self, advance: bool) -> Builder {
        self.auto_advance = advance;
        self
    }

    /// Sets a seed that permutes the orders that Node does not guarantee. See
    /// [`test::explore`](crate::test::explore), which runs a test with many seeds.
    ///
    /// It needs a [virtual clock](Builder::virtual_time).
    pub fn seed(mut self, seed: Seed) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// Sets how the main script is entered; as CommonJS by default.
    ///
    /// With [`EntryMode::Module`], the closure of [`run_script`](EventLoop::run_script), or the first poll of
    /// the main future, is a microtask and not a macrotask. So the promise jobs and microtasks that it queues
    /// run before its ticks (R19), and the rest of the run is the same. It changes nothing else that Node does
    /// with modules, such as the exit code 13 of a top-level `await` that never settles, which the host of an
    /// engine sets itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::{EntryMode, EventLoop, next_tick, queue_microtask, test::Log};
    ///
    /// let order_of = |entry| {
    ///     let log = Log::new();
    ///     let script = log.clone();
    ///     EventLoop::builder().entry(entry).build()?.run_script(move || {
    ///         next_tick(script.callback("tick"));
    ///         queue_microtask(script.callback("microtask"));
    ///     })?;
    ///     Ok::<_, Box<dyn std::error::Error>>(log.labels())
    /// };
    /// assert_eq!(order_of(EntryMode::CommonJs)?, ["tick", "microtask"]);
    /// assert_eq!(order_of(EntryMode::Module)?, ["microtask", "tick"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entry(mut self, entry: EntryMode) -> Builder {
        self.entry = entry;
        self
    }

    /// Sets what a stuck run does; it waits by default.
    pub fn stuck_policy(mut self, policy: StuckPolicy) -> Builder {
        self.stuck_policy = policy;
        self
    }

    /// Registers `observer` for all events of the loop. A loop can have several observers, which are
    /// notified in the order of registration. See [`observe`](crate::observe).
    #[track_caller]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Builder {
        self.observers.push((Rc::new(observer), Location::caller()));
        self
    }

    /// Ends a run with [`RunError::Starvation`](crate::RunError::Starvation) as soon as one drain has
    /// run more than `limit` ticks and microtasks. A chain of them that never ends would block the
    /// loop forever (R11). The error lists where the callbacks of the chain were queued.
    ///
    /// There is no limit by default, as in Node. The limit is an observer and costs as much as one.
    /// [`starvation_detector`](crate::observe::starvation_detector) reports without ending the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::{EventLoop, RunError, next_tick};
    ///
    /// fn repeat() {
    ///     next_tick(repeat);
    /// }
    /// let mut event_loop = EventLoop::builder().drain_limit(10_000).build()?;
    /// match event_loop.run_script(repeat) {
    ///     Err(RunError::Starvation(starvation)) => assert_eq!(starvation.ticks, 10_001),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn drain_limit(mut self, limit: u64) -> Builder {
        self.drain_limit = Some((limit, Location::caller()));
        self
    }

    /// Records what enters the loop from outside, to a file or as the
    /// [`FlightRecorder`](crate::flight_recorder::FlightRecorder) says, so that
    /// [`test::replay`](crate::test::replay) can repeat the run.
    pub fn record(mut self, recorder: impl Into<FlightRecorder>) -> Builder {
        self.journal = Some(JournalMode::Record(recorder.into()));
        self
    }

    /// Builds the loop.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, such as a lack of file descriptors, or a
    /// [recording](Builder::record) that can't be created.
    ///
    /// # Panics
    ///
    /// Panics if there is a [seed](Builder::seed) and no virtual clock, or a seed and a
    /// [recording](Builder::record).
    pub fn build(self) -> io::Result<EventLoop> {
        self.build_with(Descriptor::ForHost)
    }

    /// Builds a loop for which no host can wait, so that it opens no descriptor before it needs one.
    ///
    /// # Errors
    ///
    /// Returns an error if a [recording](Builder::record) can't be created.
    pub(crate) fn build_unhosted(self) -> io::Result<EventLoop> {
        self.build_with(Descriptor::WhenNeeded)
    }

    fn build_with(self, descriptor: Descriptor) -> io::Result<EventLoop> {
        assert!(
            self.virtual_time || self.seed.is_none(),
            "a loop with a seed needs a virtual clock: call `virtual_time()`"
        );
        let is_host = self.world.is_some();
        assert!(
            self.seed.is_none() || self.journal.is_none(),
            "a loop with a seed can't be recorded: explore or record"
        );
        let settings = self.recorded_settings();
        let begin = |mode: &JournalMode| mode.begin(&settings, self.virtual_time || is_host);
        let journal = self.journal.as_ref().map(begin);
        let journal = journal.transpose()?;
        let clock = match (&self.world, &journal) {
            (Some(host), _) => host.clock(),
            _ if self.virtual_time => Clock::virtual_time(),
            (None, Some(journal)) => Clock::journaled(journal.clone()),
            (None, None) => Clock::real(),
        };
        let time = TimeRules::new(self.io_holds_time, self.jobs_hold_time, self.auto_advance);
        let is_replay = journal.as_ref().is_some_and(|journal| journal.is_replay());
        let delivery = match journal {
            Some(journal) => Delivery::journaled(journal),
            None => match (&self.world, self.seed) {
                (Some(host), Some(_)) => Delivery::explored(host.loop_choices()),
                (_, seed) => Delivery::new(seed),
            },
        };
        let records_senders = delivery.needs_senders();
        let stream_end = self.node.variants().stream_end;
        let remote_queue = Arc::new(RemoteQueue::new(records_senders));
        let poller = Rc::new(Poller::new(remote_queue.clone()));
        if descriptor == Descriptor::ForHost {
            poller.open_for_host()?;
        }
        let mut registrations = Registrations::new(poller, stream_end);
        if is_replay {
            registrations.set_replayed();
        }
        let poll = PollPhase::new(time, delivery, registrations, self.world);
        let pool = match is_host {
            true => Pool::simulated(remote_queue, self.blocking_threads),
            false => Pool::new(remote_queue, self.blocking_threads),
        };
        let state = Rc::new(LoopState::new(clock, poll, pool, self.node));
        state.spawn_nesting.set_max_stack(self.spawn_stack);
        for (observer, location) in of_new_loop().into_iter().chain(self.observers) {
            ObserverHandle::new(state.clone(), observer, location).forget();
        }
        if let Some((limit, location)) = self.drain_limit {
            let weak = Rc::downgrade(&state); // a loop must not own itself
            let stop_run = move |starvation: &Starvation| {
                if let Some(state) = weak.upgrade() {
                    state.stop(Stop::Starvation(starvation.clone()));
                }
            };
            let detector = Rc::new(starvation_detector(limit, stop_run));
            ObserverHandle::new(state.clone(), detector, location).forget();
        }
        Ok(EventLoop {
            state,
            entry: self.entry,
            stuck_policy: self.stuck_policy,
            has_reported: Cell::new(false),
            hosting: Hosting::Off,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("node", &self.node)
            .field("blocking_threads", &self.blocking_threads)
            .field("spawn_stack", &self.spawn_stack)
            .field("virtual_time", &self.virtual_time)
            .field("io_holds_time", &self.io_holds_time)
            .field("entry", &self.entry)
            .field("stuck_policy", &self.stuck_policy)
            .field("observers", &self.observers.len())
            .field("drain_limit", &self.drain_limit.map(|(limit, _)| limit))
            .finish()
    }
}
