//! The entries from the loop into user code.
//!
//! Macrotasks, timers, ticks, microtasks, woken tasks and the listeners of hooks and signals are
//! called here. An eager spawn makes the first poll of its task in `promise/task.rs`, `shutdown.rs`
//! runs cancelled tasks, and abort listeners are called in `abort/listeners.rs`.
//! `tests/house/layers.rs` lists every file that runs a task, calls listeners or catches a panic,
//! with a reason for each.
//!
//! An entry never decides what runs next: it returns a [`Flow`], and the drain
//! (`checkpoint.rs`) or the phase (`event_loop.rs`) acts on it.
//!
//! Invariant: no `RefCell` of the loop is borrowed while user code runs.
//! Invariant: no panic of user code leaves this file.
//! Invariant: the async context is empty after each entry.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use crate::blocking::pool::{JobId, JobResult};
use crate::event_loop::failure::Verdict;
use crate::event_loop::main_future::MainFuture;
use crate::event_loop::runner::Runner;
use crate::event_loop::state::LoopState;
use crate::event_loop::status::{LoopStatus, Stop};
use crate::hooks::listener_list::ListenerList;
use crate::hooks::rejection::Rejection;
use crate::hooks::uncaught::{DestructorUnwind, ExitUnwind, Source, Uncaught, drop_quietly};
use crate::hooks::warning::Warning;
use crate::phases::macrotask::{
    Macrotask, Origin, SourceLocation, StepKind, TaskKey, Waiter, Work,
};
use crate::phases::queues::QueuedCallback;
use crate::phases::timers::TimerKey;

/// What a caller of user code must do next.
///
/// After `Continue` the caller proceeds: a macrotask is followed by its drain, a tick by the next
/// tick. After `Break` it stops: there is no drain after the macrotask (R55), the drain ends (R53),
/// or the timers pass starts over (R56, R58).
pub(crate) type Flow = ControlFlow<Interrupted>;

/// A callback panicked, which has been reported, or the run is being stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interrupted;

