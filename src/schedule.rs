//! Functions that schedule callbacks: `next_tick`, `queue_microtask`, `set_timeout`,
//! `set_interval`, `set_immediate`.
//!
//! They add to the queues of the loop and never call a callback themselves.

pub(crate) mod yield_now;

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::async_local::{bind, bind_repeating};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::hooks::warning::Warning;
use crate::phases::check::ImmediateId;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, SpareCallback, StepKind, Work};
use crate::phases::queues::QueuedCallback;
use crate::phases::timers::TimerKey;
use crate::reactor::clock::whole_ms;

/// The longest delay of [`set_timeout`] and [`set_interval`]: 2³¹−1 ms, about 24.8 days (R20).
///
/// **A longer delay counts as one millisecond**, as in Node, and emits a `TimeoutOverflowWarning`
/// (see [`on_warning`](crate::on_warning)). [`time::sleep`](crate::time::sleep) has no such limit.
pub const MAX_DELAY: Duration = Duration::from_millis(0x7fff_ffff);

/// Queues `callback` to run after the current macrotask, before any microtask (R10): Node's
/// `process.nextTick`.
///
/// Ticks that queue ticks keep the loop from continuing (R11). The queue is unbounded.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[doc(alias = "nextTick")]
#[track_caller]
pub fn next_tick(callback: impl FnOnce() + 'static) {
    next_tick_at(Location::caller(), callback);
}

/// Queues a tick as [`next_tick`] does, for a caller that knows the location already.
#[track_caller]
pub(crate) fn next_tick_at(location: SourceLocation, callback: impl FnOnce() + 'static) {
    let state = current("next_tick");
    let callback = bind(&state, callback);
    state.push_tick(QueuedCallback { callback, location });
}

/// Queues `callback` as a microtask, which runs after all ticks and in one queue with promise jobs
/// (R10, R13).
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[doc(alias = "queueMicrotask")]
#[track_caller]
pub fn queue_microtask(callback: impl FnOnce() + 'static) {
    let state = current("queue_microtask");
    let callback = bind(&state, callback);
    state.push_microtask(QueuedCallback {
        callback,
        location: Location::caller(),
    });
}

/// Calls `callback` once, in the first timers phase after `delay` has passed (R20–R25).
///
/// **A delay above [`MAX_DELAY`], 24.8 days, counts as 1 ms**: the callback is called at once, not
/// never. This is Node's rule (R20). It emits a `TimeoutOverflowWarning`, which
/// [`on_warning`](crate::on_warning) receives, and which is printed to stderr if there is no listener.
/// For longer delays, use [`time::sleep`](crate::time::sleep).
///
/// The delay is rounded down to whole milliseconds, and one of less than 1 ms counts as 1 ms. Timers
/// of the same delay run in the order in which they were armed.
///
/// Dropping the handle does not clear the timer. Once the timer has fired,
/// [`TimeoutHandle::refresh`] does nothing, because the callback has been consumed;
/// [`set_timeout_mut`] keeps it.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[doc(alias = "setTimeout")]
#[track_caller]
pub fn set_timeout(delay: Duration, callback: impl FnOnce() + 'static) -> TimeoutHandle {
    TimeoutHandle::arm(
        "set_timeout",
        delay,
        |state| once(state, callback),
        StepKind::Timeout,
    )
}

/// Binds the callback of a timer that is called once to the current context.
#[inline(always)] // a part of `set_timeout`
fn once<F: FnOnce() + 'static>(state: &Rc<LoopState>, callback: F) -> Work {
    if const { SpareCallback::fits::<F>() } && !state.context.is_set() {
        return Work::Reusable(state.spare_callback.fill(callback));
    }
    Work::Once(Some(bind(state, callback)))
}

/// Calls `callback` once after `delay`, and again after each refresh of the timer.
///
/// It behaves like [`set_timeout`], but [`TimeoutHandle::refresh`] arms the timer again even if it
/// has fired (R35).
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn set_timeout_mut(delay: Duration, callback: impl FnMut() + 'static) -> TimeoutHandle {
    TimeoutHandle::arm(
        "set_timeout_mut",
        delay,
        |state| Work::Repeating(bind_repeating(state, callback)),
        StepKind::Timeout,
    )
}

