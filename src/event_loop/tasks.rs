//! The pending tasks of a loop: their futures, their wakers, and whether they are queued.
//!
//! The loop owns the future of every task, so nothing of a task is shared with other threads except a
//! [`TaskWaker`]. The microtask queue contains the index of a task in the list.
//!
//! ```text
//!              wake                poll               Ready
//!      Idle ─────────▶ Scheduled ─────────▶ Running ─────────▶ removed
//!       ▲                  ▲              ▲   │  │ wake
//!       │                  │  start ──────┘   │  ▼
//!       │                  └──────────────────┼─ Woken
//!       └─────────────────────────────────────┘ Pending
//! ```
//!
//! An abort ends a task in its next turn (`tasks/list.rs`), and one that is running when its poll returns:
//! it is `Aborted` until then.
//!
//! What wakes a task later, such as an immediate or a promise, contains the key of the task instead of a
//! waker: a clone of a waker and its drop are two atomic operations.
//!
//! Invariant: a task is in the microtask queue exactly once if it is `Scheduled`, and otherwise not.
//! Invariant: a wake during a poll takes effect after the poll.

mod list;
mod members;
mod poll;
mod reports;

use std::cell::Cell;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, RawWakerVTable, Wake, Waker};

use super::current::schedule;
use super::main_future;
use super::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::phases::macrotask::{Origin, SourceLocation, StepKind, TaskKey};
use crate::phases::poll::TaskLocations;
use crate::reactor::task_waker::TaskWaker;

pub(super) use list::NO_TASK;
use list::{LiveTask, Schedule, WakeEffect};
pub(crate) use list::{Task, TaskBox, TaskList};
pub(crate) use reports::ListedTask;

/// A waker of a task, as the loop owns it.
pub(crate) struct OwnWaker {
    waker: Waker,
    shared: Arc<TaskWaker>,
}

/// The task that is being polled, and its waker, which is compared and never used.
///
/// Invariant: it is empty, or the poll that it names is on the stack. So the waker exists, and no other one
/// has its address.
pub(crate) struct Polled {
    task: Cell<TaskKey>,
    waker: Cell<*const ()>,
    vtable: Cell<*const RawWakerVTable>,
}

impl Default for Polled {
    fn default() -> Polled {
        Polled {
            task: Cell::new(NO_TASK),
            waker: Cell::new(std::ptr::null()),
            vtable: Cell::new(std::ptr::null()),
        }
    }
}

impl Polled {
    #[inline]
    fn set(&self, task: TaskKey, waker: &Waker) {
        self.task.set(task);
        self.waker.set(waker.data());
        self.vtable.set(waker.vtable());
    }

    /// Records that nothing is polled. No waker has this address.
    #[inline]
    fn clear(&self) {
        self.waker.set(std::ptr::null());
    }

    /// Moves the record to `other`.
    #[inline]
    fn copy_to(&self, other: &Polled) {
        other.task.set(self.task.get());
        other.waker.set(self.waker.get());
        other.vtable.set(self.vtable.get());
    }
}

impl OwnWaker {
    /// Returns the context of a poll.
    #[inline]
    pub(crate) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

/// A task that is created, but neither polled nor queued.
pub(crate) struct NewTask {
    pub(crate) promise: Option<Rc<dyn PendingPromise>>,
    pub(crate) number: u64,
    pub(crate) location: SourceLocation,
    pub(crate) kind: StepKind,
}

impl LoopState {
    /// Enters a task into the list.
    #[inline(always)] // so that `new` is not copied
    fn add_task(&self, new: NewTask, schedule: Schedule) -> TaskKey {
        let mut tasks = self.tasks.borrow_mut();
        let (index, entry) = tasks.add();
        entry.put_promise(new.promise);
        entry.number = new.number;
        entry.location = new.location;
        entry.schedule.set(schedule);
        entry.kind = new.kind;
        TaskKey {
            index,
            promise: new.number,
        }
    }

    /// Enters a task that is about to be polled for the first time, and lends it a waker. It is removed, or
    /// [`end_first_poll`](LoopState::end_first_poll) follows.
    #[inline(always)] // as above
    pub(crate) fn begin_task(&self, new: NewTask) -> (TaskKey, Box<OwnWaker>) {
        let task = self.add_task(new, Schedule::Running);
        (task, self.lend_waker(task))
    }

    /// Ends a first poll after which the task is pending.
    #[inline]
    pub(crate) fn end_first_poll(
        &self,
        index: usize,
        future: TaskBox,
        waker: Box<OwnWaker>,
        promise: Rc<dyn PendingPromise>,
    ) {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.entry(index);
        entry.put_promise(Some(promise));
        let polled = self.end_poll(tasks, index, future, waker);
        debug_assert!(polled.is_pending(), "only its promise can abort a task");
    }

