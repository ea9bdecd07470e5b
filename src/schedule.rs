//! Node's verbs: `next_tick`, `queue_microtask`, `set_timeout`, `set_interval`, `set_immediate`.
//!
//! They fill queues and never run anything; when what they queue runs is in `event_loop.rs`.

pub(crate) mod yield_now;

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use crate::async_local::{bind, bind_repeating};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::check::ImmediateId;
use crate::phases::macrotask::Work;
use crate::phases::queues::Job;
use crate::phases::timers::TimerKey;

/// The longest delay of [`set_timeout`] and [`set_interval`]: 2³¹−1 ms, about 24.8 days (R20).
pub const MAX_DELAY: Duration = Duration::from_millis(0x7fff_ffff);

/// Calls `callback` behind the running macrotask, before any microtask (R10): `process.nextTick`.
///
/// Ticks that queue ticks keep the loop from moving (R11). The queue is unbounded.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "nextTick")]
#[track_caller]
pub fn next_tick(callback: impl FnOnce() + 'static) {
    let state = current("next_tick");
    let callback = bind(&state, callback);
    state.push_tick(Job {
        callback,
        location: Location::caller(),
    });
}

/// Calls `callback` in a microtask: behind all ticks, in line with promise jobs (R10, R13).
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "queueMicrotask")]
#[track_caller]
pub fn queue_microtask(callback: impl FnOnce() + 'static) {
    let state = current("queue_microtask");
    let callback = bind(&state, callback);
    state.push_microtask(Job {
        callback,
        location: Location::caller(),
    });
}

/// Calls `callback` once, in the first timers phase that finds `delay` passed (R20–R25).
///
/// The delay counts in whole milliseconds, the rest is dropped; below one it is one, and above
/// [`MAX_DELAY`] it is one, too, with a warning on stderr, as in Node (R20). For long or exact
/// delays take [`time::sleep`](crate::time::sleep). Timers of one delay run in the order in which
/// they were armed.
///
/// Dropping the handle changes nothing. Once the timer has fired, [`TimeoutHandle::refresh`] does
/// nothing, because the callback is gone; [`set_timeout_mut`] keeps it.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "setTimeout")]
#[track_caller]
pub fn set_timeout(delay: Duration, callback: impl FnOnce() + 'static) -> TimeoutHandle {
    TimeoutHandle::arm(
        "set_timeout",
        delay,
        |state| Work::Once(Some(bind(state, callback))),
        false,
    )
}

/// Like [`set_timeout`], for a callback that can be called again: [`TimeoutHandle::refresh`] arms the
/// timer anew also when it has fired (R35).
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn set_timeout_mut(delay: Duration, callback: impl FnMut() + 'static) -> TimeoutHandle {
    TimeoutHandle::arm(
        "set_timeout_mut",
        delay,
        |state| Work::Repeating(bind_repeating(state, callback)),
        false,
    )
}

/// Calls `callback` again and again, `period` behind the beginning of the call before (R30).
///
/// The period is treated as the delay of [`set_timeout`]. Calls that were missed because
/// something blocked are not made up. Dropping the handle changes nothing; the interval runs, and
/// keeps the loop alive, until it is [cleared](TimeoutHandle::clear).
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "setInterval")]
#[track_caller]
pub fn set_interval(period: Duration, callback: impl FnMut() + 'static) -> TimeoutHandle {
    TimeoutHandle::arm(
        "set_interval",
        period,
        |state| Work::Repeating(bind_repeating(state, callback)),
        true,
    )
}

/// Calls `callback` in the coming check phase, behind the poll phase (R37–R40).
///
/// An immediate made while a check phase runs waits for the next one (R37). Dropping the handle
/// changes nothing.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "setImmediate")]
#[track_caller]
pub fn set_immediate(callback: impl FnOnce() + 'static) -> ImmediateHandle {
    let state = current("set_immediate");
    let work = Work::Once(Some(bind(&state, callback)));
    let id = state.push_immediate(work, Location::caller());
    ImmediateHandle { state, id }
}

/// The timer made by [`set_timeout`], [`set_timeout_mut`] or [`set_interval`].
///
/// It belongs to its loop's thread. Clones stand for the same timer; dropping them all changes
/// nothing. It stays usable when the timer has fired, and does nothing when the loop has ended.
pub struct TimeoutHandle {
    state: Rc<LoopState>,
    /// `None` if the loop took no timer any more.
    key: Option<TimerKey>,
}