/// Calls `callback` repeatedly, each time `period` after the start of the previous call (R30).
///
/// **A period above [`MAX_DELAY`], 24.8 days, counts as 1 ms**, with a warning, and other periods are
/// rounded as the delay of [`set_timeout`] is. Calls that were missed because the thread
/// was blocked are not made up. Dropping the handle does not clear the interval: it runs, and keeps
/// the loop alive, until it is [cleared](TimeoutHandle::clear).
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[doc(alias = "setInterval")]
#[track_caller]
pub fn set_interval(period: Duration, callback: impl FnMut() + 'static) -> TimeoutHandle {
    TimeoutHandle::arm(
        "set_interval",
        period,
        |state| Work::Repeating(bind_repeating(state, callback)),
        StepKind::Interval,
    )
}

/// Calls `callback` in the next check phase, which follows the poll phase (R37–R40).
///
/// An immediate that is queued during a check phase runs in the next one (R37). Dropping the handle
/// does not clear the immediate.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[doc(alias = "setImmediate")]
#[track_caller]
pub fn set_immediate(callback: impl FnOnce() + 'static) -> ImmediateHandle {
    let state = current("set_immediate");
    let callback = bind(&state, callback);
    let id = state.push_immediate(|| Work::Once(Some(callback)), Location::caller());
    ImmediateHandle { state, id }
}

/// A handle to the timer of [`set_timeout`], [`set_timeout_mut`] or [`set_interval`].
///
/// Clones are handles to the same timer. Dropping all of them does not clear it. A handle can be
/// used after the timer has fired, and does nothing after the loop has ended. It cannot be sent to
/// another thread.
pub struct TimeoutHandle {
    state: Rc<LoopState>,
    /// `None` if the loop was ending.
    key: Option<TimerKey>,
}

impl TimeoutHandle {
    #[track_caller]
    fn arm(
        verb: &str,
        delay: Duration,
        work: impl FnOnce(&Rc<LoopState>) -> Work,
        kind: StepKind,
    ) -> TimeoutHandle {
        let state = current(verb);
        let work = work(&state);
        let location = Location::caller();
        let delay_ms = clamp_ms(&state, delay, location);
        let now = state.clock.now(); // R26
        let timer = Macrotask::new(work, Origin::new(kind, location));
        let key = state.arm_timer(timer, delay_ms, now);
        TimeoutHandle { state, key }
    }

    /// Clears the timer, even if it is due already (R33).
    ///
    /// The callback is dropped at once.
    #[doc(alias = "clearTimeout")]
    #[doc(alias = "clearInterval")]
    pub fn clear(&self) {
        if let Some(key) = self.key {
            self.state.refuse_if_observer();
            self.state.clear_timer(key);
        }
    }

    /// Restarts the timer from now, after the other timers of its delay (R35).
    ///
    /// A timer that has fired is armed again if it still has its callback (an interval, or
    /// [`set_timeout_mut`]). A timer that was cleared stays cleared. As in Node, a timer that was
    /// cleared *after* it had fired is armed without a callback, and keeps the loop alive until it
    /// fires.
    pub fn refresh(&self) -> &TimeoutHandle {
        if let Some(key) = self.key
            && self.state.is_open()
        {
            let now_ms = self.state.clock.now_ms();
            self.state.refuse_if_observer();
            self.state.timers.borrow_mut().refresh(key, now_ms);
            self.state.timer_armed(key);
        }
        self
    }