    /// Enters a new task that is not polled until something wakes it. `future_of` makes its future, and may
    /// wake it.
    #[inline]
    pub(crate) fn add_waiting_task<F: Task + 'static>(
        &self,
        new: NewTask,
        future_of: impl FnOnce(TaskKey) -> Pin<Box<F>>,
    ) {
        let task = self.add_task(new, Schedule::Running);
        let future = future_of(task);
        let mut tasks = self.tasks.borrow_mut();
        let is_woken = tasks.entry(task.index).pause(future);
        drop(tasks);
        if is_woken {
            self.queue_again(task.index);
        }
    }

    /// Queues the first poll of a new task.
    pub(crate) fn queue_task<F: Task + 'static>(
        &self,
        new: NewTask,
        future_of: impl FnOnce(TaskKey) -> Pin<Box<F>>,
    ) -> TaskKey {
        let task = self.add_task(new, Schedule::Scheduled);
        let future = future_of(task);
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.entry(task.index);
        entry.put_future(future);
        let origin = entry.origin(entry.kind);
        drop(tasks);
        self.enqueued(origin, None);
        self.queues.push_task(task.index);
        task
    }

    /// Returns a waker for a poll that no other poll uses.
    #[inline]
    fn lend_waker(&self, task: TaskKey) -> Box<OwnWaker> {
        match self.spare_waker.take() {
            Some(spare) => {
                spare.shared.lend_to(task);
                spare
            }
            None => self.new_waker(task),
        }
    }

    #[cold]
    fn new_waker(&self, task: TaskKey) -> Box<OwnWaker> {
        if let Some(spare) = self.spare_wakers.borrow_mut().pop() {
            spare.shared.lend_to(task);
            return spare;
        }
        self.waker_of_its_own(task)
    }

    #[inline(never)] // all are made here, so that they can be compared
    fn waker_of_its_own(&self, task: TaskKey) -> Box<OwnWaker> {
        let shared = Arc::new(TaskWaker::new(self.remote_queue.clone(), task));
        let waker = Waker::from(shared.clone());
        Box::new(OwnWaker { waker, shared })
    }

    /// Takes back a waker that was lent, to lend it again unless it was cloned.
    #[inline]
    pub(crate) fn take_back(&self, waker: Box<OwnWaker>) {
        match waker.shared.is_shared() {
            true => drop_waker(waker),
            false => self.put_back(waker),
        }
    }

    /// Keeps a waker that was not cloned for the next poll.
    #[inline]
    fn put_back(&self, waker: Box<OwnWaker>) {
        if let Some(other) = self.spare_waker.replace(Some(waker)) {
            self.keep_spare(other);
        }
    }

    /// Keeps a waker for polls within polls.
    #[cold]
    fn keep_spare(&self, waker: Box<OwnWaker>) {
        self.spare_wakers.borrow_mut().push(waker);
    }

    /// Enters a main future that is pending into the list, and returns its index.
    pub(crate) fn add_main_task(&self, promise: Rc<dyn PendingPromise>, number: u64) -> usize {
        let location = promise.created_at();
        let new = NewTask {
            promise: Some(promise),
            number,
            location,
            kind: StepKind::Task,
        };
        let task = self.add_task(new, Schedule::Main);
        self.tasks.borrow_mut().entry(task.index).is_listed = true;
        self.main_task.set(task);
        task.index
    }

    /// Removes a task that has ended in its first poll, when it has no promise.
    #[inline]
    pub(crate) fn remove_eager_task(&self, index: usize) {
        let waker = self.tasks.borrow_mut().remove(index);
        if let Some(waker) = waker {
            drop_waker(waker); // that of a report
        }
    }

    /// Removes a task that has ended from the list.
    #[inline]
    pub(crate) fn remove_task(&self, index: usize) {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.entry(index);
        let is_main = entry.schedule.get() == Schedule::Main;
        let promise = entry.promise.take();
        let waker = tasks.remove(index);
        drop(tasks);
        if is_main {
            self.main_task.set(NO_TASK);
            drop(self.main_waker.take());
        }
        if let Some(waker) = waker {
            drop_waker(waker); // that of a report
        }
        drop(promise);
    }

    /// Asks a task to drop its future in its next turn, or at the end of the one that is running, unless it
    /// has ended.
    pub(crate) fn abort_task(&self, task: TaskKey) {
        if let Some(entry) = self.tasks.borrow_mut().find_mut(task) {
            entry.abort();
        }
        self.wake_task(task);
    }

    /// Records that a task is polled for the first time, and returns the record of what was polled before.
    #[inline]
    pub(crate) fn begin_first_poll(&self, task: TaskKey, cx: &Context<'_>) -> Polled {
        let enclosing = Polled::default();
        self.polled.copy_to(&enclosing);
        self.polled.set(task, cx.waker());
        enclosing
    }

    /// Records that `enclosing` is polled again.
    #[inline]
    pub(crate) fn restore_polled(&self, enclosing: &Polled) {
        enclosing.copy_to(&self.polled);
    }

    /// Records that the main future is polled with `cx`. In its first poll it is not in the list.
    #[inline]
    pub(super) fn begin_main_poll(&self, cx: &Context<'_>) {
        let task = self.main_task.get();
        if task != NO_TASK {
            self.polled.set(task, cx.waker());
        }
    }

    #[inline]
    pub(super) fn end_main_poll(&self) {
        self.polled.clear();
    }

    /// Returns the key of the task that is being polled with `cx`. It is `None` in the first poll of a
    /// main future, and for a waker of another kind, such as that of a combinator.
    #[inline]
    pub(crate) fn polled_task(&self, cx: &Context<'_>) -> Option<TaskKey> {
        let (polled, waker) = (&self.polled, cx.waker());
        // A waker of another kind may have the same data.
        let is_same =
            polled.waker.get() == waker.data() && std::ptr::eq(polled.vtable.get(), waker.vtable());
        is_same.then(|| polled.task.get())
    }

    /// Wakes the task that is being polled with `cx`.
    #[inline]
    pub(crate) fn wake_polled(&self, cx: &Context<'_>) {
        match self.polled_task(cx) {
            Some(task) => self.wake_task(task),
            None => cx.waker().wake_by_ref(),
        }
    }

    /// Wakes a task, unless it has ended.
    #[inline]
    pub(crate) fn wake_task(&self, task: TaskKey) {
        if self.is_current() {
            return self.schedule_task(task);
        }
        self.wake_from_outside(task);
    }

    #[cold]
    fn wake_from_outside(&self, task: TaskKey) {
        if let Some(waker) = self.waker_of(task) {
            waker.wake();
        }
    }

    /// Loads what the timers after the running one will need (`phases/timers/ahead.rs`).
    #[inline(never)]
    pub(super) fn load_ahead(&self) {
        let ahead = self.timers.borrow().look_ahead();
        let tasks = self.tasks.borrow();
        if let Some(task) = ahead.second.and_then(|task| tasks.find(task)) {
            black_box(task.number);
        }
        let task = ahead.next.and_then(|task| tasks.find(task));
        if let Some(promise) = task.and_then(|task| task.promise.as_ref()) {
            black_box(promise.created_at());
        }
    }

    /// Wakes a task of the loop that is running, unless the task has ended.
    pub(crate) fn schedule_task(&self, task: TaskKey) {
        match self.observers.is_on() {
            true => self.schedule_observed(task),
            false => self.schedule_unobserved(task),
        }
    }

    /// Does so in a loop without observers.
    #[inline(always)] // a part of its callers
    pub(super) fn schedule_unobserved(&self, task: TaskKey) {
        let wake = self.tasks.borrow_mut().wake(task);
        match wake {
            WakeEffect::Queue => self.queues.push_task(task.index),
            WakeEffect::Nothing => {}
            WakeEffect::WakeMain => self.wake_main(),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn schedule_observed(&self, task: TaskKey) {
        let wake = self.tasks.borrow_mut().wake(task);
        match wake {
            WakeEffect::Queue => self.queue_again(task.index),
            WakeEffect::Nothing => {}
            WakeEffect::WakeMain => self.wake_main(),
        }
    }

    /// Queues every task of a loop that is cancelling.
    pub(super) fn schedule_all_tasks(&self) {
        for (index, entry) in self.tasks.borrow().iter() {
            match entry.schedule.get() {
                Schedule::Idle => {
                    entry.schedule.set(Schedule::Scheduled);
                    self.queues.push_task(index);
                }
                Schedule::Main => self.queue_cancelled_main(),
                _ => {}
            }
        }
    }

    /// Returns a waker of a task, unless it has ended.
    #[cold]
    pub(crate) fn waker_of(&self, task: TaskKey) -> Option<Waker> {
        let tasks = self.tasks.borrow();
        self.waker_of_entry(task.index, tasks.find(task)?)
    }

    fn waker_of_entry(&self, index: usize, entry: &LiveTask) -> Option<Waker> {
        if entry.schedule.get() == Schedule::Main {
            return self
                .main_waker
                .borrow()
                .as_ref()
                .map(main_future::new_waker);
        }
        let promise = entry.number;
        let new = || self.waker_of_its_own(TaskKey { index, promise });
        Some(entry.waker.get_or_init(new).waker.clone())
    }

    /// Returns the origin of a task in the microtask queue.
    pub(crate) fn origin_of_task(&self, index: usize) -> Origin {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.entry(index);
        entry.origin(entry.kind)
    }

    /// Returns the origin of a wake from outside of the running loop, unless the task has ended.
    pub(crate) fn origin_of_wake(&self, task: TaskKey) -> Option<Origin> {
        Some(self.tasks.borrow().find(task)?.origin(StepKind::RemoteWake))
    }
}

impl TaskLocations for LoopState {
    fn location_of(&self, task: TaskKey) -> Option<SourceLocation> {
        Some(self.tasks.borrow().find(task)?.location)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<TaskWaker>) {
        schedule(&self);
    }

    fn wake_by_ref(self: &Arc<TaskWaker>) {
        schedule(self);
    }
}

/// Drops a waker that was cloned. Its clones wake the task.
#[cold]
#[inline(never)]
fn drop_waker(waker: Box<OwnWaker>) {
    drop(waker);
}