impl TimeoutHandle {
    #[track_caller]
    fn arm(
        verb: &str,
        delay: Duration,
        work: impl FnOnce(&Rc<LoopState>) -> Work,
        is_interval: bool,
    ) -> TimeoutHandle {
        let state = current(verb);
        let work = work(&state);
        let (location, now) = (Location::caller(), state.clock.now());
        let key = state.arm_timer(work, clamp_ms(delay), is_interval, location, now);
        TimeoutHandle { state, key }
    }

    /// Takes the timer out; it does not run, also if it is due already (R33). The callback is
    /// dropped at once.
    #[doc(alias = "clearTimeout")]
    #[doc(alias = "clearInterval")]
    pub fn clear(&self) {
        if let Some(key) = self.key {
            self.state.refuse_if_observer();
            self.state.timer_cleared(key);
            let work = self.state.timers.borrow_mut().clear(key);
            drop(work); // outside of the borrow: a destructor may arm a timer
        }
    }

    /// Starts the timer again from now, behind the others of its delay (R35).
    ///
    /// One that has fired is armed again if its callback is still there (an interval, or
    /// [`set_timeout_mut`]); one that was cleared stays cleared. As in Node, a timer that was
    /// cleared *after* it had fired is armed without a callback: it keeps the loop alive until then.
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

    /// The timer keeps the loop alive (R36), as every timer does at first. Node's `ref()`; the
    /// underscore is there because `ref` is a keyword of Rust.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &TimeoutHandle {
        self.set_refed(true)
    }

    /// The timer does not keep the loop alive (R36). It still ends a wait that something else
    /// made (R5).
    pub fn unref(&self) -> &TimeoutHandle {
        self.set_refed(false)
    }

    /// Whether the timer keeps the loop alive while it is pending.
    pub fn has_ref(&self) -> bool {
        self.key
            .is_some_and(|key| self.state.timers.borrow().has_ref(key))
    }

    /// Whether the timer is armed and has not fired yet.
    pub fn is_pending(&self) -> bool {
        self.key
            .is_some_and(|key| self.state.timers.borrow().is_pending(key))
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
            let work = self.state.timers.borrow_mut().drop_handle(key);
            drop(work); // outside of the borrow
        }
    }
}

impl fmt::Debug for TimeoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("is_pending", &self.is_pending())
            .field("has_ref", &self.has_ref())
            .finish_non_exhaustive()
    }
}

/// The immediate made by [`set_immediate`].
///
/// It belongs to its loop's thread. Clones stand for the same immediate; dropping them changes
/// nothing.
#[derive(Clone)]
pub struct ImmediateHandle {
    state: Rc<LoopState>,
    /// `None` if the loop took no immediate any more.
    id: Option<ImmediateId>,
}

impl ImmediateHandle {
    /// Takes the immediate out; it does not run, also if its check phase runs already (R38). The
    /// callback is dropped at once.
    #[doc(alias = "clearImmediate")]
    pub fn clear(&self) {
        if let Some(id) = self.id {
            self.state.refuse_if_observer();
            self.state.clear_immediate(id);
        }
    }

    /// The immediate keeps the loop alive, as every one does at first. See [`TimeoutHandle::ref_`].
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &ImmediateHandle {
        self.set_refed(true)
    }

    /// The immediate neither keeps the loop alive nor forbids the poll phase to wait; it runs in
    /// whatever check phase comes next (R39).
    pub fn unref(&self) -> &ImmediateHandle {
        self.set_refed(false)
    }

    /// Whether the immediate has neither run nor been cleared.
    pub fn is_pending(&self) -> bool {
        self.id
            .is_some_and(|id| self.state.check.borrow().is_pending(id))
    }

    /// Whether the immediate is pending and keeps the loop alive.
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
        f.debug_struct("Immediate")
            .field("has_ref", &self.has_ref())
            .finish_non_exhaustive()
    }
}

/// R20: whole milliseconds, at least one; above the maximum it is one, with a warning.
fn clamp_ms(delay: Duration) -> u64 {
    if delay.as_millis() > MAX_DELAY.as_millis() {
        eprintln!(
            "nodeloop: TimeoutOverflowWarning: {} ms does not fit into a 32-bit signed integer; \
             the delay was set to 1 ms, as Node does. `time::sleep` takes any delay.",
            delay.as_millis()
        );
        return 1;
    }
    (delay.as_millis() as u64).max(1)
}
