//! The settings of a loop, and the loop built from them.

use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use crate::event_loop::state::LoopState;
use crate::event_loop::status::Stop;
use crate::observe::{Observer, ObserverHandle, Starvation, of_new_loop, starvation_detector};
use crate::phases::macrotask::SourceLocation;
use crate::phases::poll::delivery::{Delivery, Seed};
use crate::phases::poll::{PollPhase, TimeRules};
use crate::reactor::clock::Clock;
use crate::reactor::remote_queue::RemoteQueue;
use crate::runtime::EventLoop;

/// Settings of an [`EventLoop`].
#[derive(Clone)]
pub struct Builder {
    blocking_threads: usize,
    virtual_time: bool,
    io_holds_time: bool,
    jobs_hold_time: bool,
    auto_advance: bool,
    seed: Option<Seed>,
    entry: EntryMode,
    stuck_policy: StuckPolicy,
    observers: Vec<(Rc<dyn Observer>, SourceLocation)>,
    drain_limit: Option<(u64, SourceLocation)>,
}

/// How the main script is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntryMode {
    /// A macrotask of its own: ticks before promise jobs (R1, R10).
    #[default]
    CommonJs,
    /// A promise job, as the body of an ES module: promise jobs before ticks (R19).
    Module,
}

/// What a run does when its main future is pending and nothing keeps the loop alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StuckPolicy {
    /// Wait for a wake from another thread. If no other thread holds a waker it waits for ever;
    /// so the report of [`RunError::Stuck`](crate::RunError::Stuck) is printed on stderr, once in a
    /// run, when such a wait has lasted for a second.
    #[default]
    Wait,
    /// End the run with [`RunError::Stuck`](crate::RunError::Stuck).
    Error,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            blocking_threads: 4,
            virtual_time: false,
            io_holds_time: false,
            jobs_hold_time: true,
            auto_advance: true,
            seed: None,
            entry: EntryMode::default(),
            stuck_policy: StuckPolicy::default(),
            observers: Vec::new(),
            drain_limit: None,
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

    /// Whether jobs of the pool hold virtual time, as they do by default: the clock then stands
    /// still while one is out, however long its thread takes. Without it a job takes no virtual
    /// time that is known: the clock may jump while it runs, and a timeout around it fires at
    /// once. That is for jobs that never end, or that wait for a timer themselves.
    pub fn jobs_hold_time(mut self, hold: bool) -> Builder {
        self.jobs_hold_time = hold;
        self
    }

    /// Whether virtual time jumps to the next timer by itself when nothing else can run, as it
    /// does by default. Without it the clock moves only by hand:
    /// [`time::advance`](crate::time::advance), [`time::block_for`](crate::time::block_for) and
    /// [`EventLoop::advance`]. A run in which only time could wake anybody then ends with
    /// [`RunError::Stuck`](crate::RunError::Stuck), whatever the [`StuckPolicy`].
    pub fn auto_advance(mut self, advance: bool) -> Builder {
        self.auto_advance = advance;
        self
    }

    /// Decides by a seed what Node does not promise: see [`test::explore`](crate::test::explore),
    /// which runs a test under many of them.
    ///
    /// The loop needs a [virtual clock](Builder::virtual_time) for it.
    pub fn seed(mut self, seed: Seed) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// How the main script is entered; as CommonJS by default.
    pub fn entry(mut self, entry: EntryMode) -> Builder {
        self.entry = entry;
        self
    }

    /// What a stuck run does; it waits by default.
    pub fn stuck_policy(mut self, policy: StuckPolicy) -> Builder {
        self.stuck_policy = policy;
        self
    }

    /// Has `observer` told everything that happens in the loop. Call it again for another one; each
    /// is told in its turn. See [`observe`](crate::observe).
    #[track_caller]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Builder {
        self.observers.push((Rc::new(observer), Location::caller()));
        self
    }

    /// Ends a run with [`RunError::Starvation`](crate::RunError::Starvation) as soon as one drain has
    /// run more than `limit` ticks and microtasks: a chain of them that never ends keeps the loop
    /// from moving (R11), and in Node nobody says so. The error lists where the links were made.
    ///
    /// Without a limit, the default, it runs on, as in Node. The limit is an observer
    /// ([`starvation_detector`](crate::observe::starvation_detector), which only tells), with the price of one.
    ///
    /// ```
    /// use nodeloop::{EventLoop, RunError, next_tick};
    ///
    /// fn for_ever() {
    ///     next_tick(for_ever);
    /// }
    /// let mut event_loop = EventLoop::builder().drain_limit(10_000).build()?;
    /// match event_loop.run_script(for_ever) {
    ///     Err(RunError::Starvation(starving)) => assert_eq!(starving.ticks, 10_001),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn drain_limit(mut self, limit: u64) -> Builder {
        self.drain_limit = Some((limit, Location::caller()));
        self
    }

    /// Builds the loop.
    ///
    /// # Panics
    ///
    /// If there is a [seed](Builder::seed) and no virtual clock.
    ///
    /// # Errors
    ///
    /// The system's, when it has no descriptor left for the poll.
    pub fn build(self) -> io::Result<EventLoop> {
        assert!(
            self.virtual_time || self.seed.is_none(),
            "a loop with a seed needs a virtual clock: call `virtual_time()`, too"
        );
        let clock = if self.virtual_time {
            Clock::virtual_time()
        } else {
            Clock::real()
        };
        let time = TimeRules::new(self.io_holds_time, self.jobs_hold_time, self.auto_advance);
        let delivery = Delivery::new(self.seed);
        let records_senders = delivery.needs_senders();
        let (poll, waker) = PollPhase::new(time, delivery)?;
        let remote_queue = Arc::new(RemoteQueue::new(waker, records_senders));
        let threads = self.blocking_threads;
        let state = Rc::new(LoopState::new(clock, poll, remote_queue, threads));
        for (observer, location) in of_new_loop().into_iter().chain(self.observers) {
            ObserverHandle::new(state.clone(), observer, location).forget();
        }
        if let Some((limit, location)) = self.drain_limit {
            let starved = Rc::downgrade(&state); // a loop must not hold itself
            let end = move |starving: &Starvation| {
                if let Some(state) = starved.upgrade() {
                    state.stop(Stop::Starvation(starving.clone()));
                }
            };
            ObserverHandle::new(
                state.clone(),
                Rc::new(starvation_detector(limit, end)),
                location,
            )
            .forget();
        }
        Ok(EventLoop {
            state,
            entry: self.entry,
            stuck_policy: self.stuck_policy,
            has_reported: std::cell::Cell::new(false),
            is_hosted: std::cell::Cell::new(false),
            at_first_turn: false,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("blocking_threads", &self.blocking_threads)
            .field("virtual_time", &self.virtual_time)
            .field("io_holds_time", &self.io_holds_time)
            .field("entry", &self.entry)
            .field("stuck", &self.stuck_policy)
            .field("observers", &self.observers.len())
            .field("drain_limit", &self.drain_limit.map(|(limit, _)| limit))
            .finish()
    }
}
