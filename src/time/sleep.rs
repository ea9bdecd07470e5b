//! Sleeps: timers that wake a task (R41).

use std::cell::RefMut;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::FusedFuture;

use super::{Instant, ceil_ms};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};
use crate::phases::timers::{TimerKey, Timers};

/// Waits until `duration` has passed (R41): Node's `timersPromises.setTimeout`.
///
/// This call arms the timer, not the first poll. The duration is rounded up to whole milliseconds,
/// at least one. As in Node, it counts from the time of the loop, which is the time of the clock
/// rounded down to a millisecond, so the sleep may end early by less than a millisecond.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::after(current("time::sleep"), duration)
}

/// Waits until `deadline`, or for one millisecond if it has passed.
///
/// Otherwise it behaves like [`sleep`].
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::until(current("time::sleep_until"), deadline)
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It stays ready after it has ended: `&mut sleep` can be awaited again, for example in a loop with
/// `select!`. `futures::select!` skips it then, because it is also terminated (see [`FusedFuture`]).
///
/// If it is created while its loop ends, it is pending forever.
///
/// # Cancel safety
///
/// It is cancel safe. Dropping it clears its timer.
#[must_use = "futures do nothing unless polled, and dropping this one clears its timer"]
pub struct Sleep {
    state: Rc<LoopState>,
    /// `None` if the loop was ending.
    key: Option<TimerKey>,
    deadline: Instant,
    progress: Progress,
    is_refed: bool,
}

/// The progress of a future that waits for a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not polled yet.
    Armed,
    Waiting,
    /// The timer had fired before the first poll; the turn that this costs is queued (R45).
    TurnQueued,
    Done,
}

impl Sleep {
    #[track_caller]
    #[inline]
    pub(super) fn after(state: Rc<LoopState>, duration: Duration) -> Sleep {
        let duration_ms = ceil_ms(duration);
        let now = state.clock.now(); // R26
        let deadline = Instant { since_base: now } + duration;
        Sleep::start(state, (duration_ms, now), deadline, Location::caller())
    }

    #[track_caller]
    pub(super) fn until(state: Rc<LoopState>, deadline: Instant) -> Sleep {
        let now = state.clock.now();
        Sleep::arm(state, now, deadline, Location::caller())
    }

    #[inline]
    pub(super) fn arm(
        state: Rc<LoopState>,
        now: Duration,
        deadline: Instant,
        location: SourceLocation,
    ) -> Sleep {
        let duration_ms = ms_until(deadline, now);
        Sleep::start(state, (duration_ms, now), deadline, location)
    }

    #[inline]
    fn start(
        state: Rc<LoopState>,
        (duration_ms, now): (u64, Duration),
        deadline: Instant,
        location: SourceLocation,
    ) -> Sleep {
        let origin = Origin::new(StepKind::Timeout, location);
        let timer = Macrotask::new(Work::Wake(None), origin);
        let key = state.arm_timer(timer, duration_ms, now);
        Sleep {
            state,
            key,
            deadline,
            progress: Progress::Armed,
            is_refed: true,
        }
    }

    /// Returns the deadline.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns whether the timer has fired.
    pub fn is_elapsed(&self) -> bool {
        self.key
            .is_some_and(|key| !self.state.timers.borrow().is_pending(key))
    }

    /// Restarts the sleep with another deadline, whether or not it has elapsed.
    ///
    /// A task that waits for the sleep is woken at the new deadline. As in Node, where this is
    /// `clearTimeout` and `setTimeout`, the timer moves to the end of the list of its duration.
    ///
    /// # Examples
    ///
    /// A connection that is idle for a second ends, and each message starts the second again:
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures::{StreamExt, channel::mpsc, select};
    /// use nodeloop::{set_timeout, time::{Instant, sleep}};
    ///
    /// nodeloop::test::run(async |t| {
    ///     let second = Duration::from_secs(1);
    ///     let (sender, mut messages) = mpsc::unbounded();
    ///     set_timeout(second / 2, move || sender.unbounded_send("hello").unwrap());
    ///     let mut idle = sleep(second);
    ///     loop {
    ///         select! {
    ///             _ = messages.select_next_some() => idle.reset(Instant::now() + second),
    ///             () = idle => break,
    ///         }
    ///     }
    ///     assert_eq!(t.now(), second * 3 / 2);
    /// });
    /// ```
    #[track_caller]
    pub fn reset(&mut self, deadline: Instant) {
        self.rearm(deadline, Location::caller());
    }

