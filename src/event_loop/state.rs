//! The state of a loop, and the functions that queue work.
//!
//! The API (`schedule.rs`, `promise.rs`, `time.rs`, …) calls these functions, and the loop
//! (`event_loop.rs`, `checkpoint.rs`) empties the queues.
//!
//! Invariant: no `RefCell` of the state is borrowed while user code runs, including wakers and
//! destructors.
//! Invariant: a loop that is cancelling accepts no callback. Woken tasks are still queued, because
//! `shutdown.rs` runs them so that they drop their futures.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::eager::SpawnNesting;
use super::external::ExternalCallbacks;
use super::failure::Failures;
use super::release::{NodeRelease, RuleVariants};
use super::status::{LoopStatus, RunStatus};
use super::tasks::{NO_TASK, OwnWaker, Polled, TaskList};
use super::trampoline::Trampoline;
use crate::async_local::context::ContextCell;
use crate::blocking::pool::{JobId, Pool, Submission};
use crate::hooks::listener_list::ListenerList;
use crate::hooks::microtask_source::SourceSlot;
use crate::hooks::rejection::{Rejection, Rejections};
use crate::hooks::uncaught::{Uncaught, drop_quietly};
use crate::hooks::warning::Warning;
use crate::observe::active_resource::Awaited;
use crate::observe::registry::ObserverRegistry;
use crate::phases::check::{Check, ImmediateId};
use crate::phases::close::Close;
use crate::phases::macrotask::{
    Macrotask, Origin, ReusableCallback, SourceLocation, SpareCallback, StepKind, TaskKey, Work,
};
use crate::phases::pending::Pending;
use crate::phases::poll::PollPhase;
use crate::phases::queues::{QueuedCallback, Queues};
use crate::phases::timers::{TimerKey, Timers};
use crate::reactor::clock::{Clock, whole_ms};
use crate::reactor::main_waker::MainWaker;
use crate::reactor::remote_queue::RemoteQueue;
use crate::reactor::world::WorldHost;
use crate::signal::dispatch::Signals;

/// Everything that a loop consists of.
pub(crate) struct LoopState {
    // What reaches the loop from outside.
    pub(crate) clock: Clock,
    pub(crate) remote_queue: Arc<RemoteQueue>,
    pub(crate) pool: Pool,
    pub(crate) signals: Signals,

    // The phases, in the order of a turn, and the queues that are drained between macrotasks.
    pub(crate) pending: RefCell<Pending>,
    pub(crate) poll: PollPhase,
    pub(crate) check: RefCell<Check>,
    pub(crate) close: RefCell<Close>,
    pub(crate) timers: RefCell<Timers>,
    pub(crate) queues: Queues,
    pub(crate) rejections: Rejections,
    /// The box of the last callback of a timer, for the next one.
    pub(crate) spare_callback: SpareCallback,
    /// Called when another thread, or the host of an engine, sends the number of one.
    pub(crate) external: ExternalCallbacks,
    /// Called when nothing keeps the loop alive any more.
    pub(crate) idle: RefCell<Vec<Macrotask>>,

    // Tasks and promises.
    /// The tasks.
    pub(crate) tasks: RefCell<TaskList>,
    /// The task that is being polled.
    pub(super) polled: Polled,
    /// The waker that is lent to the next poll, and those for polls within polls.
    pub(super) spare_waker: Cell<Option<Box<OwnWaker>>>,
    #[expect(clippy::vec_box, reason = "the boxes move to tasks and back")]
    pub(super) spare_wakers: RefCell<Vec<Box<OwnWaker>>>,
    /// The waker of the main future, until that has finished.
    pub(super) main_waker: RefCell<Option<Arc<MainWaker>>>,
    /// Its key in the list, while it is there.
    pub(super) main_task: Cell<TaskKey>,
    /// The pending promises without a task that something awaits, for the reports.
    pub(crate) awaited: Awaited,
    pub(crate) spawn_nesting: SpawnNesting,
    pub(crate) trampoline: Trampoline,

    // The run.
    /// The release of Node whose order the loop has, and its rules.
    pub(crate) node: NodeRelease,
    pub(super) variants: RuleVariants,
    pub(super) run: RunStatus,
    pub(super) failures: Failures,
    /// The async context of the running code. Empty between two callbacks.
    pub(crate) context: ContextCell,
    /// How many macrotasks have been entered.
    pub(crate) macrotask_count: Cell<u64>,
    /// Whether [`CURRENT`](super::current::CURRENT) contains this loop as the running one.
    pub(super) is_current: Cell<bool>,
    pub(crate) hooks: Hooks,
    /// The observers, and the position of the loop.
    pub(crate) observers: ObserverRegistry,
}

/// The listeners of a program for errors, for warnings and for the end of the run, and what the host of an
/// engine has installed.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) uncaught: ListenerList<Uncaught>,
    pub(crate) unhandled_rejection: ListenerList<Rejection>,
    pub(crate) rejection_handled: ListenerList<Rejection>,
    pub(crate) before_exit: ListenerList<()>,
    pub(crate) exit: ListenerList<i32>,
    pub(crate) warning: ListenerList<Warning>,
    /// The job queue of an engine.
    pub(crate) microtask_source: SourceSlot,
}

