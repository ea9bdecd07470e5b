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
//! What wakes a task later, such as an immediate or a promise, contains the key of the task instead of a
//! waker: a clone of a waker and its drop are two atomic operations.
//!
//! Invariant: a task is in the microtask queue exactly once if it is `Scheduled`, and otherwise not.
//! Invariant: a wake during a poll takes effect after the poll.

mod members;
mod reports;

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

use slab::Slab;

use super::current::schedule;
use super::main_future;
use super::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::phases::macrotask::{Origin, SourceLocation, StepKind, TaskKey};
use crate::phases::poll::TaskLocations;
use crate::reactor::task_waker::TaskWaker;

pub(crate) use reports::ListedTask;

/// A task in the list.
pub(crate) struct LiveTask {
    /// `None` while it is polled, for the main future, which nothing owns, and for a member of a combinator.
    future: Option<TaskBox>,
    /// The waker that it has cloned, if any. That of the main future is in the state of the loop.
    waker: OnceCell<Box<OwnWaker>>,
    /// The promise that it settles. A member of a combinator has only the number of one; this is what it
    /// shares with the other members.
    promise: Option<Rc<dyn PendingPromise>>,
    /// The number of that promise.
    number: u64,
    location: SourceLocation,
    schedule: Cell<Schedule>,
    /// What it is in the microtask queue: a task or a reaction.
    kind: StepKind,
    /// Whether its first poll is over. Before, it is a part of the code that has spawned it.
    is_listed: bool,
}

/// The list is the greater part of the memory of a small task.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<LiveTask>() <= 64);

/// No index of a task.
pub(super) const NO_INDEX: usize = usize::MAX;

/// The number of no promise.
const NO_PROMISE: u64 = 0;

/// The key of no task.
pub(super) const NO_TASK: TaskKey = TaskKey {
    index: NO_INDEX,
    promise: NO_PROMISE,
};

/// The future of a task.
pub(crate) type TaskBox = Pin<Box<dyn Future<Output = ()>>>;

/// Whether a task is in the microtask queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schedule {
    Idle,
    Scheduled,
    Running,
    /// It is running, and was woken meanwhile.
    Woken,
    /// It is the main future, which has a state of its own.
    Main,
}

/// A waker of a task, as the loop owns it.
pub(crate) struct OwnWaker {
    waker: Waker,
    shared: Arc<TaskWaker>,
}

/// The task that is being polled, and its waker, which is compared and never used.
#[derive(Clone, Copy)]
pub(crate) struct Polled {
    task: TaskKey,
    waker: *const (),
    vtable: *const RawWakerVTable,
}

impl Default for Polled {
    fn default() -> Polled {
        Polled {
            task: NO_TASK,
            waker: std::ptr::null(),
            vtable: std::ptr::null(),
        }
    }
}

impl OwnWaker {
    /// Returns the context of a poll.
    #[inline]
    pub(crate) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

impl LiveTask {
    /// Creates the entry of a main future that is pending.
    fn of_main(promise: Rc<dyn PendingPromise>, number: u64) -> LiveTask {
        LiveTask {
            future: None,
            waker: OnceCell::new(),
            location: promise.created_at(),
            promise: Some(promise),
            number,
            schedule: Cell::new(Schedule::Main),
            kind: StepKind::Task,
            is_listed: true,
        }
    }

    /// Returns the origin of an entry of the task.
    fn origin(&self, kind: StepKind) -> Origin {
        Origin::of(kind, self.location, self.number.wrapping_sub(1))
    }

    /// Records a wake. Returns whether the caller must queue the task.
    #[inline]
    fn wake(&self) -> bool {
        match self.schedule.get() {
            Schedule::Idle => {
                if self.is_sent() {
                    return false; // it is queued when the message arrives
                }
                self.schedule.set(Schedule::Scheduled);
                true
            }
            Schedule::Running => {
                self.schedule.set(Schedule::Woken);
                false
            }
            Schedule::Scheduled | Schedule::Woken | Schedule::Main => false,
        }
    }

    /// Ends a poll after which the task is pending. Returns whether the caller must queue it.
    #[inline]
    fn pause(&mut self, future: TaskBox) -> bool {
        self.future = Some(future);
        self.rest()
    }

    /// The same for a member of a combinator, and the rest for all others.
    #[inline]
    fn rest(&mut self) -> bool {
        self.is_listed = true;
        let is_woken = self.schedule.get() == Schedule::Woken;
        self.schedule.set(match is_woken {
            true => Schedule::Scheduled,
            false => Schedule::Idle,
        });
        is_woken
    }

