//! The state of a loop, and which loop is running on this thread.
//!
//! The API files (`schedule.rs`, `promise.rs`, `time.rs`, …) fill the queues in here, the loop
//! (`event_loop.rs`, `checkpoint.rs`) empties them; both meet only in this file.
//!
//! Invariants: at most one loop runs on a thread; no `RefCell` of the state is borrowed while
//! anything of the user's runs, and that includes wakers and destructors.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use async_task::Runnable;
use slab::Slab;

use crate::async_local::context::ContextCell;
use crate::blocking::pool::{JobDone, JobId, JobWork, Pool};
use crate::hooks::rejection::Rejections;
use crate::hooks::uncaught::{Listeners, Rejection, Uncaught, drop_quietly};
use crate::observe::active_resource::{Awaited, PendingPromise};
use crate::observe::registry::ObserverRegistry;
use crate::observe::starvation::Starvation;
use crate::phases::check::{Check, ImmediateId};
use crate::phases::close::Close;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};
use crate::phases::pending::Pending;
use crate::phases::poll::PollPhase;
use crate::phases::poll::explorer::Explorer;
use crate::phases::poll::held_back::HeldBack;
use crate::phases::queues::{Job, Microtask, Queues};
use crate::phases::timers::{TimerKey, Timers};
use crate::reactor::clock::{Clock, whole_ms};
use crate::reactor::remote_queue::{RemoteQueue, TaskMeta};
use crate::signal::dispatch::Signals;

/// Everything that a loop consists of.
pub(crate) struct LoopState {
    pub(crate) clock: Clock,
    /// What decides where Node promises no order, in an exploration.
    pub(crate) explorer: Rc<Explorer>,
    pub(crate) remote_queue: Arc<RemoteQueue>,
    pub(crate) queues: Queues,
    pub(crate) timers: RefCell<Timers>,
    pub(crate) pending: RefCell<Pending>,
    pub(crate) poll: PollPhase,
    pub(crate) signals: Signals,
    pub(crate) check: RefCell<Check>,
    pub(crate) close: RefCell<Close>,
    pub(crate) pool: Pool,
    pub(crate) rejections: Rejections,
    pub(crate) hooks: Hooks,
    /// The values that follow the flow of what runs now; empty between two callbacks.
    pub(crate) context: ContextCell,
    /// The tasks that are pending, so that the end of the loop can cancel them.
    pub(crate) tasks: RefCell<Slab<LiveTask>>,
    /// The promises without a task that somebody waits for, for the reports.
    pub(crate) awaited: Awaited,
    /// How deep eager spawns are nested right now.
    pub(crate) spawn_depth: Cell<usize>,
    status: Cell<LoopStatus>,
    /// Whether the loop is open and nobody observes: then queueing is nothing but queueing.
    fast_path: Cell<bool>,
    /// What has arrived and was not handed out yet, in an exploration.
    pub(crate) held_back: RefCell<HeldBack>,
    /// Who waits for the loop to run dry.
    pub(crate) idle: RefCell<Vec<Macrotask>>,
    /// How many macrotasks have been entered.
    pub(crate) entered: Cell<u64>,
    /// Why the run is to end before the loop has run dry.
    pub(crate) stop: RefCell<Option<Stop>>,
    is_stopping: Cell<bool>,
    /// Whether this is the loop that runs on this thread, the one in [`CURRENT`].
    pub(super) is_current: Cell<bool>,
    /// What [`trampoline`](LoopState::do_in_a_row) still has to do, and whether it is at it.
    trampoline_queue: RefCell<VecDeque<Box<dyn FnOnce()>>>,
    is_trampolining: Cell<bool>,
    /// Who observes, and where the loop is.
    pub(crate) observers: ObserverRegistry,
}

/// Whether a loop takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopStatus {
    /// It runs, or can be run.
    Open,
    /// The `exit` listeners have been called: ticks are refused (R9).
    Exiting,
    /// It is cancelling everything: what is scheduled is dropped.
    Cancelling,
}

/// Why a run ends before the loop has run dry.
pub(crate) enum Stop {
    /// The program called `exit`.
    Exit(i32),
    /// Only a clock that is held by hand could wake anybody.
    ClockHeld,
    Uncaught(Uncaught),
    Unhandled {
        reason: String,
        location: SourceLocation,
    },
    Starvation(Starvation),
}