impl Runner<'_> {
    /// Calls a macrotask of the pending, poll or close phase, and drains after it (R12) unless it
    /// panicked (R55).
    pub(super) fn run_macrotask(&self, macrotask: Macrotask) {
        if self.call(macrotask).is_continue() {
            let _ = self.checkpoint();
        }
    }

    /// Wakes a task as a macrotask of the poll phase, as [`run_macrotask`](Runner::run_macrotask) does.
    #[inline]
    pub(super) fn run_wake(&self, origin: Origin, task: TaskKey) {
        if self
            .call_wake(task, || origin, self.queues.is_empty())
            .is_continue()
        {
            let _ = self.checkpoint();
        }
    }

    /// Passes the result of a job that has finished to its completion, as a macrotask of the poll phase.
    pub(super) fn complete_job(&self, id: JobId, result: JobResult) {
        match self.pool.take_done(id) {
            Some((job, origin)) => self.run_scope(origin, || job.complete(result)),
            None => drop_quietly(result), // its run has ended
        }
    }

    /// Calls a macrotask without a drain after it.
    #[inline(always)] // a part of the check phase
    pub(super) fn call(&self, macrotask: Macrotask) -> Flow {
        if let Work::WakeTask(task) = macrotask.work {
            let origin = macrotask.origin;
            std::mem::forget(macrotask); // a key owns nothing
            return self.call_wake(task, || origin, self.queues.is_empty());
        }
        self.call_work(macrotask)
    }

    /// Wakes a task as a macrotask, without the drain after it. If both queues are empty, which
    /// `is_drained` says, the task is polled at once, and all microtasks follow: the drain would begin with
    /// that. After `Break` the run is stopping, and there is no drain.
    #[inline(always)] // as above
    pub(super) fn call_wake(
        &self,
        task: TaskKey,
        origin: impl FnOnce() -> Origin,
        is_drained: bool,
    ) -> Flow {
        debug_assert!(!is_drained || self.queues.is_empty(), "R12");
        if !is_drained || self.observers.is_on() || !self.poll_woken(task) {
            return self.only_wake(task, origin());
        }
        self.macrotask_count.set(self.macrotask_count.get() + 1);
        self.continue_microtasks()
    }

    fn call_work(&self, macrotask: Macrotask) -> Flow {
        self.macrotask_count.set(self.macrotask_count.get() + 1);
        let Macrotask { mut work, origin } = macrotask;
        match work {
            // The most frequent cases, kept short.
            Work::Wake(Some(waker)) => self.invoke(origin, || waker.wake()),
            Work::Once(Some(callback)) => self.invoke(origin, callback),
            _ => self.invoke(origin, move || {
                self.perform(&mut work);
                drop(work); // its destructor may panic as well
            }),
        }
    }

    /// Runs code of the host that opens callback scopes, and is itself neither a step nor drained.
    pub(super) fn run_native(
        &self,
        native: Box<dyn FnOnce(&Runner<'_>)>,
        location: SourceLocation,
    ) {
        let _ = self.guarded(StepKind::Message, location, || native(self));
    }

    /// Calls a callback scope that is no nested one: a macrotask, with a drain unless it has failed (R55).
    #[inline]
    pub(crate) fn run_scope(&self, origin: Origin, callback: impl FnOnce()) {
        self.macrotask_count.set(self.macrotask_count.get() + 1);
        if self.invoke(origin, callback).is_continue() {
            let _ = self.checkpoint();
        }
    }

    /// Polls the main future, or starts it as the body of a module (R19).
    #[inline]
    pub(super) fn run_main(&self) {
        let Some(main) = self.main() else {
            return; // the entry of a run that has ended
        };
        let Some(waker) = main.waker() else {
            return self.start_module(main);
        };
        if self.observers.is_on() {
            let origin = waker.meta.origin(StepKind::Task);
            self.observed_step(origin, || main.poll(self));
        } else {
            self.observers.note(StepKind::Task, main.location());
            main.poll(self);
        }
        self.context.set(None);
    }

    /// Starts the main future as the body of a module (R19).
    #[cold]
    fn start_module(&self, main: &MainFuture<'_>) {
        let origin = Origin::new(StepKind::Microtask, main.location());
        let _ = self.invoke(origin, || main.start(self.shared())); // R54
    }

    /// Calls the `before_exit` listeners as one macrotask, with a drain after it (R2).
    pub(crate) fn emit_before_exit(&self) {
        let listeners = &self.hooks.before_exit;
        let origin = self.origin_of(StepKind::BeforeExit, listeners);
        let called = self.invoke(origin, || call_listeners(self, listeners, &()));
        if called.is_continue() {
            let _ = self.checkpoint();
        }
    }

    /// Calls the `exit` listeners at the end of a run (R9). Microtasks of the listeners run only if the
    /// loop has ended normally.
    pub(crate) fn emit_exit(&self, code: i32) {
        if self.call_exit_listeners(code).is_continue() {
            let _ = self.checkpoint();
        }
    }
}

impl LoopState {
    /// Calls a timer, and arms it again if it is an interval.
    pub(super) fn call_timer(&self, key: TimerKey, mut macrotask: Macrotask) -> Flow {
        let origin = macrotask.origin;
        if let Work::WakeTask(task) = macrotask.work {
            if self.timers.borrow().are_many() {
                self.load_ahead();
            }
            let called = self.only_wake(task, origin);
            macrotask.work = Work::Wake(None); // spent
            let leftover = self.finish_timer(key, macrotask, 0);
            debug_assert!(
                leftover.is_none(),
                "what has woken a task has nothing to drop"
            );
            return called;
        }
        self.macrotask_count.set(self.macrotask_count.get() + 1);
        let called_at_ms = match macrotask.work.is_repeating() {
            true => self.clock.now_ms(), // R30
            false => 0,
        };
        let called = self.step(origin, || {
            let result = catch_unwind(AssertUnwindSafe(|| self.perform(&mut macrotask.work)));
            if result.is_err() || self.is_interrupted() {
                return Err(self.fail_timer(key, macrotask, called_at_ms, result));
            }
            self.context.set(None);
            Ok(macrotask)
        });
        let (called, leftover) = match called {
            Ok(timer) => {
                let leftover = self.finish_timer(key, timer, called_at_ms);
                (ControlFlow::Continue(()), leftover)
            }
            Err(failed) => failed,
        };
        let dropped = match leftover {
            Some(work) => self.guarded(origin.kind, origin.location, || drop(work)),
            None => ControlFlow::Continue(()),
        };
        if called.is_break() { called } else { dropped }
    }

