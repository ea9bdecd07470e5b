//! Why a loop is alive, and what its tasks wait for: the report behind [`why_alive`] and
//! [`RunError::Stuck`](crate::RunError::Stuck).
//!
//! A report is made when somebody asks, from what the parts of the loop hold; nothing is counted
//! or recorded for it beforehand. It never runs user code and changes nothing.

use std::fmt;
use std::task::Waker;
use std::time::Duration;

use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::observe::active_resource::{ActiveResource, OperationKind};
use crate::phases::macrotask::SourceLocation;

/// What the loop of this thread waits for, and which of it keeps the loop alive.
///
/// Meant for a program that does not end, or a test that wants to know what is still out. It
/// costs nothing until it is called.
///
/// ```
/// # nodeloop::run(async {
/// let timer = nodeloop::set_timeout(std::time::Duration::from_millis(1), || {});
/// assert_eq!(nodeloop::why_alive().keeping_alive().count(), 1);
/// timer.unref();
/// assert!(!nodeloop::why_alive().is_alive());
/// println!("{}", nodeloop::why_alive()); // the timer, with the place where it was set
/// # });
/// ```
///
/// # Panics
///
/// Outside of an event loop; [`EventLoop::why_alive`](crate::EventLoop::why_alive) asks a loop
/// that does not run.
#[track_caller]
pub fn why_alive() -> WhyAlive {
    WhyAlive::of(&current("why_alive"))
}

/// What a loop waits for: operations, and tasks with what they await.
///
/// `Display` prints all of it, a line for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WhyAlive {
    operations: Vec<Operation>,
    tasks: Vec<PendingTask>,
}

/// An operation that has not come back yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    kind: OperationKind,
    location: Option<SourceLocation>,
    keeps_alive: bool,
    due_in: Option<Duration>,
}

/// A task that is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTask {
    location: SourceLocation,
    blocked_on: Vec<BlockedOn>,
}

/// What a task waits for, as far as the loop knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockedOn {
    /// An operation.
    Operation(Operation),
    /// A promise of this crate that is pending.
    Promise {
        /// Where it was made.
        location: SourceLocation,
        /// Whether it can never settle: it is to be resolved by hand, and every resolver has
        /// been dropped.
        out_of_reach: bool,
    },
}

impl WhyAlive {
    pub(crate) fn of(state: &LoopState) -> WhyAlive {
        let now = state.clock.now();
        let listed = listed(state);
        let tasks = pending_tasks(state, &listed, now);
        let operations = listed.iter().map(|one| Operation::new(one, now)).collect();
        WhyAlive { operations, tasks }
    }

    /// Whether anything keeps the loop alive (R6).
    pub fn is_alive(&self) -> bool {
        self.keeping_alive().next().is_some()
    }

    /// The operations that keep the loop alive.
    pub fn keeping_alive(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|one| one.keeps_alive)
    }

    /// All operations, those that do not keep the loop alive included.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The tasks that are pending, in no particular order, and what each of them awaits. A task
    /// that runs while it asks is one of them if it has been pending before.
    pub fn tasks(&self) -> &[PendingTask] {
        &self.tasks
    }

    /// The lines on everything but the task that was made at `location`.
    pub(crate) fn write_without(
        &self,
        location: Option<SourceLocation>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        for operation in &self.operations {
            write!(f, "\n  {operation}")?;
        }
        let others = self
            .tasks
            .iter()
            .filter(|task| Some(task.location) != location);
        for task in others {
            write!(f, "\n  {task}")?;
        }
        Ok(())
    }
}

impl Operation {
    fn new(listed: &ActiveResource, now: Duration) -> Operation {
        Operation {
            kind: listed.kind,
            location: listed.location,
            keeps_alive: listed.refed,
            due_in: listed.due.map(|due| due.saturating_sub(now)),
        }
    }

    /// What it is.
    pub fn kind(&self) -> OperationKind {
        self.kind
    }

    /// Where it was made; unknown for a message, which another thread has sent.
    pub fn location(&self) -> Option<SourceLocation> {
        self.location
    }

    /// Whether it keeps the loop alive: it is ref'd.
    pub fn keeps_alive(&self) -> bool {
        self.keeps_alive
    }