/// What the program wants to be told.
pub(crate) struct Hooks {
    pub(crate) uncaught: Listeners<Uncaught>,
    pub(crate) unhandled_rejection: Listeners<Rejection>,
    pub(crate) rejection_handled: Listeners<Rejection>,
    pub(crate) before_exit: Listeners<()>,
    pub(crate) exit: Listeners<i32>,
}

impl Hooks {
    /// Takes every listener out, to be dropped by the caller outside of any borrow.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        (
            self.uncaught.take_all(),
            self.unhandled_rejection.take_all(),
            self.rejection_handled.take_all(),
            self.before_exit.take_all(),
            self.exit.take_all(),
        )
    }
}

/// A task that is pending.
pub(crate) struct LiveTask {
    pub(crate) waker: Waker,
    /// What it settles.
    pub(crate) promise: Rc<dyn PendingPromise>,
}

impl LoopState {
    pub(crate) fn new(
        clock: Clock,
        explorer: Rc<Explorer>,
        poll: PollPhase,
        remote_queue: Arc<RemoteQueue>,
        blocking_threads: usize,
    ) -> LoopState {
        LoopState {
            clock,
            explorer,
            pool: Pool::new(remote_queue.clone(), blocking_threads),
            remote_queue,
            queues: Queues::default(),
            timers: RefCell::new(Timers::new()),
            pending: RefCell::default(),
            poll,
            signals: Signals::default(),
            check: RefCell::default(),
            close: RefCell::default(),
            rejections: Rejections::default(),
            hooks: Hooks {
                uncaught: Listeners::new(),
                unhandled_rejection: Listeners::new(),
                rejection_handled: Listeners::new(),
                before_exit: Listeners::new(),
                exit: Listeners::new(),
            },
            context: ContextCell::default(),
            tasks: RefCell::default(),
            awaited: Awaited::default(),
            spawn_depth: Cell::new(0),
            status: Cell::new(LoopStatus::Open),
            fast_path: Cell::new(true),
            held_back: RefCell::default(),
            idle: RefCell::default(),
            entered: Cell::new(0),
            stop: RefCell::new(None),
            is_stopping: Cell::new(false),
            is_current: Cell::new(false),
            trampoline_queue: RefCell::default(),
            is_trampolining: Cell::new(false),
            observers: ObserverRegistry::default(),
        }
    }

    /// Whether anything keeps the loop alive (R6). Ticks, microtasks and pending promises do not.
    pub(crate) fn is_alive(&self) -> bool {
        // What a server nearly always has stands first.
        self.poll.has_refed()
            || self.timers.borrow().has_refed()
            || self.check.borrow().has_refed()
            || self.pool.has_outstanding()
            || self.signals.has_refed()
            || !self.pending.borrow().is_empty()
            || !self.close.borrow().is_empty()
            // The tokens first: what their threads sent before they let go is here by then. Asked
            // the other way round, a message that comes in between would be overlooked.
            || self.remote_queue.has_tokens()
            || !self.remote_queue.is_empty()
            || (self.explorer.is_on() && self.held_back.borrow().is_holding())
    }

    pub(crate) fn status(&self) -> LoopStatus {
        self.status.get()
    }

    pub(crate) fn set_status(&self, status: LoopStatus) {
        self.status.set(status);
        self.update_fast_path();
    }

    /// To be called whenever one of the two has changed.
    pub(crate) fn update_fast_path(&self) {
        let fast_path = self.status() == LoopStatus::Open && !self.observers.is_on();
        self.fast_path.set(fast_path);
    }