    /// Ends the call of a timer that has failed, and reports that. An interval is armed before the
    /// listener is called (R30).
    #[cold]
    fn fail_timer(
        &self,
        key: TimerKey,
        timer: Macrotask,
        called_at_ms: u64,
        result: thread::Result<()>,
    ) -> (Flow, Option<Work>) {
        let Origin { kind, location, .. } = timer.origin;
        let leftover = self.finish_timer(key, timer, called_at_ms);
        (self.end_call(kind, location, result), leftover)
    }

    /// Ends the call of a timer, and returns what the caller drops.
    #[inline(always)] // a part of `call_timer`
    fn finish_timer(&self, key: TimerKey, timer: Macrotask, called_at_ms: u64) -> Option<Work> {
        let mut timers = self.timers.borrow_mut();
        let leftover = timers.finished(key, timer, called_at_ms, || self.clock.now_ms());
        drop(timers);
        self.timer_armed(key);
        leftover
    }

    /// Polls a task that was woken. A panic of its future rejects its promise and does not unwind out
    /// of `run`.
    #[inline(always)] // a part of the drain
    pub(super) fn run_task(&self, index: usize) {
        if self.observers.is_on() {
            return self.run_observed_task(index);
        }
        if self.poll_task(index).is_ready() {
            self.context.set(None);
        }
    }

    #[cold]
    #[inline(never)]
    fn run_observed_task(&self, index: usize) {
        let origin = self.origin_of_task(index);
        let _ = self.observed_step(origin, || self.poll_task(index));
        self.context.set(None);
    }

    /// Calls a tick, or a callback of the microtask queue.
    #[inline(always)] // a part of both loops of the drain
    pub(super) fn run_callback(&self, kind: StepKind, queued: QueuedCallback) -> Flow {
        if self.observers.is_on() {
            return self.invoke(Origin::new(kind, queued.location), queued.callback);
        }
        self.observers.note(kind, queued.location); // like `invoke`, without creating an `Origin`
        self.guarded(kind, queued.location, queued.callback)
    }

    /// Runs the next job of the engine whose job queue the loop runs. Returns whether there was one.
    #[inline]
    pub(super) fn run_engine_job(&self) -> bool {
        self.hooks.microtask_source.is_set() && self.run_job_of_source()
    }

    #[inline(never)]
    fn run_job_of_source(&self) -> bool {
        let Some((source, location)) = self.hooks.microtask_source.get() else {
            return false;
        };
        let mut has_job = false;
        let asked = self.guarded(StepKind::Message, location, || has_job = source.has_job());
        if !has_job || asked.is_break() {
            return false;
        }
        let mut has_run = true; // also if the job panics (R54)
        let origin = Origin::new(StepKind::Microtask, location);
        let _ = self.invoke(origin, || has_run = source.run_job());
        has_run
    }

    /// Calls the `exit` listeners, once per run (R9). From here on ticks are refused.
    pub(crate) fn call_exit_listeners(&self, code: i32) -> Flow {
        if self.status() != LoopStatus::Open {
            // The listeners have been called, or everything is being cancelled.
            return ControlFlow::Break(Interrupted);
        }
        self.set_status(LoopStatus::Exiting);
        let listeners = &self.hooks.exit;
        let origin = self.origin_of(StepKind::Exit, listeners);
        self.invoke(origin, || {
            for (location, listener) in listeners.snapshot() {
                if !self.skips_exit_listeners() {
                    call_listener(self, location, &listener, &code);
                }
            }
            self.take_listener();
        })
    }

    /// Returns the origin of a step that calls all listeners of a hook: the first of them, or the run.
    fn origin_of<T: ?Sized>(&self, kind: StepKind, listeners: &ListenerList<T>) -> Origin {
        let first = listeners.first_location();
        Origin::new(kind, first.unwrap_or_else(|| self.run_location()))
    }

    /// Calls the listeners for rejections that were handled late, as a step of the drain.
    pub(super) fn call_handled_listeners(&self, rejection: &Rejection) -> Flow {
        let origin = Origin::new(StepKind::ErrorListener, rejection.location());
        let listeners = &self.hooks.rejection_handled;
        self.invoke(origin, || call_listeners(self, listeners, rejection))
    }

