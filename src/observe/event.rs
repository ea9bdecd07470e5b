//! What an observer can be told.

use std::fmt;
use std::time::Duration;

use crate::phases::macrotask::{SourceLocation, StepKind};

/// A phase of the wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Results that were known without waiting (R63).
    Pending,
    /// Completions, messages, sockets; the only wait (R5–R8, R61).
    Poll,
    /// Immediates (R37–R40).
    Check,
    /// Callbacks of closed sources (R62).
    Close,
    /// Timers that are due (R20–R36).
    Timers,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Pending => "pending",
            Phase::Poll => "poll",
            Phase::Check => "check",
            Phase::Close => "close",
            Phase::Timers => "timers",
        })
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StepKind::MainScript => "main script",
            StepKind::Tick => "tick",
            StepKind::Microtask => "microtask",
            StepKind::Task => "task",
            StepKind::Timeout => "timeout",
            StepKind::Interval => "interval",
            StepKind::Immediate => "immediate",
            StepKind::JobDone => "job done",
            StepKind::Readiness => "readiness",
            StepKind::Signal => "signal",
            StepKind::ChildExit => "child exit",
            StepKind::Message => "message",
            StepKind::RemoteWake => "remote wake",
            StepKind::Simulated => "simulated completion",
            StepKind::Pending => "pending",
            StepKind::Close => "close",
            StepKind::ErrorListener => "error listener",
            StepKind::BeforeExit => "before_exit",
            StepKind::Exit => "exit",
        })
    }
}

/// The number of one entry into the user's code: given when it is queued, and kept until it runs.
///
/// Numbers only grow, and are given only while somebody observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(pub(crate) u64);

impl StepId {
    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The number of a promise, counted from 1 in the order in which its loop made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PromiseId(pub(crate) u64);

impl PromiseId {
    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PromiseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise {}", self.0)
    }
}

/// One entry into the user's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The number that it got when it was queued.
    pub id: StepId,
    /// What it is.
    pub kind: StepKind,
    /// Where the callback or the task was made.
    pub location: SourceLocation,
    /// The number of the timer, immediate, job or watched source behind it, which stays the same
    /// from one call of an interval to the next. Each kind counts by itself, from 1, and numbers of
    /// timers and sources are used again. For a [`StepKind::Task`] it is the number of its promise.
    pub resource: Option<u64>,
}

impl Step {
    /// The promise that a [`StepKind::Task`] settles.
    pub fn promise(&self) -> Option<PromiseId> {
        match self.kind {
            StepKind::Task | StepKind::RemoteWake => self.resource.map(PromiseId),
            _ => None,
        }
    }
}

/// How a promise ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettledAs {
    /// With a value.
    Fulfilled,
    /// With an error, or because it was resolved with itself (R44).
    Rejected,
    /// Because its task or its handler panicked.
    Panicked,
    /// It was aborted.
    Aborted,
}

/// One thing that happens in a loop, told to every [`Observer`](super::Observer) at its moment.
///
/// What begins also ends, and the pairs nest: run ⊃ turn ⊃ phase ⊃ step or drain ⊃ … The main
/// script, `before_exit` and `exit` are steps outside of any turn; the timers phase that stands in
/// front of the first turn (R3) belongs to none, either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A run begins.
    #[non_exhaustive]
    RunBegin {
        /// Where it was called.
        location: SourceLocation,
    },
    /// The run is over; what it was to cancel is cancelled.
    RunEnd,
    /// A turn of the wheel begins. Its number is in the [`EventContext`](super::EventContext).
    TurnBegin,
    /// The turn is over.
    TurnEnd,
    /// A phase begins. The pending phase comes twice in a turn in which the poll phase fed it.
    PhaseBegin(Phase),
    /// The phase is over.
    PhaseEnd(Phase),
    /// The poll phase is about to wait.
    #[non_exhaustive]
    WaitBegin {
        /// For how long at most; `None` means until something comes.
        at_most: Option<Duration>,
    },
    /// The poll phase goes on.
    #[non_exhaustive]
    WaitEnd {
        /// For how long it has waited, by the clock of the loop.
        waited: Duration,
    },
    /// Something is about to be put into a queue: the next to be told of it is
    /// [`StepBegin`](Event::StepBegin) with the same number, or [`Cleared`](Event::Cleared).
    ///
    /// What comes from outside (readiness, messages, wakes of other threads) is not told.
    #[non_exhaustive]
    Enqueued {
        /// What will run. Its kind says in which queue it stands.
        step: Step,
        /// When it is due, by the clock of the loop: timers and simulated completions.
        due: Option<Duration>,
        /// The step that was running: the cause.
        by: Option<Step>,
    },
    /// Something was taken out of its queue and will not run: a timer or an immediate that was
    /// cleared, a job that was cancelled, a sleep that was dropped.
    Cleared(StepId),
    /// The loop enters the user's code.
    StepBegin(Step),
    /// The user's code has come back, or has thrown.
    StepEnd(Step),
    /// Both queues are about to be drained.
    DrainBegin,
    /// The drain is over.
    DrainEnd,
    /// A task is polled at once, on the stack of whoever spawns it (R46).
    #[non_exhaustive]
    EagerBegin {
        /// The promise of the task.
        promise: PromiseId,
        /// Where the task was made.
        location: SourceLocation,
    },
    /// That poll is over.
    #[non_exhaustive]
    EagerEnd {
        /// The promise of the task.
        promise: PromiseId,
        /// Where the task was made.
        location: SourceLocation,
    },
    /// A promise was made.
    #[non_exhaustive]
    PromiseMade {
        /// Its number.
        promise: PromiseId,
        /// Where.
        location: SourceLocation,
    },
    /// A promise is about to be settled, and its reactions to be queued.
    #[non_exhaustive]
    PromiseSettled {
        /// Its number.
        promise: PromiseId,
        /// Where it was made.
        location: SourceLocation,
        /// How it ended.
        settled: SettledAs,
    },
    /// A rejection that nobody has handled is about to be reported (R14).
    #[non_exhaustive]
    RejectionReported {
        /// The number of the promise.
        promise: PromiseId,
        /// Where it was made.
        location: SourceLocation,
    },
    /// A reported rejection was handled after all; the listeners are about to hear of it (R14).
    #[non_exhaustive]
    RejectionHandled {
        /// The number of the promise.
        promise: PromiseId,
        /// Where it was made.
        location: SourceLocation,
    },
    /// A callback has thrown: a panic has left it (R51). A panic of a task rejects its promise
    /// instead.
    Thrown(Step),
}
