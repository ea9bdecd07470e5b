//! Why a loop is alive and what its tasks wait for: [`why_alive`], and the report of
//! [`RunError::Stuck`](crate::RunError::Stuck).
//!
//! A report is created from what the parts of the loop contain when it is requested. It never runs
//! user code and changes nothing.

use std::fmt;
use std::task::Waker;
use std::time::Duration;

use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::observe::active_resource::{PendingPromise, ResourceEntry, ResourceKind};
use crate::phases::macrotask::SourceLocation;

/// Returns what the loop of this thread waits for, and what keeps it alive.
///
/// Use it in a program that does not end, or in a test that checks what is still pending. It costs
/// nothing until it is called.
///
/// # Panics
///
/// Panics if no event loop is running on this thread. For a loop that is not running, use
/// [`EventLoop::why_alive`](crate::EventLoop::why_alive).
///
/// # Examples
///
/// ```
/// # nodeloop::run(async {
/// let timer = nodeloop::set_timeout(std::time::Duration::from_millis(1), || {});
/// assert_eq!(nodeloop::why_alive().keeping_alive().count(), 1);
/// timer.unref();
/// assert!(!nodeloop::why_alive().is_alive());
/// println!("{}", nodeloop::why_alive()); // prints the timer and where it was set
/// # });
/// ```
#[track_caller]
pub fn why_alive() -> WhyAlive {
    WhyAlive::of(&current("why_alive"))
}

/// What a loop waits for: its active resources, and its pending tasks with what they await.
///
/// `Display` prints one line for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WhyAlive {
    resources: Vec<ActiveResource>,
    tasks: Vec<PendingTask>,
}

/// Something that can cause work in a loop later: a timer, a job, a wait for a socket, a child
/// process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveResource {
    kind: ResourceKind,
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

/// What a task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockedOn {
    /// A timer, a job, a source or another resource.
    Resource(ActiveResource),
    /// A pending promise.
    Promise {
        /// Where it was created.
        location: SourceLocation,
        /// Whether it can never settle, because all its resolvers were dropped.
        out_of_reach: bool,
    },
}

impl WhyAlive {
    pub(crate) fn of(state: &LoopState) -> WhyAlive {
        let now = state.clock.now();
        let entries = entries(state);
        let tasks = pending_tasks(state, &entries, now);
        let resources = entries.iter().map(|entry| ActiveResource::new(entry, now));
        WhyAlive {
            resources: resources.collect(),
            tasks,
        }
    }

    /// Returns `true` if something keeps the loop alive (R6).
    pub fn is_alive(&self) -> bool {
        self.keeping_alive().next().is_some()
    }

    /// Returns the resources that keep the loop alive.
    pub fn keeping_alive(&self) -> impl Iterator<Item = &ActiveResource> {
        self.resources
            .iter()
            .filter(|resource| resource.keeps_alive)
    }

    /// Returns all active resources, also those that do not keep the loop alive.
    pub fn active_resources(&self) -> &[ActiveResource] {
        &self.resources
    }

    /// Returns the pending tasks in no particular order.
    ///
    /// The running task is one of them, unless this is its first poll.
    pub fn tasks(&self) -> &[PendingTask] {
        &self.tasks
    }