    /// Calls the listeners for unhandled rejections, as a step of the drain. Returns `false` if no
    /// listener takes the rejection.
    pub(super) fn offer_rejection(&self, rejection: &Rejection) -> (Flow, bool) {
        let origin = Origin::new(StepKind::ErrorListener, rejection.location());
        let (listeners, enclosing) = (&self.hooks.unhandled_rejection, self.verdict());
        let mut is_taken = true; // also if a listener panics
        let call = || is_taken = offer_to_listeners(self, listeners, rejection);
        let flow = self.invoke(origin, call);
        self.replace_verdict(enclosing);
        (flow, is_taken)
    }

    /// Calls the listeners for warnings, or prints the warning if there is none. The caller is the
    /// tick of the warning.
    pub(crate) fn deliver_warning(&self, warning: &Warning) {
        let listeners = &self.hooks.warning;
        if listeners.is_empty() {
            return warning.print();
        }
        call_listeners(self, listeners, warning);
    }

    /// Wakes a task as a macrotask. This enters no user code, except for observers.
    #[inline(never)] // as a part of the check phase, it would keep the origin of each wake
    fn only_wake(&self, task: TaskKey, origin: Origin) -> Flow {
        self.macrotask_count.set(self.macrotask_count.get() + 1);
        if self.observers.is_on() {
            return self.invoke(origin, || self.wake_task(task));
        }
        self.observers.note(origin.kind, origin.location);
        self.wake_task(task);
        ControlFlow::Continue(())
    }

    fn perform(&self, work: &mut Work) {
        match work {
            Work::Once(callback) => {
                if let Some(callback) = callback.take() {
                    callback();
                }
            }
            Work::Reusable(_) => {
                // It is spent before the call, which may panic.
                if let Work::Reusable(mut callback) = std::mem::replace(work, Work::Once(None)) {
                    callback.call();
                    self.spare_callback.keep(callback);
                }
            }
            Work::Repeating(callback) => callback(),
            Work::Wake(waker) => {
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
            }
            Work::WakeTask(task) => {
                let task = *task;
                *work = Work::Wake(None); // spent
                self.wake_task(task);
            }
            Work::WakeAll(waiters) => self.wake_each(std::mem::take(waiters)),
            Work::Labeled(labeled) => self.perform(&mut labeled.work),
            Work::Nothing => {}
        }
    }

    /// Wakes all of `waiters`, even if a waker panics: a task that is not woken would wait forever. Only
    /// wakers of other crates can panic. The first panic is resumed at the end.
    fn wake_each(&self, waiters: Box<[Waiter]>) {
        let wake = |waiter| catch_unwind(AssertUnwindSafe(|| self.wake_waiter(waiter))).err();
        let panics: Vec<_> = waiters.into_iter().filter_map(wake).collect();
        if let Some(first) = panics.into_iter().next() {
            resume_unwind(first);
        }
    }

    /// Wakes what has waited, unless it is a task that has ended.
    #[inline]
    pub(crate) fn wake_waiter(&self, waiter: Waiter) {
        match waiter {
            Waiter::Task(task) => self.wake_task(task),
            Waiter::Waker(waker) => waker.wake(),
        }
    }

    /// Calls `callback` as a separate step.
    #[inline]
    pub(crate) fn invoke(&self, origin: Origin, callback: impl FnOnce()) -> Flow {
        if self.observers.is_on() {
            return self.observed_step(origin, || {
                self.guarded(origin.kind, origin.location, callback)
            });
        }
        self.observers.note(origin.kind, origin.location); // like `step`, as a part of the caller
        self.guarded(origin.kind, origin.location, callback)
    }

    /// Records what runs now, and notifies the observers before and after it.
    #[inline]
    fn step<R>(&self, origin: Origin, callback: impl FnOnce() -> R) -> R {
        if self.observers.is_on() {
            return self.observed_step(origin, callback);
        }
        self.observers.note(origin.kind, origin.location);
        callback()
    }

    /// Calls `callback`, and reports its panic immediately (R51).
    #[inline(always)] // a part of the loops that call it
    fn guarded(&self, kind: StepKind, location: SourceLocation, callback: impl FnOnce()) -> Flow {
        let result = catch_unwind(AssertUnwindSafe(callback));
        self.end_call(kind, location, result)
    }

    #[inline]
    fn end_call(
        &self,
        kind: StepKind,
        location: SourceLocation,
        result: thread::Result<()>,
    ) -> Flow {
        if result.is_err() || self.is_interrupted() {
            self.report_failure(kind, location, result);
            self.context.set(None);
            return ControlFlow::Break(Interrupted);
        }
        self.context.set(None);
        ControlFlow::Continue(())
    }