impl Hooks {
    /// Removes all listeners, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        (
            self.uncaught.take_all(),
            self.unhandled_rejection.take_all(),
            self.rejection_handled.take_all(),
            self.before_exit.take_all(),
            self.exit.take_all(),
            self.warning.take_all(),
            self.microtask_source.take(),
        )
    }
}

impl LoopState {
    pub(crate) fn new(clock: Clock, poll: PollPhase, pool: Pool, node: NodeRelease) -> LoopState {
        LoopState {
            clock,
            signals: Signals::new(pool.remote_queue(), &poll),
            remote_queue: pool.remote_queue().clone(),
            pool,
            pending: RefCell::default(),
            poll,
            check: RefCell::default(),
            close: RefCell::default(),
            timers: RefCell::default(),
            queues: Queues::default(),
            rejections: Rejections::default(),
            spare_callback: SpareCallback::default(),
            external: ExternalCallbacks::default(),
            idle: RefCell::default(),
            tasks: RefCell::default(),
            polled: Polled::default(),
            spare_waker: Cell::default(),
            spare_wakers: RefCell::default(),
            main_waker: RefCell::default(),
            main_task: Cell::new(NO_TASK),
            awaited: Awaited::default(),
            spawn_nesting: SpawnNesting::default(),
            trampoline: Trampoline::default(),
            node,
            variants: node.variants(),
            run: RunStatus::default(),
            failures: Failures::default(),
            context: ContextCell::default(),
            macrotask_count: Cell::new(0),
            is_current: Cell::new(false),
            hooks: Hooks::default(),
            observers: ObserverRegistry::default(),
        }
    }

    /// Returns which host of which simulated world this loop is; `None` in the real one.
    pub(crate) fn world(&self) -> Option<&WorldHost> {
        self.poll.world.as_ref()
    }

    /// Returns an error with the text `refusal` on a host of a simulated world.
    pub(crate) fn refuse_in_world(&self, refusal: &'static str) -> io::Result<()> {
        match self.world() {
            None => Ok(()),
            Some(_) => Err(io::Error::new(io::ErrorKind::Unsupported, refusal)),
        }
    }