    /// Does what [`reset`](Sleep::reset) does, on behalf of code at `location`.
    pub(super) fn rearm(&mut self, deadline: Instant, location: SourceLocation) {
        let wake = self.release();
        self.deadline = deadline;
        self.progress = match wake {
            Some(_) => Progress::Waiting,
            None => Progress::Armed,
        };
        let now = self.state.clock.now();
        let origin = Origin::new(StepKind::Timeout, location);
        let timer = Macrotask::new(wake.unwrap_or(Work::Wake(None)), origin);
        self.key = self.state.arm_timer(timer, ms_until(deadline, now), now);
        if !self.is_refed {
            self.set_refed(false); // a timer is armed ref'd
        }
    }

    /// Clears the timer, and returns the wake that it would have caused.
    pub(super) fn release(&mut self) -> Option<Work> {
        let key = self.key.take()?;
        release_timer(&self.state, key)
    }

    /// Makes the sleep not keep the loop alive: Node's `{ ref: false }`; see
    /// [`TimeoutHandle::unref`](crate::TimeoutHandle::unref).
    pub fn unref(mut self) -> Sleep {
        self.set_refed(false);
        self
    }

    pub(super) fn set_refed(&mut self, is_refed: bool) {
        self.is_refed = is_refed;
        if let Some(key) = self.key {
            self.state.timers.borrow_mut().set_refed(key, is_refed);
        }
    }
}

/// Returns the duration of a timer that is armed now for `deadline`.
fn ms_until(deadline: Instant, now: Duration) -> u64 {
    ceil_ms(deadline.since_base.saturating_sub(now))
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        match this.key {
            Some(key) => poll_timer(&this.state, key, &mut this.progress, cx),
            None => Poll::Pending,
        }
    }
}

/// Polls the timer at `key`, whose work is a wake, for a future that waits for it.
pub(crate) fn poll_timer(
    state: &LoopState,
    key: TimerKey,
    progress: &mut Progress,
    cx: &Context<'_>,
) -> Poll<()> {
    let mut timers = state.timers.borrow_mut();
    if timers.is_pending(key) {
        let task = state.polled_task(cx);
        let replaced = timers.pending_work(key).set_waking(task, cx);
        drop(timers);
        drop(replaced);
        *progress = Progress::Waiting;
        return Poll::Pending;
    }
    drop(timers);
    match *progress {
        Progress::Armed => {
            *progress = Progress::TurnQueued;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Progress::Waiting | Progress::TurnQueued | Progress::Done => {
            *progress = Progress::Done;
            Poll::Ready(())
        }
    }
}

/// Clears a timer and drops its handle. Returns its work, unless that was done or has nothing to do.
#[inline]
pub(crate) fn release_timer(state: &LoopState, key: TimerKey) -> Option<Work> {
    state.timer_cleared(key);
    release_in(state.timers.borrow_mut(), key)
}

fn release_in(mut timers: RefMut<'_, Timers>, key: TimerKey) -> Option<Work> {
    let work = timers.clear(key);
    let freed = timers.drop_handle(key);
    drop(timers);
    drop(freed); // outside of the borrow
    let (work, _) = work?;
    work.is_live().then_some(work)
}

/// Clears a timer, whose work is a wake, and drops its handle.
#[inline]
pub(crate) fn drop_timer(state: &LoopState, key: TimerKey) {
    state.timer_cleared(key);
    let mut timers = state.timers.borrow_mut();
    if timers.is_plain_wake(key) {
        let waker = timers.remove_wake(key);
        drop(timers);
        drop(waker);
    } else {
        drop(release_in(timers, key));
    }
}

impl FusedFuture for Sleep {
    fn is_terminated(&self) -> bool {
        self.progress == Progress::Done
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            drop_timer(&self.state, key);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("is_elapsed", &self.is_elapsed())
            .finish_non_exhaustive()
    }
}