    #[inline]
    fn is_sent(&self) -> bool {
        match self.waker.get() {
            Some(own) => own.shared.is_sent(),
            None => false,
        }
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
    #[inline]
    fn add_task(&self, new: NewTask, schedule: Schedule) -> TaskKey {
        let promise = new.number;
        let spare = self.spare_task.replace(NO_INDEX);
        let mut tasks = self.tasks.borrow_mut();
        if let Some(entry) = tasks.get_mut(spare) {
            entry.promise = new.promise;
            entry.number = new.number;
            entry.location = new.location;
            entry.schedule.set(schedule);
            entry.kind = new.kind;
            return TaskKey {
                index: spare,
                promise,
            };
        }
        let index = tasks.insert(LiveTask {
            future: None,
            waker: OnceCell::new(),
            promise: new.promise,
            number: new.number,
            location: new.location,
            schedule: Cell::new(schedule),
            kind: new.kind,
            is_listed: false,
        });
        TaskKey { index, promise }
    }

    /// Enters a task that is about to be polled for the first time, and lends it a waker. It is removed, or
    /// [`end_first_poll`](LoopState::end_first_poll) follows.
    #[inline]
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
        self.tasks.borrow_mut()[index].promise = Some(promise);
        self.end_poll(index, future, waker);
    }

    /// Enters a new task that is not polled until something wakes it. `future_of` makes its future, and may
    /// wake it.
    #[inline]
    pub(crate) fn add_waiting_task<F: Future<Output = ()> + 'static>(
        &self,
        new: NewTask,
        future_of: impl FnOnce(TaskKey) -> Pin<Box<F>>,
    ) {
        let task = self.add_task(new, Schedule::Running);
        let future = future_of(task);
        let mut tasks = self.tasks.borrow_mut();
        let is_woken = tasks[task.index].pause(future);
        drop(tasks);
        if is_woken {
            self.queue_again(task.index);
        }
    }

