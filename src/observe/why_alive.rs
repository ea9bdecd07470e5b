//! Why a loop is alive and what its tasks wait for: [`why_alive`], and the report of
//! [`RunError::Stuck`](crate::RunError::Stuck).
//!
//! A report is created from what the parts of the loop contain when it is requested. It never runs
//! user code and changes nothing.
//!
//! Invariant: each resource, promise and task is visited once, so that a report of a large program
//! does not delay its loop: a table finds the task of a waker. For the same reason the text lists only
//! [`LISTED`] items of each location.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::event_loop::current::{current, position};
use crate::event_loop::state::LoopState;
use crate::event_loop::tasks::ListedTask;
use crate::observe::active_resource::{Awaited, PendingPromise, ResourceEntry, ResourceKind};
use crate::phases::macrotask::{SourceLocation, StepKind};

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
    WhyAlive::of(&current("why_alive")).with_running()
}

/// What a loop waits for: its active resources, and its pending tasks with what they await.
///
/// `Display` prints them grouped by location, one line for each of the first ten of a location, and
/// how many more there are.
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
    label: Option<Arc<str>>,
    keeps_alive: bool,
    due_in: Option<Duration>,
}

/// A task that is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTask {
    location: SourceLocation,
    blocked_on: Vec<BlockedOn>,
    is_running: bool,
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
        let now = state.clock.unrecorded_now();
        let entries = entries(state);
        let tasks = pending_tasks(&state.listed_tasks(), &state.awaited, &entries, now);
        let resources = entries.iter().map(|entry| ActiveResource::new(entry, now));
        WhyAlive {
            resources: resources.collect(),
            tasks,
        }
    }

    /// Marks the task that has called for the report. If other tasks were spawned at its location as
    /// well, it cannot be told from them.
    fn with_running(mut self) -> WhyAlive {
        let position = position();
        if position.kind == Some(StepKind::Task) {
            let is_here = |task: &&mut PendingTask| Some(task.location) == position.location;
            let mut here = self.tasks.iter_mut().filter(is_here);
            if let (Some(task), None) = (here.next(), here.next()) {
                task.is_running = true;
            }
        }
        self
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

    /// Writes everything except the task that was spawned at `location`.
    pub(crate) fn write_without(
        &self,
        location: Option<SourceLocation>,
        f: &mut impl fmt::Write,
    ) -> fmt::Result {
        write_groups(
            f,
            ("\n  ", ""),
            self.resources.iter(),
            ActiveResource::group,
        )?;
        self.write_tasks_without(location, f)
    }

    /// Writes the tasks except the one that was spawned at `location`.
    pub(crate) fn write_tasks_without(
        &self,
        location: Option<SourceLocation>,
        f: &mut impl fmt::Write,
    ) -> fmt::Result {
        let tasks = self.tasks.iter();
        let others = tasks.filter(|task| Some(task.location) != location);
        write_groups(f, ("\n  ", ""), others, PendingTask::group)
    }
}

impl ActiveResource {
    fn new(entry: &ResourceEntry, now: Duration) -> ActiveResource {
        ActiveResource {
            kind: entry.kind,
            location: entry.location,
            label: entry.label.clone(),
            keeps_alive: entry.refed,
            due_in: entry.due.map(|due| due.saturating_sub(now)),
        }
    }

