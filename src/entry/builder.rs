//! The settings of a loop, and the loop built from them.

use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::Clock;
use crate::current::LoopState;
use crate::entry::EventLoop;
use crate::macrotask::Place;
use crate::observe::{Installed, Observer};
use crate::phases::poll::PollPhase;
use crate::remote::Door;

/// Settings of an [`EventLoop`].
#[derive(Clone)]
pub struct Builder {
    blocking_threads: usize,
    virtual_time: bool,
    io_holds_time: bool,
    entry: Entry,
    stuck: StuckPolicy,
    observers: Vec<(Rc<dyn Observer>, Place)>,
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
    /// End the run with [`RunError::Stuck`](crate::RunError::Stuck).
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
            observers: Vec::new(),
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

    /// Has `observer` told everything that happens in the loop. Call it again for another one; each
    /// is told in its turn. See [`observe`](crate::observe).
    #[track_caller]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Builder {
        self.observers.push((Rc::new(observer), Location::caller()));
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
        for (observer, place) in self.observers {
            Installed::new(state.clone(), observer, place).keep();
        }
        Ok(EventLoop {
            state,
            entry: self.entry,
            stuck: self.stuck,
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
            .field("stuck", &self.stuck)
            .field("observers", &self.observers.len())
            .finish()
    }
}