    /// The time that it still takes, if that is known: of timers and simulated completions.
    pub fn due_in(&self) -> Option<Duration> {
        self.due_in
    }
}

impl PendingTask {
    /// Where it was spawned.
    pub fn location(&self) -> SourceLocation {
        self.location
    }

    /// What it awaits. Empty if the loop does not know: a channel, another thread, a waker that
    /// was wrapped by a combinator, or nothing because the task is running.
    pub fn blocked_on(&self) -> &[BlockedOn] {
        &self.blocked_on
    }
}

/// Every operation there is, what keeps the loop alive and what does not.
fn listed(state: &LoopState) -> Vec<ActiveResource> {
    let mut all = state.timers.borrow().active_resources();
    all.append(&mut state.check.borrow().active_resources());
    all.append(&mut state.pool.active_resources());
    all.append(&mut state.poll.active_resources());
    all.append(&mut state.signals.active_resources());
    all.append(&mut state.pending.borrow().active_resources());
    all.append(&mut state.close.borrow().active_resources());
    let tokens = state.remote_queue.token_locations().into_iter();
    all.extend(
        tokens.map(|location| ActiveResource::new(OperationKind::KeepAlive, Some(location))),
    );
    let messages = 0..state.remote_queue.len();
    all.extend(messages.map(|_| ActiveResource::new(OperationKind::Message, None)));
    all
}

fn pending_tasks(state: &LoopState, listed: &[ActiveResource], now: Duration) -> Vec<PendingTask> {
    let tasks = state.tasks.borrow();
    let waits_of = |task: &Waker| {
        let woken = listed
            .iter()
            .filter(|one| one.wakers.iter().any(|waker| waker.will_wake(task)));
        let mut waits: Vec<BlockedOn> = woken
            .map(|one| BlockedOn::Operation(Operation::new(one, now)))
            .collect();
        for (_, other) in tasks.iter() {
            if other.promise.is_awaited_by(task) {
                waits.push(BlockedOn::Promise {
                    location: other.promise.created_at(),
                    out_of_reach: false,
                });
            }
        }
        state.awaited.for_each(|promise| {
            if !promise.is_awaited_by(task) {
                return;
            }
            waits.push(if promise.is_job() {
                let job = ActiveResource::new(OperationKind::Job, Some(promise.created_at()));
                BlockedOn::Operation(Operation::new(&job, now))
            } else {
                BlockedOn::Promise {
                    location: promise.created_at(),
                    out_of_reach: promise.is_out_of_reach(),
                }
            });
        });
        waits
    };
    let pending = tasks.iter().map(|(_, task)| PendingTask {
        location: task.promise.created_at(),
        blocked_on: waits_of(&task.waker),
    });
    pending.collect()
}

impl fmt::Display for WhyAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_alive() {
            "the loop is alive:"
        } else {
            "nothing keeps the loop alive:"
        })?;
        if self.operations.is_empty() && self.tasks.is_empty() {
            return f.write_str(" nothing is pending");
        }
        self.write_without(None, f)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(due_in) = self.due_in {
            write!(f, ", due in {due_in:?}")?;
        }
        if let Some(location) = self.location {
            write!(f, ", made at {location}")?;
        }
        if self.keeps_alive {
            Ok(())
        } else {
            f.write_str(", unref'd")
        }
    }
}

impl fmt::Display for PendingTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a task spawned at {} is pending", self.location)?;
        self.write_waits(f)
    }
}

impl PendingTask {
    pub(crate) fn write_waits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.blocked_on.is_empty() {
            return f.write_str(
                "; it waits for nothing that the loop knows of: a channel, another thread, or a \
                 waker that was lost",
            );
        }
        for wait in &self.blocked_on {
            write!(f, "\n    it waits for {wait}")?;
        }
        Ok(())
    }
}

impl fmt::Display for BlockedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockedOn::Operation(operation) => operation.fmt(f),
            BlockedOn::Promise {
                location,
                out_of_reach,
            } => {
                write!(f, "the promise made at {location}")?;
                if *out_of_reach {
                    f.write_str(", whose resolvers have all been dropped: it can never settle")?;
                }
                Ok(())
            }
        }
    }
}
