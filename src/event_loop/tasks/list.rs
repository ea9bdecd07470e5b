//! The list of tasks: their entries, and which of them are free.
//!
//! An entry stays in its place when its task ends, and the next task takes the one that was freed last.
//! Both are done without a copy of the entry.
//!
//! Invariant: a free entry owns nothing, and no key belongs to it.

use std::cell::{Cell, OnceCell};
use std::mem::{forget, replace};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::OwnWaker;
use crate::event_loop::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::phases::macrotask::{Origin, SourceLocation, StepKind, TaskKey};

/// What the loop polls.
pub(crate) trait Task {
    /// Polls the task in its async context. The context is empty before, and if the task is pending also
    /// afterwards.
    fn resume(self: Pin<&mut Self>, owner: &LoopState, cx: &mut Context<'_>) -> Poll<()>;

    /// Ends the task: it drops what it owns, and its promise settles as aborted.
    fn stop(self: Pin<&mut Self>, owner: &LoopState);
}

/// A task that was aborted before its turn, which ends it.
struct Aborted(TaskBox);

impl Task for Aborted {
    fn resume(mut self: Pin<&mut Self>, owner: &LoopState, _: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().stop(owner);
        Poll::Ready(())
    }

    fn stop(mut self: Pin<&mut Self>, owner: &LoopState) {
        self.0.as_mut().stop(owner);
    }
}

/// The future of a task.
pub(crate) type TaskBox = Pin<Box<dyn Task>>;

/// A task in the list.
pub(crate) struct LiveTask {
    /// `None` while it is polled, for the main future, which nothing owns, and for a member of a combinator.
    pub(super) future: Option<TaskBox>,
    /// The waker that it has cloned, if any. That of the main future is in the state of the loop.
    pub(super) waker: OnceCell<Box<OwnWaker>>,
    /// The promise that it settles. A member of a combinator has only the number of one; this is what it
    /// shares with the other members.
    pub(super) promise: Option<Rc<dyn PendingPromise>>,
    /// The number of that promise. In a free entry it is that of no promise: [`FREE`], and the index of the
    /// next free entry.
    pub(super) number: u64,
    pub(super) location: SourceLocation,
    pub(super) schedule: Cell<Schedule>,
    /// What it is in the microtask queue: a task or a reaction.
    pub(super) kind: StepKind,
    /// Whether its first poll is over. Before, it is a part of the code that has spawned it.
    pub(super) is_listed: bool,
}

/// The list is the greater part of the memory of a small task.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<LiveTask>() <= 64);

/// No index of a task.
const NO_INDEX: usize = usize::MAX;

/// The key of no task.
pub(crate) const NO_TASK: TaskKey = TaskKey {
    index: NO_INDEX,
    promise: 0,
};

/// The number of a free entry, which is greater than those of promises. The lower half is the index of the
/// next free entry.
const FREE: u64 = 1 << 63;

/// No free entry.
const NONE_FREE: u32 = u32::MAX;

/// Whether a task is in the microtask queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schedule {
    Idle,
    Scheduled,
    Running,
    /// It is running, and was woken meanwhile.
    Woken,
    /// It is running, and was aborted meanwhile.
    Aborted,
    /// It is the main future, which has a state of its own.
    Main,
}

/// What the caller of a wake does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WakeEffect {
    Queue,
    /// The task is queued already, runs, or has ended.
    Nothing,
    /// It is the main future, whose state the caller changes.
    WakeMain,
}

impl LiveTask {
    fn new() -> LiveTask {
        LiveTask {
            future: None,
            waker: OnceCell::new(),
            promise: None,
            number: FREE,
            location: Location::caller(),
            schedule: Cell::new(Schedule::Running),
            kind: StepKind::Task,
            is_listed: false,
        }
    }

    fn is_free(&self) -> bool {
        self.number >= FREE
    }

    /// Returns the origin of an entry of the task.
    pub(super) fn origin(&self, kind: StepKind) -> Origin {
        Origin::of(kind, self.location, self.number.wrapping_sub(1))
    }

    /// Gives a task its future, which was taken out or is new.
    #[inline]
    pub(super) fn put_future(&mut self, future: TaskBox) {
        let before = self.future.replace(future);
        debug_assert!(before.is_none(), "a task has one future");
        forget(before); // nearly every poll would look whether it is to be dropped
    }

    /// Gives a task its promise.
    #[inline]
    pub(super) fn put_promise(&mut self, promise: Option<Rc<dyn PendingPromise>>) {
        let before = replace(&mut self.promise, promise);
        debug_assert!(before.is_none(), "a task has one promise");
        forget(before); // as above
    }