    /// Restarts the timer as [`refresh`](TimeoutHandle::refresh) does, with another callback.
    ///
    /// It is for a timer of [`set_timeout`]: the loop drops its callback when the timer has fired, so that a
    /// callback may own the handle without a cycle, and this passes a new one to arm it again. A timer
    /// that is pending drops its present callback. For one that was cleared, `callback` is dropped.
    ///
    /// # Panics
    ///
    /// Panics if the timer is an interval, which keeps its callback.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use nodeloop::{EventLoop, set_timeout, test::Log, time};
    ///
    /// let log = Log::new();
    /// let script = log.clone();
    /// EventLoop::builder().virtual_time().build()?.run(async move {
    ///     let timer = set_timeout(Duration::from_millis(5), script.callback("first"));
    ///     time::sleep(Duration::from_millis(10)).await;
    ///     timer.refresh_with(script.callback("second")); // the first callback was dropped when it had run
    /// })?;
    /// log.assert_order(["first", "second"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn refresh_with(&self, callback: impl FnOnce() + 'static) -> &TimeoutHandle {
        if let Some(key) = self.key
            && self.state.is_open()
        {
            self.state.refuse_if_observer();
            let is_interval = self.state.timers.borrow().is_interval(key);
            assert!(
                !is_interval,
                "`refresh_with` was called for an interval, which keeps its callback: call `refresh`"
            );
            let work = Work::Once(Some(bind(&self.state, callback)));
            let (replaced, location) = {
                let mut timers = self.state.timers.borrow_mut();
                (timers.replace_work(key, work), timers.location(key))
            };
            self.refresh();
            self.state.drop_value(replaced, location);
        }
        self
    }

    /// Gives the timer a label, such as a place in a script, which [`why_alive`](crate::why_alive) and a
    /// [`Recording`](crate::recording::Recording) report in the place of the location in the host. Observers
    /// receive it with [`Event::Labeled`](crate::observe::Event::Labeled).
    ///
    /// It has no effect on a timer that has fired or was cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// # nodeloop::run(async {
    /// let timer = nodeloop::set_timeout(std::time::Duration::from_millis(1), || {});
    /// timer.set_label("app.js:3:5");
    /// let report = nodeloop::why_alive();
    /// assert_eq!(report.active_resources()[0].label(), Some("app.js:3:5"));
    /// assert!(report.to_string().ends_with("created at app.js:3:5"));
    /// # });
    /// ```
    pub fn set_label(&self, label: impl Into<Arc<str>>) -> &TimeoutHandle {
        if let Some(key) = self.key {
            self.state.refuse_if_observer();
            let label = label.into();
            let pending = {
                let mut timers = self.state.timers.borrow_mut();
                timers.set_label(key, label.clone());
                timers.pending(key)
            };
            if let Some((origin, _)) = pending {
                self.state.labeled(origin, &label);
            }
        }
        self
    }

    /// Sets the period with which the timer is armed again after a call: Node's `timeout._repeat`.
    ///
    /// A timeout becomes an interval, an interval gets another period, and with `None` it ends after its
    /// next call. A timer that is pending fires when it is due now; the period applies afterwards. Called
    /// by the timer's own callback, it applies when that returns: the period of an interval begins
    /// with the call (R30), that of a timeout with its end. Periods are rounded as the delay of
    /// [`set_timeout`] is. A timer that was cleared stays cleared.
    ///
    /// # Panics
    ///
    /// Panics if the timer is that of a [`set_timeout`], whose callback can be called only once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::OnceCell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use nodeloop::{EventLoop, TimeoutHandle, set_timeout_mut, test::Log};
    ///
    /// let log = Log::new();
    /// let script = log.clone();
    /// EventLoop::builder().virtual_time().build()?.run_script(move || {
    ///     let timer = Rc::new(OnceCell::<TimeoutHandle>::new());
    ///     let (own, mut calls) = (timer.clone(), 0);
    ///     let handle = set_timeout_mut(Duration::from_millis(10), move || {
    ///         calls += 1;
    ///         script.add(calls);
    ///         let period = (calls < 3).then_some(Duration::from_millis(5));
    ///         own.get().unwrap().set_repeat(period);
    ///     });
    ///     timer.set(handle).unwrap();
    /// })?;
    /// log.assert_order(["1", "2", "3"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn set_repeat(&self, period: Option<Duration>) -> &TimeoutHandle {
        if let Some(key) = self.key {
            self.state.refuse_if_observer();
            let location = Location::caller();
            let repeat_ms = period.map_or(0, |period| clamp_ms(&self.state, period, location));
            let is_possible = self.state.timers.borrow_mut().set_repeat(key, repeat_ms);
            assert!(
                is_possible,
                "`set_repeat` was called for a timer of `set_timeout`, whose callback can be called only \
                 once: create it with `set_timeout_mut`"
            );
        }
        self
    }

    /// Makes the timer keep the loop alive while it is pending (R36), which is the default: Node's
    /// `ref()`. (`ref` is a keyword in Rust.)
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &TimeoutHandle {
        self.set_refed(true)
    }

    /// Makes the timer not keep the loop alive (R36).
    ///
    /// It still bounds a wait of the poll phase that something else keeps alive (R5).
    pub fn unref(&self) -> &TimeoutHandle {
        self.set_refed(false)
    }

    /// Returns whether the timer keeps the loop alive while it is pending.
    pub fn has_ref(&self) -> bool {
        self.key
            .is_some_and(|key| self.state.timers.borrow().has_ref(key))
    }

    /// Returns whether the timer is armed and has not fired yet.
    pub fn is_pending(&self) -> bool {
        self.key
            .is_some_and(|key| self.state.timers.borrow().is_pending(key))
    }

    /// Clears the timer from a destructor, which an observer may run as well.
    pub(crate) fn release(&self) {
        if let Some(key) = self.key {
            self.state.clear_timer(key);
        }
    }

    /// Returns whether the callback may be called again, if this handle refreshes nothing.
    pub(crate) fn may_run(&self) -> bool {
        self.key
            .is_some_and(|key| self.state.timers.borrow().may_run(key))
    }

    fn set_refed(&self, refed: bool) -> &TimeoutHandle {
        if let Some(key) = self.key {
            self.state.refuse_if_observer();
            self.state.timers.borrow_mut().set_refed(key, refed);
        }
        self
    }
}