    fn group(&self) -> Group {
        Group {
            kind: Some(self.kind),
            location: self.location,
            label: self.label.clone(),
            flag: self.keeps_alive,
            verb: "created",
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

    /// Returns the label that the host of an engine has given it, such as a place in a script; see
    /// [`TimeoutHandle::set_label`](crate::TimeoutHandle::set_label).
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
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

    fn group(&self) -> Group {
        Group {
            kind: None,
            location: Some(self.location),
            label: None,
            flag: self.is_running,
            verb: "spawned",
        }
    }

    /// Returns what the task waits for.
    ///
    /// It is empty if that is unknown to the loop, as for a channel, another thread or a combinator
    /// that wraps the waker, and usually if the task is running.
    pub fn blocked_on(&self) -> &[BlockedOn] {
        &self.blocked_on
    }

    /// Returns whether this is the task that called [`why_alive`]. It is `false` if several pending
    /// tasks were spawned at the same location.
    pub fn is_running(&self) -> bool {
        self.is_running
    }
}

fn entries(state: &LoopState) -> Vec<ResourceEntry> {
    let waker_of = |task| state.waker_of(task);
    let mut all = state.timers.borrow().active_resources(waker_of);
    all.append(&mut state.check.borrow().active_resources(waker_of));
    all.append(&mut state.pool.active_resources());
    all.append(&mut state.poll.active_resources(waker_of));
    all.append(&mut state.signals.active_resources());
    all.append(&mut state.pending.borrow().active_resources());
    all.append(&mut state.close.borrow().active_resources());
    let tokens = state.remote_queue.token_locations().into_iter();
    all.extend(tokens.map(|location| ResourceEntry::new(ResourceKind::KeepAlive, Some(location))));
    let messages = 0..state.remote_queue.len();
    all.extend(messages.map(|_| ResourceEntry::new(ResourceKind::Message, None)));
    all
}

fn pending_tasks(
    tasks: &[ListedTask],
    awaited: &Awaited,
    entries: &[ResourceEntry],
    now: Duration,
) -> Vec<PendingTask> {
    let mut waits = Waits::of(tasks);
    for entry in entries {
        let blocked_on = || BlockedOn::Resource(ActiveResource::new(entry, now));
        waits.begin_item();
        for waker in &entry.wakers {
            waits.add(waker, blocked_on);
        }
    }
    let mut add = |promise: &dyn PendingPromise| {
        waits.begin_item();
        promise.for_each_waker(&mut |waker| {
            waits.add(waker, || BlockedOn::of_promise(promise, now));
        });
    };
    let promises = tasks.iter().filter_map(|task| task.promise.as_deref());
    promises.for_each(&mut add);
    awaited.for_each(add);
    let tasks = tasks.iter().zip(waits.waits);
    let pending = tasks.map(|(task, wait)| PendingTask {
        location: task.location,
        blocked_on: wait.blocked_on,
        is_running: false,
    });
    pending.collect()
}

/// What each task waits for: the resources and promises that have its waker.
struct Waits {
    /// The index of each task by the data pointer of its waker. The vtables of two wakers of one task need
    /// not have the same address.
    indices: HashMap<*const (), usize>,
    waits: Vec<Wait>,
    /// The number of the resource or promise whose wakers are being added.
    item: usize,
}

#[derive(Default)]
struct Wait {
    blocked_on: Vec<BlockedOn>,
    /// The last item that was added.
    item: usize,
}

impl Waits {
    fn of(tasks: &[ListedTask]) -> Waits {
        let indices = tasks.iter().enumerate();
        Waits {
            indices: indices.map(|(n, task)| (task.waker.data(), n)).collect(),
            waits: tasks.iter().map(|_| Wait::default()).collect(),
            item: 0,
        }
    }

    /// Starts to add the wakers of the next resource or promise.
    fn begin_item(&mut self) {
        self.item += 1;
    }

    /// Adds the item to the task of this waker, once for each task.
    fn add(&mut self, waker: &Waker, blocked_on: impl FnOnce() -> BlockedOn) {
        let Some(index) = self.indices.get(&waker.data()) else {
            return;
        };
        let wait = &mut self.waits[*index];
        if wait.item != self.item {
            wait.item = self.item;
            wait.blocked_on.push(blocked_on());
        }
    }
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

    fn group(&self) -> Group {
        match self {
            BlockedOn::Resource(resource) => resource.group(),
            BlockedOn::Promise {
                location,
                out_of_reach,
            } => Group {
                kind: None,
                location: Some(*location),
                label: None,
                flag: *out_of_reach,
                verb: "created",
            },
        }
    }
}

/// How many items of a group the text lists.
const LISTED: usize = 10;

/// The items of a list that the text counts together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Group {
    kind: Option<ResourceKind>,
    location: Option<SourceLocation>,
    label: Option<Arc<str>>,
    /// Whether a resource keeps the loop alive, a promise can never settle, or a task is running.
    flag: bool,
    /// What happened at the location.
    verb: &'static str,
}

/// Writes the first items of each group, and how many more it has. Groups are in the order of their
/// first items.
fn write_groups<'a, T: fmt::Display + 'a>(
    f: &mut impl fmt::Write,
    (indent, lead): (&str, &str),
    items: impl Iterator<Item = &'a T>,
    group_of: impl Fn(&T) -> Group,
) -> fmt::Result {
    let mut indices = HashMap::new();
    let mut groups: Vec<(Group, Vec<&T>, usize)> = Vec::new();
    for item in items {
        let group = group_of(item);
        let index = *indices.entry(group.clone()).or_insert_with(|| {
            groups.push((group, Vec::new(), 0));
            groups.len() - 1
        });
        let (_, listed, more) = &mut groups[index];
        match listed.len() {
            LISTED => *more += 1,
            _ => listed.push(item),
        }
    }
    for (group, listed, more) in groups {
        for item in listed {
            write!(f, "{indent}{lead}{item}")?;
        }
        if more > 0 {
            write!(f, "{indent}… and {} more", with_separators(more))?;
            match (group.label, group.location) {
                (Some(label), _) => write!(f, " {} at {label}", group.verb)?,
                (None, Some(location)) => write!(f, " {} at {location}", group.verb)?,
                (None, None) => {}
            }
        }
    }
    Ok(())
}

/// Returns a number with a comma between thousands.
fn with_separators(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{},{rest:03}", with_separators(thousands)),
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
        match (&self.label, self.location) {
            (Some(label), _) => write!(f, ", created at {label}")?,
            (None, Some(location)) => write!(f, ", created at {location}")?,
            (None, None) => {}
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
        if self.is_running {
            return write!(f, "a task spawned at {} is running", self.location);
        }
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
        let lead = ("\n    ", "it waits for ");
        write_groups(f, lead, self.blocked_on.iter(), BlockedOn::group)
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