    /// Writes a line for everything except the task that was spawned at `location`.
    pub(crate) fn write_without(
        &self,
        location: Option<SourceLocation>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        for resource in &self.resources {
            write!(f, "\n  {resource}")?;
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

impl ActiveResource {
    fn new(entry: &ResourceEntry, now: Duration) -> ActiveResource {
        ActiveResource {
            kind: entry.kind,
            location: entry.location,
            keeps_alive: entry.refed,
            due_in: entry.due.map(|due| due.saturating_sub(now)),
        }
    }

    /// Returns the kind of the resource.
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// Returns where it was created; `None` for a message of another thread.
    pub fn location(&self) -> Option<SourceLocation> {
        self.location
    }

    /// Returns `true` if it keeps the loop alive: it is ref'd.
    pub fn keeps_alive(&self) -> bool {
        self.keeps_alive
    }

    /// Returns the time until it is due, which is known for timers and simulated completions.
    pub fn due_in(&self) -> Option<Duration> {
        self.due_in
    }
}

impl PendingTask {
    /// Returns where the task was spawned.
    pub fn location(&self) -> SourceLocation {
        self.location
    }

    /// Returns what the task waits for.
    ///
    /// It is empty if that is unknown to the loop, as for a channel, another thread or a combinator
    /// that wraps the waker, and if the task is running.
    pub fn blocked_on(&self) -> &[BlockedOn] {
        &self.blocked_on
    }
}

fn entries(state: &LoopState) -> Vec<ResourceEntry> {
    let mut all = state.timers.borrow().active_resources();
    all.append(&mut state.check.borrow().active_resources());
    all.append(&mut state.pool.active_resources());
    all.append(&mut state.poll.active_resources());
    all.append(&mut state.signals.active_resources());
    all.append(&mut state.pending.borrow().active_resources());
    all.append(&mut state.close.borrow().active_resources());
    let tokens = state.remote_queue.token_locations().into_iter();
    all.extend(tokens.map(|location| ResourceEntry::new(ResourceKind::KeepAlive, Some(location))));
    let messages = 0..state.remote_queue.len();
    all.extend(messages.map(|_| ResourceEntry::new(ResourceKind::Message, None)));
    all
}

fn pending_tasks(state: &LoopState, entries: &[ResourceEntry], now: Duration) -> Vec<PendingTask> {
    let tasks = state.tasks.borrow();
    let pending = tasks.iter().map(|(_, task)| PendingTask {
        location: task.promise.created_at(),
        blocked_on: blocked_on(state, &task.waker, entries, now),
    });
    pending.collect()
}

/// Returns what a task waits for: the resources and the promises that have its waker.
fn blocked_on(
    state: &LoopState,
    task: &Waker,
    entries: &[ResourceEntry],
    now: Duration,
) -> Vec<BlockedOn> {
    let wakes_task =
        |entry: &&ResourceEntry| entry.wakers.iter().any(|waker| waker.will_wake(task));
    let woken_by = entries.iter().filter(wakes_task);
    let mut all: Vec<BlockedOn> = woken_by
        .map(|entry| BlockedOn::Resource(ActiveResource::new(entry, now)))
        .collect();
    let mut add = |promise: &dyn PendingPromise| {
        if promise.is_awaited_by(task) {
            all.push(BlockedOn::of_promise(promise, now));
        }
    };
    for (_, other) in state.tasks.borrow().iter() {
        add(&*other.promise);
    }
    state.awaited.for_each(add);
    all
}

impl BlockedOn {
    fn of_promise(promise: &dyn PendingPromise, now: Duration) -> BlockedOn {
        let location = promise.created_at();
        if promise.is_job() {
            let job = ResourceEntry::new(ResourceKind::Job, Some(location));
            return BlockedOn::Resource(ActiveResource::new(&job, now));
        }
        BlockedOn::Promise {
            location,
            out_of_reach: promise.is_out_of_reach(),
        }
    }
}

impl fmt::Display for WhyAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_alive() {
            "the loop is alive:"
        } else {
            "nothing keeps the loop alive:"
        })?;
        if self.resources.is_empty() && self.tasks.is_empty() {
            return f.write_str(" nothing is pending");
        }
        self.write_without(None, f)
    }
}

impl fmt::Display for ActiveResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(due_in) = self.due_in {
            write!(f, ", due in {due_in:?}")?;
        }
        if let Some(location) = self.location {
            write!(f, ", created at {location}")?;
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
        self.write_blocked_on(f)
    }
}

impl PendingTask {
    pub(crate) fn write_blocked_on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.blocked_on.is_empty() {
            return f.write_str(
                "; what it waits for is unknown to the loop: a channel, another thread, or a waker \
                 that was dropped",
            );
        }
        for blocked_on in &self.blocked_on {
            write!(f, "\n    it waits for {blocked_on}")?;
        }
        Ok(())
    }
}

impl fmt::Display for BlockedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockedOn::Resource(resource) => resource.fmt(f),
            BlockedOn::Promise {
                location,
                out_of_reach,
            } => {
                write!(f, "the promise created at {location}")?;
                if *out_of_reach {
                    f.write_str(", which can never settle: all its resolvers were dropped")?;
                }
                Ok(())
            }
        }
    }
}