    /// Returns whether anything keeps the loop alive (R6). Ticks, microtasks and pending promises do
    /// not.
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        // The most likely reasons are checked first: immediates cost one test, and a server nearly
        // always waits for a source.
        self.check.borrow().has_refed() || self.is_alive_without_immediates()
    }

    fn is_alive_without_immediates(&self) -> bool {
        self.poll.has_refed()
            || self.timers.borrow().has_refed()
            || self.pool.has_outstanding()
            || self.signals.has_refed()
            || !self.pending.borrow().is_empty()
            || !self.close.borrow().is_empty()
            // Tokens are checked before messages: once a token is gone, the messages that its
            // thread has sent are in the queue. In the other order a message between the two checks
            // would be missed.
            || self.is_kept_alive_by_threads()
    }

    /// Returns whether this is the loop that is running on this thread.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.get()
    }

    #[inline]
    pub(crate) fn push_tick(&self, tick: QueuedCallback) {
        if self.is_on_fast_path() || self.may_queue(StepKind::Tick, tick.location) {
            self.queues.push_tick(tick);
        }
    }

    #[inline]
    pub(crate) fn push_microtask(&self, callback: QueuedCallback) {
        if self.is_on_fast_path() || self.may_queue(StepKind::Microtask, callback.location) {
            self.queues.push_microtask(callback);
        }
    }

    /// Queues the start of the main future, which is a microtask if it is the body of a module (R19).
    pub(crate) fn push_main_start(&self, location: SourceLocation) {
        if self.is_on_fast_path() || self.may_queue(StepKind::Microtask, location) {
            self.queues.push_main();
        }
    }

    /// Returns whether the loop accepts a job; if so, notifies the observers. Ticks are refused
    /// once the `exit` listeners have been called (R9).
    #[cold]
    fn may_queue(&self, kind: StepKind, location: SourceLocation) -> bool {
        let accepts = match kind {
            StepKind::Tick => self.status() == LoopStatus::Open,
            _ => self.is_open(),
        };
        if accepts {
            self.enqueued(Origin::new(kind, location), None);
        }
        accepts
    }

    /// Queues an immediate. `work` makes its work in its place; a loop that is cancelling drops it.
    #[inline(always)] // a part of two functions of the API
    pub(crate) fn push_immediate(
        &self,
        work: impl FnOnce() -> Work,
        location: SourceLocation,
    ) -> Option<ImmediateId> {
        let entry = self.accept_immediate(location)?;
        Some(self.check.borrow_mut().push(work, location, entry))
    }

    /// Queues an immediate that wakes a task, which is not known yet.
    #[inline]
    pub(crate) fn push_waking_immediate(&self, location: SourceLocation) -> Option<ImmediateId> {
        let entry = self.accept_immediate(location)?;
        Some(self.check.borrow_mut().push_wake(location, entry))
    }

    /// Returns the number of the entry of a new immediate, or `None` if the loop is cancelling.
    #[inline]
    fn accept_immediate(&self, location: SourceLocation) -> Option<u32> {
        match self.is_on_fast_path() {
            true => Some(0),
            false if self.is_open() => Some(self.notify_immediate(location)),
            false => None,
        }
    }

    /// Removes an immediate and drops it.
    pub(crate) fn clear_immediate(&self, id: ImmediateId) {
        let macrotask = self.check.borrow_mut().clear(id);
        if let Some(macrotask) = macrotask {
            self.cleared(macrotask.origin);
            self.drop_value(macrotask.work, macrotask.origin.location); // outside of the borrow
        }
    }

    /// Clears a timer and drops its callback.
    pub(crate) fn clear_timer(&self, key: TimerKey) {
        self.timer_cleared(key);
        let cleared = self.timers.borrow_mut().clear_reusable(key);
        match cleared {
            Some((callback, location)) => self.drop_callback(callback, location),
            None => self.clear_other_timer(key),
        }
    }

    /// Clears a timer whose work is something else than a callback in a box that is used again.
    #[inline(never)]
    fn clear_other_timer(&self, key: TimerKey) {
        let cleared = self.timers.borrow_mut().clear(key);
        if let Some((work, location)) = cleared {
            self.drop_value(work, location);
        }
    }

    /// Drops a callback, and keeps its box for the next one.
    #[inline(always)] // a part of `clear_timer`
    fn drop_callback(&self, mut callback: Box<dyn ReusableCallback>, location: SourceLocation) {
        self.drop_value(Cleared(&mut *callback), location);
        self.spare_callback.keep(callback);
    }

    /// Drops a handle of a timer, and the callback if nothing else needs the timer.
    #[inline]
    pub(crate) fn drop_timer_handle(&self, key: TimerKey) {
        let freed = self.timers.borrow_mut().drop_handle(key);
        if let Some((work, location)) = freed {
            self.drop_value(work, location);
        }
    }

    /// Submits a job to the pool.
    #[inline]
    pub(crate) fn submit_job(&self, job: Submission, location: SourceLocation) -> JobId {
        let mut origin = Origin::of(StepKind::JobDone, location, self.pool.next_id());
        origin.entry = self.enqueued(origin, None);
        if let Some(world) = self.world() {
            let duration = world.job_duration(location);
            let now = self.clock.now();
            return self.pool.submit_simulated(job, origin, now, duration);
        }
        match self.journal() {
            None => self.pool.submit(job, origin),
            Some(journal) => self.submit_journaled(journal, job, origin),
        }
    }

    /// Returns the time on a host of a simulated world, and zero elsewhere.
    fn world_now(&self) -> Duration {
        self.world().map_or(Duration::ZERO, |_| self.clock.now())
    }

    /// Cancels a job that no thread has started. Returns whether it was cancelled.
    pub(crate) fn cancel_job(&self, id: JobId) -> bool {
        self.refuse_if_observer();
        match self.journal() {
            None => match self.pool.cancel(id, self.world_now()) {
                Some((cancelled, origin)) => self.drop_cancelled(cancelled, origin),
                None => return false,
            },
            Some(journal) => return self.cancel_journaled(journal, id),
        }
        true
    }

    /// Drops a job that was cancelled.
    pub(super) fn drop_cancelled(&self, cancelled: impl Sized, origin: Option<Origin>) {
        match origin {
            Some(origin) => {
                self.drop_value(cancelled, origin.location);
                self.cleared(origin);
            }
            None => drop_quietly(cancelled),
        }
    }

    /// Arms a timer with one handle, a timeout or an interval as its origin says. A loop that is
    /// cancelling drops the work. `now` is a reading of the clock for this timer alone (R26).
    #[inline(always)] // so that the timer is not copied
    pub(crate) fn arm_timer(
        &self,
        timer: Macrotask,
        duration_ms: u64,
        now: Duration,
    ) -> Option<TimerKey> {
        let is_on_fast_path = self.is_on_fast_path();
        if !is_on_fast_path && !self.is_open() {
            return None;
        }
        let mut timers = self.timers.borrow_mut();
        let kind = (timer.origin.kind, timer.origin.location);
        let (key, work) = timers.arm(kind, duration_ms, whole_ms(now));
        std::mem::forget(std::mem::replace(work, timer.work)); // a new one is `Nothing`
        drop(timers);
        if !is_on_fast_path {
            self.timer_armed(key);
        }
        Some(key)
    }

    pub(crate) fn push_pending(&self, mut macrotask: Macrotask) {
        if self.is_open() {
            macrotask.origin.entry = self.enqueued(macrotask.origin, None);
            self.pending.borrow_mut().push(macrotask);
        }
    }

    pub(crate) fn push_close(&self, mut macrotask: Macrotask) {
        if self.is_open() {
            macrotask.origin.entry = self.enqueued(macrotask.origin, None);
            self.close.borrow_mut().push(macrotask);
        }
    }
}

/// Drops a callback when it is dropped, and leaves its box.
struct Cleared<'a>(&'a mut dyn ReusableCallback);

impl Drop for Cleared<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.clear();
    }
}