    /// Queues the first poll of a new task.
    pub(crate) fn queue_task<F: Future<Output = ()> + 'static>(
        &self,
        new: NewTask,
        future_of: impl FnOnce(TaskKey) -> Pin<Box<F>>,
    ) {
        let task = self.add_task(new, Schedule::Scheduled);
        let future = future_of(task);
        let mut tasks = self.tasks.borrow_mut();
        tasks[task.index].future = Some(future);
        let origin = tasks[task.index].origin(tasks[task.index].kind);
        drop(tasks);
        self.enqueued(origin, None);
        self.queues.push_task(task.index);
    }

    /// Polls a task that was taken out of the microtask queue.
    #[inline]
    pub(crate) fn poll_task(&self, index: usize) {
        let mut tasks = self.tasks.borrow_mut();
        let entry = &mut tasks[index];
        debug_assert_eq!(entry.schedule.get(), Schedule::Scheduled, "R13");
        entry.schedule.set(Schedule::Running);
        self.observers.note(entry.kind, entry.location);
        if entry.future.is_none() {
            drop(tasks);
            return self.poll_member(index);
        }
        let (future, waker) = (entry.future.take(), entry.waker.take());
        let promise = entry.number;
        let task = TaskKey { index, promise };
        drop(tasks);
        let mut future = future.expect("a task that is queued is not polled");
        let waker = match waker {
            Some(waker) => waker,
            None => self.lend_waker(task),
        };
        let mut cx = waker.context();
        let enclosing = self.begin_polling(task, &cx);
        let polled = future.as_mut().poll(&mut cx);
        self.end_polling(enclosing);
        match polled {
            Poll::Ready(()) => self.take_back(waker),
            Poll::Pending => self.end_poll(index, future, waker),
        }
    }

    /// Ends a poll after which the task is pending. It is queued if it was woken meanwhile.
    #[inline]
    fn end_poll(&self, index: usize, future: TaskBox, waker: Box<OwnWaker>) {
        let mut tasks = self.tasks.borrow_mut();
        let entry = &mut tasks[index];
        let is_woken = entry.pause(future);
        let unused = match waker.shared.is_shared() {
            // A report may have made another waker meanwhile; each of them wakes the task.
            true => entry.waker.set(waker).err(),
            false => Some(waker),
        };
        drop(tasks);
        if is_woken {
            self.queue_again(index);
        }
        if let Some(waker) = unused {
            self.take_back(waker);
        }
    }

    /// Queues a task that was woken while it was running.
    #[inline]
    fn queue_again(&self, index: usize) {
        if self.observers.is_on() {
            self.enqueued(self.origin_of_task(index), None);
        }
        self.queues.push_task(index);
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
        if waker.shared.is_shared() {
            return;
        }
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
        let task = LiveTask::of_main(promise, number);
        self.remove_spare_task();
        let index = self.tasks.borrow_mut().insert(task);
        self.main_task.set(TaskKey {
            index,
            promise: number,
        });
        index
    }

    /// Removes a task that has ended in its first poll. Its entry stays for the next task, which would get
    /// the same index.
    #[inline]
    pub(crate) fn remove_eager_task(&self, index: usize) {
        if self.spare_task.get() == NO_INDEX && self.is_open() {
            let mut tasks = self.tasks.borrow_mut();
            let entry = &mut tasks[index];
            if entry.waker.get().is_none() {
                entry.number = NO_PROMISE;
                return self.spare_task.set(index);
            }
        }
        self.remove_task(index);
    }

    /// Removes the entry of a task that has ended in its first poll.
    #[inline]
    pub(super) fn remove_spare_task(&self) {
        if self.spare_task.get() != NO_INDEX {
            self.remove_spare_entry();
        }
    }

    #[cold]
    fn remove_spare_entry(&self) {
        let spare = self.spare_task.replace(NO_INDEX);
        self.tasks.borrow_mut().remove(spare); // it owns nothing
    }

    /// Removes a task that has ended from the list.
    #[inline]
    pub(crate) fn remove_task(&self, index: usize) {
        self.remove_spare_task(); // before, so that indices are given in the same order as without it
        let task = self.tasks.borrow_mut().remove(index);
        if task.schedule.get() == Schedule::Main {
            self.main_task.set(NO_TASK);
            drop(self.main_waker.take());
        }
        drop(task); // outside of the borrow
    }

    /// Records that a task is polled with `cx`, and returns what was polled before.
    #[inline]
    pub(crate) fn begin_polling(&self, task: TaskKey, cx: &Context<'_>) -> Polled {
        self.polled.replace(Polled {
            task,
            waker: cx.waker().data(),
            vtable: cx.waker().vtable(),
        })
    }

    /// Records that `polled` is polled again.
    #[inline]
    pub(crate) fn end_polling(&self, polled: Polled) {
        self.polled.set(polled);
    }

    /// Returns the key of the task that is being polled with `cx`. It is `None` in the first poll of a
    /// main future, and for a waker of another kind, such as that of a combinator.
    #[inline]
    pub(crate) fn polled_task(&self, cx: &Context<'_>) -> Option<TaskKey> {
        let polled = self.polled.get();
        // A waker of another kind may have the same data.
        let is_same =
            polled.waker == cx.waker().data() && std::ptr::eq(polled.vtable, cx.waker().vtable());
        (is_same && polled.task != NO_TASK).then_some(polled.task)
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
        if let Some(task) = ahead.second.and_then(|task| tasks.get(task.index)) {
            black_box(task.number);
        }
        let task = ahead.next.and_then(|task| tasks.get(task.index));
        if let Some(promise) = task.and_then(|task| task.promise.as_ref()) {
            black_box(promise.created_at());
        }
    }

    /// Wakes a task of the loop that is running, unless the task has ended.
    #[inline]
    pub(crate) fn schedule_task(&self, task: TaskKey) {
        let tasks = self.tasks.borrow();
        let Some(entry) = find(&tasks, task) else {
            return;
        };
        if !entry.wake() {
            if entry.schedule.get() == Schedule::Main {
                drop(tasks);
                self.wake_main();
            }
            return;
        }
        if self.observers.is_on() {
            let origin = entry.origin(entry.kind);
            drop(tasks);
            self.enqueued(origin, None);
        }
        self.queues.push_task(task.index);
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
        self.waker_of_entry(task.index, find(&tasks, task)?)
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
        let tasks = self.tasks.borrow();
        tasks[index].origin(tasks[index].kind)
    }

    /// Returns the origin of a wake from outside of the running loop, unless the task has ended.
    pub(crate) fn origin_of_wake(&self, task: TaskKey) -> Option<Origin> {
        Some(find(&self.tasks.borrow(), task)?.origin(StepKind::RemoteWake))
    }
}

impl TaskLocations for LoopState {
    fn location_of(&self, task: TaskKey) -> Option<SourceLocation> {
        Some(find(&self.tasks.borrow(), task)?.location)
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

#[inline]
fn find(tasks: &Slab<LiveTask>, key: TaskKey) -> Option<&LiveTask> {
    let task = tasks.get(key.index)?;
    (task.number == key.promise).then_some(task)
}