    /// Whether new work is taken. While the loop cancels everything it is dropped instead.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.status() != LoopStatus::Cancelling
    }

    /// Whether this is the loop that runs on this thread.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.get()
    }

    /// Ends the run at the next point between two callbacks. The first reason counts.
    pub(crate) fn stop(&self, stop: Stop) {
        self.is_stopping.set(true);
        self.stop.borrow_mut().get_or_insert(stop);
    }

    /// Ends the run at the next point between two callbacks, without an error: the future of a
    /// `block_on` has finished.
    pub(crate) fn stop_at_target(&self) {
        self.is_stopping.set(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    pub(crate) fn take_stop(&self) -> Option<Stop> {
        self.is_stopping.set(false);
        self.stop.borrow_mut().take()
    }

    pub(crate) fn push_tick(&self, tick: Job) {
        if self.fast_path.get() || self.may_queue(StepKind::Tick, tick.location) {
            self.queues.push_tick(tick);
        }
    }

    pub(crate) fn push_microtask(&self, callback: Job) {
        if self.fast_path.get() || self.may_queue(StepKind::Microtask, callback.location) {
            self.queues.push_microtask(Microtask::Callback(callback));
        }
    }

    /// Whether the loop takes it; if so, the observers are told. Ticks are refused earlier (R9).
    #[cold]
    fn may_queue(&self, kind: StepKind, location: SourceLocation) -> bool {
        let takes = match kind {
            StepKind::Tick => self.status() == LoopStatus::Open,
            _ => self.is_open(),
        };
        if takes {
            self.enqueued(Origin::new(kind, location), None);
        }
        takes
    }

    /// Puts a task at the end of the microtask queue.
    #[inline]
    pub(crate) fn push_task(&self, runnable: Runnable<TaskMeta>) {
        if self.observers.is_on() {
            self.enqueued(runnable.metadata().origin(StepKind::Task), None);
        }
        self.queues.push_microtask(Microtask::Task(runnable));
    }

    /// Queues an immediate. A loop that takes none drops the work.
    pub(crate) fn push_immediate(
        &self,
        work: Work,
        location: SourceLocation,
    ) -> Option<ImmediateId> {
        let mut entry = 0;
        if !self.fast_path.get() {
            if !self.is_open() {
                return None;
            }
            entry = self.notify_immediate(location);
        }
        Some(self.check.borrow_mut().push(work, location, entry))
    }

    /// Takes an immediate out and drops it.
    pub(crate) fn clear_immediate(&self, id: ImmediateId) {
        let macrotask = self.check.borrow_mut().clear(id);
        if let Some(macrotask) = macrotask {
            self.cleared(macrotask.origin); // it drops outside of the borrow
        }
    }

    /// Gives a job to the pool.
    pub(crate) fn submit_job(
        &self,
        work: JobWork,
        done: JobDone,
        location: SourceLocation,
    ) -> JobId {
        let mut origin = Origin::of(StepKind::JobDone, location, self.pool.next_id());
        origin.entry = self.enqueued(origin, None);
        self.pool.submit(work, done, origin)
    }

    /// Takes a job that no thread has started out of the queue; whether that was so.
    pub(crate) fn cancel_job(&self, id: JobId) -> bool {
        self.refuse_if_observer();
        let Some((cancelled, origin)) = self.pool.cancel(id) else {
            return false;
        };
        drop_quietly(cancelled);
        if let Some(origin) = origin {
            self.cleared(origin);
        }
        true
    }

    /// Does `step` now, or behind the running step if it comes from inside of one: what settles
    /// or drops the next of a chain of promises would else take the stack once for each.
    pub(crate) fn trampoline(&self, step: Box<dyn FnOnce()>) {
        self.trampoline_queue.borrow_mut().push_back(step);
        if self.is_trampolining.replace(true) {
            return;
        }
        let next = || self.trampoline_queue.borrow_mut().pop_front();
        while let Some(step) = next() {
            let _ = catch_unwind(AssertUnwindSafe(step)); // the steps catch what is the user's
        }
        self.is_trampolining.set(false);
    }

    /// Arms a timer with one handle, or gives the work back if the loop takes none. `now` is the
    /// clock as it was read for this timer (R26).
    pub(crate) fn arm_timer(
        &self,
        work: Work,
        duration_ms: u64,
        is_interval: bool,
        location: SourceLocation,
        now: Duration,
    ) -> Option<TimerKey> {
        if !self.is_open() {
            return None;
        }
        let now_ms = whole_ms(now);
        let key = self
            .timers
            .borrow_mut()
            .arm(work, duration_ms, is_interval, location, now_ms);
        self.timer_armed(key);
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