    /// Records a wake.
    #[inline(always)] // as above
    fn wake(&self) -> WakeEffect {
        // Two tests are shorter than the table of a `match`.
        let schedule = self.schedule.get();
        if schedule == Schedule::Running {
            self.schedule.set(Schedule::Woken);
            return WakeEffect::Nothing;
        }
        if schedule == Schedule::Idle && !self.is_sent() {
            self.schedule.set(Schedule::Scheduled);
            return WakeEffect::Queue;
        }
        match schedule {
            Schedule::Main => WakeEffect::WakeMain,
            _ => WakeEffect::Nothing, // if a message is sent, it is queued when that arrives
        }
    }

    /// Makes the next turn of the task end it, or the one that is running.
    pub(super) fn abort(&mut self) {
        match self.schedule.get() {
            Schedule::Idle | Schedule::Scheduled => {
                let future = self.future.take().expect("it is not polled");
                self.put_future(Box::pin(Aborted(future)));
            }
            Schedule::Running | Schedule::Woken => self.schedule.set(Schedule::Aborted),
            Schedule::Aborted => {}
            Schedule::Main => {} // its promise knows
        }
    }

    /// Ends a poll after which the task is pending. Returns whether the caller must queue it.
    #[inline]
    pub(super) fn pause(&mut self, future: TaskBox) -> bool {
        debug_assert_ne!(self.schedule.get(), Schedule::Aborted, "it has ended");
        self.put_future(future);
        self.rest()
    }

    /// The same for a member of a combinator, and the rest for all others.
    #[inline]
    pub(super) fn rest(&mut self) -> bool {
        self.is_listed = true;
        let is_woken = self.schedule.get() == Schedule::Woken;
        self.schedule.set(match is_woken {
            true => Schedule::Scheduled,
            false => Schedule::Idle,
        });
        is_woken
    }

    /// Returns whether a message that wakes it is on its way.
    #[inline]
    pub(super) fn is_sent(&self) -> bool {
        match self.waker.get() {
            Some(own) => own.shared.is_sent(),
            None => false,
        }
    }
}

/// The list of tasks.
pub(crate) struct TaskList {
    entries: Vec<LiveTask>,
    /// The entry that the next task takes, or [`NONE_FREE`].
    next_free: u32,
    /// How many entries are not free.
    count: usize,
}

impl Default for TaskList {
    fn default() -> TaskList {
        TaskList {
            entries: Vec::new(),
            next_free: NONE_FREE,
            count: 0,
        }
    }
}

impl TaskList {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns all tasks in the order of their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &LiveTask)> {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(_, entry)| !entry.is_free())
    }

    /// Returns a task, unless it has ended.
    #[inline]
    pub(super) fn find(&self, key: TaskKey) -> Option<&LiveTask> {
        let task = self.entries.get(key.index)?;
        (task.number == key.promise).then_some(task)
    }

    /// Returns a task, unless it has ended.
    #[inline]
    pub(super) fn find_mut(&mut self, key: TaskKey) -> Option<&mut LiveTask> {
        let task = self.entries.get_mut(key.index)?;
        (task.number == key.promise).then_some(task)
    }

    /// Returns a task that has not ended.
    #[inline]
    pub(super) fn entry(&mut self, index: usize) -> &mut LiveTask {
        let entry = &mut self.entries[index];
        debug_assert!(!entry.is_free(), "the task has not ended");
        entry
    }

    /// Wakes a task, unless it has ended.
    #[inline(always)] // a part of its callers
    pub(super) fn wake(&self, key: TaskKey) -> WakeEffect {
        self.find(key).map_or(WakeEffect::Nothing, LiveTask::wake)
    }

    /// Enters a task, and returns its index and its entry, which the caller fills.
    #[inline]
    pub(super) fn add(&mut self) -> (usize, &mut LiveTask) {
        if self.next_free == NONE_FREE {
            self.grow();
        }
        let index = self.next_free as usize;
        let entry = &mut self.entries[index];
        self.next_free = entry.number as u32;
        self.count += 1;
        entry.is_listed = false;
        (index, entry)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 tasks");
        self.entries.push(LiveTask {
            number: FREE | u64::from(NONE_FREE),
            ..LiveTask::new()
        });
        self.next_free = index;
    }

    /// Removes a task that has ended, and whose promise was taken. Returns its waker, if any, which the caller
    /// drops outside of the borrow.
    #[inline]
    pub(super) fn remove(&mut self, index: usize) -> Option<Box<OwnWaker>> {
        let next = replace(&mut self.next_free, index as u32);
        self.count -= 1;
        let entry = self.entry(index);
        debug_assert!(entry.future.is_none(), "a task ends in a poll");
        debug_assert!(entry.promise.is_none(), "its promise would stay");
        entry.number = FREE | u64::from(next);
        entry.waker.take()
    }
}
