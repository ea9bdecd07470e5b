//! The events of a loop.

use std::fmt;
use std::time::Duration;

use crate::phases::macrotask::{SourceLocation, StepKind};

/// A phase of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Results that were known without waiting (R63).
    Pending,
    /// Completions, messages and sockets. Only this phase waits (R5–R8, R61).
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
            StepKind::Reaction => "reaction",
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

/// The number of an entry into user code, from when it is queued until it has run.
///
/// Numbers increase. Entries are numbered only while the loop has an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(pub(crate) u64);

impl StepId {
    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The number of a promise, counted from 1 in the order in which its loop created them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PromiseId(pub(crate) u64);

impl PromiseId {
    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PromiseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise {}", self.0)
    }
}

/// An entry into user code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// Its kind.
    pub kind: StepKind,
    /// Where the callback or the task was created.
    pub location: SourceLocation,
    /// The number of the timer, immediate, job or source that it belongs to, which is the same for
    /// all calls of an interval. Each kind is numbered from 1, and the numbers of timers and sources
    /// are reused. For a [`StepKind::Task`] or a [`StepKind::Reaction`] it is the
    /// number of its promise.
    pub resource: Option<u64>,
}

impl Step {
    /// Returns the promise that a [`StepKind::Task`] or a [`StepKind::Reaction`] settles.
    pub fn promise(&self) -> Option<PromiseId> {
        match self.kind {
            StepKind::Task | StepKind::Reaction | StepKind::RemoteWake => {
                self.resource.map(PromiseId)
            }
            _ => None,
        }
    }
}

/// How a promise was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettledAs {
    /// It has a value.
    Fulfilled,
    /// It has an error, or was resolved with itself (R44).
    Rejected,
    /// Its task or its handler panicked.
    Panicked,
    /// It was aborted.
    Aborted,
}

/// Something that happens in a loop. Every [`Observer`](super::Observer) receives it immediately.
///
/// Each begin event has an end event, and the pairs nest: a run contains turns, a turn contains
/// phases, a phase contains steps and drains. The steps of the main script, `before_exit` and
/// `exit`, and the timers phase before the first turn (R3), are outside of any turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A run begins.
    #[non_exhaustive]
    RunBegin {
        /// Where the run was started.
        location: SourceLocation,
    },
    /// A run has ended. A run that ended early cancels everything after this event, without events.
    RunEnd,
    /// A turn begins. Its number is in the [`EventContext`](super::EventContext).
    TurnBegin,
    /// A turn has ended.
    TurnEnd,
    /// A phase begins. If a poll phase queues pending callbacks, another pending phase follows it in
    /// the same turn.
    PhaseBegin(Phase),
    /// A phase has ended.
    PhaseEnd(Phase),
    /// The poll phase is about to wait.
    #[non_exhaustive]
    WaitBegin {
        /// The maximum duration; `None` if there is no limit.
        at_most: Option<Duration>,
    },
    /// The poll phase has waited.
    #[non_exhaustive]
    WaitEnd {
        /// How long it waited, by the clock of the loop.
        waited: Duration,
    },
    /// Something is about to be queued. It is followed by a [`StepBegin`](Event::StepBegin) with the
    /// same number, or by [`Cleared`](Event::Cleared).
    ///
    /// What arrives from outside (readiness, messages, wakes of other threads) has no such event.
    #[non_exhaustive]
    Enqueued {
        /// What will run. Its kind determines the queue.
        step: Step,
        /// When it is due, by the clock of the loop: for timers and simulated completions.
        due: Option<Duration>,
        /// The cause: the step that was running.
        by: Option<Step>,
    },
    /// Something was removed from its queue and will not run: a timer or an immediate that was
    /// cleared, a job that was cancelled, a sleep that was dropped.
    Cleared(StepId),
    /// Something that is queued, or the running step, was given a label, which
    /// [`EventContext::label`](super::EventContext::label) returns. It replaces an earlier label.
    ///
    /// The host of an engine gives them, with [`TimeoutHandle::set_label`](crate::TimeoutHandle::set_label) and
    /// [`host::set_step_label`](crate::host::set_step_label).
    Labeled(StepId),
    /// The loop enters user code.
    StepBegin(Step),
    /// User code has returned or panicked.
    StepEnd(Step),
    /// Both queues are about to be drained.
    DrainBegin,
    /// The drain has ended.
    DrainEnd,
    /// A task is polled for the first time, on the stack of the code that spawns it (R46).
    #[non_exhaustive]
    EagerBegin {
        /// The promise of the task.
        promise: PromiseId,
        /// Where the task was created.
        location: SourceLocation,
    },
    /// The first poll of the task has ended.
    #[non_exhaustive]
    EagerEnd {
        /// The promise of the task.
        promise: PromiseId,
        /// Where the task was created.
        location: SourceLocation,
    },
    /// A promise was created.
    #[non_exhaustive]
    PromiseCreated {
        /// Its number.
        promise: PromiseId,
        /// Where it was created.
        location: SourceLocation,
    },
    /// A promise is about to be settled, and its reactions to be queued.
    #[non_exhaustive]
    PromiseSettled {
        /// Its number.
        promise: PromiseId,
        /// Where it was created.
        location: SourceLocation,
        /// How it is settled.
        settled: SettledAs,
    },
    /// A rejection without a reaction is about to be reported (R14).
    #[non_exhaustive]
    RejectionReported {
        /// The number of the promise.
        promise: PromiseId,
        /// Where it was created.
        location: SourceLocation,
    },
    /// The first reaction to a promise, added after its rejection was reported, is about to be
    /// reported (R14).
    #[non_exhaustive]
    RejectionHandled {
        /// The number of the promise.
        promise: PromiseId,
        /// Where it was created.
        location: SourceLocation,
    },
    /// A panic has left a callback (R51). A panic in a task rejects its promise instead.
    Panicked(Step),
}