    /// Reports why a callback has failed, unless the run is only stopping.
    #[cold]
    fn report_failure(&self, kind: StepKind, location: SourceLocation, result: thread::Result<()>) {
        self.report_thrown();
        if let Err(payload) = result {
            let (payload, source) = match payload.downcast::<DestructorUnwind>() {
                Ok(destructor) => (destructor.0, Source::Destructor),
                Err(payload) => (payload, Source::of_step(kind)),
            };
            let (location, source) = match self.take_listener() {
                Some(listener) => (listener, Source::Callback),
                None => (location, source),
            };
            self.report_or_stop(Uncaught::new(payload, location).of_source(source));
        }
    }

    /// Reports what the host of an engine has reported in the callback or task that has returned.
    #[cold]
    pub(super) fn report_thrown(&self) {
        for error in self.take_thrown() {
            self.report_or_stop(error);
        }
    }

    /// Reports an error, and ends the run with it if no listener takes it.
    pub(crate) fn report_or_stop(&self, error: Uncaught) {
        if let Some(error) = self.report_uncaught(error) {
            self.stop(Stop::Uncaught(error));
        }
    }

    /// Reports an error (R51): calls the listeners immediately, and queues an empty immediate that
    /// causes one more turn. Returns the error if no listener takes it. The run then ends, as Node's
    /// process does.
    pub(super) fn report_uncaught(&self, error: Uncaught) -> Option<Uncaught> {
        if error.payload().is::<ExitUnwind>() {
            return None; // `exit` has set the reason for the stop
        }
        self.notify_panicked();
        let listeners = &self.hooks.uncaught;
        if listeners.is_empty() {
            return Some(error);
        }
        let location = error.location();
        let origin = Origin::new(StepKind::ErrorListener, location);
        let (outer, enclosing) = (self.take_thrown(), self.verdict());
        let call = || offer_to_listeners(self, listeners, &error);
        let called = self.step(origin, || catch_unwind(AssertUnwindSafe(call)));
        self.replace_verdict(enclosing);
        let thrown = self.take_thrown();
        self.set_thrown(outer);
        let failure = match called {
            Err(payload) if payload.is::<ExitUnwind>() => return None,
            Err(payload) => {
                let location = self.take_listener().unwrap_or(location);
                Some(Uncaught::new(payload, location))
            }
            Ok(is_taken) => match thrown.into_iter().next() {
                None if !is_taken => return Some(error),
                failure => failure,
            },
        };
        match failure {
            None => drop(self.push_immediate(|| Work::Nothing, location)),
            Some(failure) => {
                self.set_status(LoopStatus::Exiting); // Node skips the `exit` listeners
                self.set_exit_code(7); // kExceptionInFatalExceptionHandler
                self.stop(Stop::Uncaught(failure.of_listener()));
            }
        }
        None
    }
}

/// Calls every listener in the order in which they were added. A listener that another one removes
/// meanwhile is still called; a listener that is already running is skipped.
pub(crate) fn call_listeners<T: ?Sized>(state: &LoopState, listeners: &ListenerList<T>, event: &T) {
    for (location, listener) in listeners.snapshot() {
        call_listener(state, location, &listener, event);
    }
    state.take_listener();
}

/// Does what [`call_listeners`] does, and returns whether one of them has taken the error. A listener
/// that fails ends the calls, and has taken it.
fn offer_to_listeners<T: ?Sized>(
    state: &LoopState,
    listeners: &ListenerList<T>,
    event: &T,
) -> bool {
    let mut is_taken = false;
    for (location, listener) in listeners.snapshot() {
        state.replace_verdict(Verdict::Taken);
        let has_run = call_listener(state, location, &listener, event);
        is_taken |= has_run && state.verdict() == Verdict::Taken;
        if state.has_failed() {
            is_taken = true;
            break;
        }
    }
    state.take_listener();
    is_taken
}

/// Calls a listener, unless it is running already. Returns whether it was called.
fn call_listener<T: ?Sized>(
    state: &LoopState,
    location: SourceLocation,
    listener: &RefCell<dyn FnMut(&T)>,
    event: &T,
) -> bool {
    let Ok(mut listener) = listener.try_borrow_mut() else {
        return false;
    };
    state.enter_listener(location);
    listener(event);
    true
}