impl Clone for TimeoutHandle {
    fn clone(&self) -> TimeoutHandle {
        if let Some(key) = self.key {
            self.state.timers.borrow_mut().add_handle(key);
        }
        TimeoutHandle {
            state: self.state.clone(),
            key: self.key,
        }
    }
}

impl Drop for TimeoutHandle {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.state.drop_timer_handle(key);
        }
    }
}

impl fmt::Debug for TimeoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutHandle")
            .field("is_pending", &self.is_pending())
            .field("has_ref", &self.has_ref())
            .finish_non_exhaustive()
    }
}

/// A handle to the immediate of [`set_immediate`].
///
/// Clones are handles to the same immediate. Dropping all of them does not clear it. A handle
/// cannot be sent to another thread.
#[derive(Clone)]
pub struct ImmediateHandle {
    state: Rc<LoopState>,
    /// `None` if the loop was ending.
    id: Option<ImmediateId>,
}

impl ImmediateHandle {
    /// Clears the immediate, even if its check phase has begun (R38).
    ///
    /// The callback is dropped at once.
    #[doc(alias = "clearImmediate")]
    pub fn clear(&self) {
        if let Some(id) = self.id {
            self.state.refuse_if_observer();
            self.state.clear_immediate(id);
        }
    }

    /// Makes the immediate keep the loop alive, which is the default; see [`TimeoutHandle::ref_`].
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &ImmediateHandle {
        self.set_refed(true)
    }

    /// Makes the immediate not keep the loop alive, and not keep the poll phase from waiting.
    ///
    /// It runs in the next check phase, if there is one (R39).
    pub fn unref(&self) -> &ImmediateHandle {
        self.set_refed(false)
    }

    /// Gives the immediate a label; see [`TimeoutHandle::set_label`].
    pub fn set_label(&self, label: impl Into<Arc<str>>) -> &ImmediateHandle {
        if let Some(id) = self.id {
            self.state.refuse_if_observer();
            let label = label.into();
            let pending = self.state.check.borrow_mut().set_label(id, label.clone());
            if let Some(origin) = pending {
                self.state.labeled(origin, &label);
            }
        }
        self
    }

    /// Returns whether the immediate has neither run nor been cleared.
    pub fn is_pending(&self) -> bool {
        self.id
            .is_some_and(|id| self.state.check.borrow().is_pending(id))
    }

    /// Returns whether the immediate is pending and keeps the loop alive.
    pub fn has_ref(&self) -> bool {
        self.id
            .is_some_and(|id| self.state.check.borrow().has_ref(id))
    }

    fn set_refed(&self, refed: bool) -> &ImmediateHandle {
        if let Some(id) = self.id {
            self.state.refuse_if_observer();
            self.state.check.borrow_mut().set_refed(id, refed);
        }
        self
    }
}

impl fmt::Debug for ImmediateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImmediateHandle")
            .field("has_ref", &self.has_ref())
            .finish_non_exhaustive()
    }
}

/// Rounds a delay down to whole milliseconds, at least one. A delay above the maximum becomes one
/// millisecond, with a warning (R20).
fn clamp_ms(state: &Rc<LoopState>, delay: Duration, location: SourceLocation) -> u64 {
    if delay > MAX_DELAY {
        warn_of_overflow(state, delay, location);
        return 1;
    }
    whole_ms(delay).max(1)
}

/// Emits Node's `TimeoutOverflowWarning` (`lib/internal/timers.js`, `Timeout`).
#[cold]
fn warn_of_overflow(state: &Rc<LoopState>, delay: Duration, location: SourceLocation) {
    let (ms, rest_ns) = (delay.as_millis(), delay.as_nanos() % 1_000_000);
    let fraction = match rest_ns {
        0 => String::new(),
        _ => format!(".{rest_ns:06}").trim_end_matches('0').to_owned(),
    };
    let message = format!(
        "{ms}{fraction} does not fit into a 32-bit signed integer.\nTimeout duration was set to 1."
    );
    let warning = Warning::new(message).with_name("TimeoutOverflowWarning");
    let warning =
        warning.with_detail("The number is in milliseconds. For longer delays, use `time::sleep`.");
    state.emit_warning(warning.at(location));
}
