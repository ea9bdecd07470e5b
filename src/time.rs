//! Time for `async` code, and functions for virtual time.
//!
//! A sleep is a timer like that of [`set_timeout`](crate::set_timeout) (R41). It counts whole
//! milliseconds, rounded *up*, and accepts any delay. The code after `sleep(…).await` runs in the
//! drain after its timer, before the next timer.
//!
//! Three functions are for a clock that is [virtual](crate::Builder::virtual_time):
//!
//! | function | effect |
//! |---|---|
//! | [`block_for`] | time passes and nothing runs, as during a busy callback |
//! | [`wait_for_jobs`] | jobs of the pool finish and no time passes |
//! | [`advance`] | time passes and everything that becomes due runs |

use std::fmt;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::future::FusedFuture;
use pin_project_lite::pin_project;

use crate::async_local::bind;
use crate::event_loop::current::{current, try_current};
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, StepKind, Work};
use crate::phases::timers::TimerKey;
use crate::promise::with_resolver;
use crate::reactor::clock::machine_now;
use crate::reactor::event_counter::EventCounter;

/// A point in time on the clock of the loop that runs on this thread.
///
/// Unlike `std::time::Instant` it follows virtual time. Instants of two loops can be compared if
/// both clocks are real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    since_base: Duration,
}

impl Instant {
    /// Returns the current time of the running loop's clock, or of the machine's outside of a loop.
    pub fn now() -> Instant {
        let since_base = try_current().map_or_else(machine_now, |state| state.clock.now());
        Instant { since_base }
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is later.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.since_base.saturating_sub(earlier.since_base)
    }

    /// Returns the time from this instant to now.
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// Returns this instant plus `duration`, or `None` if it cannot be represented.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        Some(Instant {
            since_base: self.since_base.checked_add(duration)?,
        })
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant {
            since_base: self.since_base.saturating_add(duration),
        }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant {
            since_base: self.since_base.saturating_sub(duration),
        }
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

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
    let state = current("time::sleep_until");
    let now = state.clock.now();
    Sleep::arm(state, now, deadline)
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
    fn after(state: Rc<LoopState>, duration: Duration) -> Sleep {
        let now = state.clock.now();
        let deadline = Instant { since_base: now } + duration;
        Sleep::arm(state, now, deadline)
    }

    #[track_caller]
    fn arm(state: Rc<LoopState>, now: Duration, deadline: Instant) -> Sleep {
        let duration_ms = ceil_ms(deadline.since_base.saturating_sub(now));
        let (work, location) = (Work::Wake(None), Location::caller());
        let key = state.arm_timer(work, duration_ms, false, location, now);
        Sleep {
            state,
            key,
            deadline,
            progress: Progress::Armed,
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
    #[track_caller]
    pub fn reset(&mut self, deadline: Instant) {
        let now = self.state.clock.now();
        *self = Sleep::arm(self.state.clone(), now, deadline);
    }

    /// Makes the sleep not keep the loop alive: Node's `{ ref: false }`; see
    /// [`TimeoutHandle::unref`](crate::TimeoutHandle::unref).
    pub fn unref(self) -> Sleep {
        if let Some(key) = self.key {
            self.state.timers.borrow_mut().set_refed(key, false);
        }
        self
    }
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
        let waiting = timers.pending_work(key);
        let replaced = match waiting {
            Work::Wake(Some(waker)) if waker.will_wake(cx.waker()) => None,
            _ => Some(std::mem::replace(
                waiting,
                Work::Wake(Some(cx.waker().clone())),
            )),
        };
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

/// Clears a timer and drops its handle.
pub(crate) fn release_timer(state: &LoopState, key: TimerKey) {
    state.timer_cleared(key);
    let work = state.timers.borrow_mut().clear(key);
    let freed = state.timers.borrow_mut().drop_handle(key);
    drop((work, freed)); // outside of the borrow
}

impl FusedFuture for Sleep {
    fn is_terminated(&self) -> bool {
        self.progress == Progress::Done
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            release_timer(&self.state, key);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Waits for `future`, for at most `duration`.
///
/// This call arms the timer. If the future and the timer are ready in the same poll, the output of
/// the future is returned.
///
/// # Errors
///
/// Resolves to [`Elapsed`] if `duration` has passed and the future is still pending.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    let state = current("time::timeout");
    Timeout {
        future,
        sleep: Sleep::after(state, duration),
    }
}

pin_project! {
    /// The future of [`timeout`].
    ///
    /// If it is polled again after it has resolved to [`Elapsed`], it polls its future again, and
    /// resolves to the output or to another [`Elapsed`]. After it has resolved to the output, it
    /// behaves as its future does.
    ///
    /// # Cancel safety
    ///
    /// It is cancel safe if its future is. Dropping it drops that future and clears the timer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}

/// The error of [`timeout`]: its duration passed before its future was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the duration passed before the future was ready")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Creates a stream with a tick every `period`, beginning after one period: Node's
/// `timersPromises.setInterval`.
///
/// The period is rounded up to whole milliseconds and counts from one tick to the next (R30). Ticks
/// that become due while the consumer awaits something else are kept, and are then returned one
/// after the other without waiting. Ticks that are missed because the thread is blocked are not
/// made up. The interval keeps the loop alive until it is dropped.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    let state = current("time::interval");
    let ticks = Rc::new(EventCounter::default());
    let fired = ticks.clone();
    let work = Work::Repeating(Box::new(move || fired.add()));
    let (location, now) = (Location::caller(), state.clock.now());
    let key = state.arm_timer(work, ceil_ms(period), true, location, now);
    Interval { state, key, ticks }
}

/// The stream of [`interval`].
///
/// Dropping it clears its timer.
#[must_use = "streams do nothing unless polled, and dropping this one clears its timer"]
pub struct Interval {
    state: Rc<LoopState>,
    key: Option<TimerKey>,
    ticks: Rc<EventCounter>,
}

impl Interval {
    /// Waits for the next tick.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: a tick is consumed only when it is returned.
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|cx| self.poll_tick(cx)).await
    }

    fn poll_tick(&self, cx: &Context<'_>) -> Poll<Instant> {
        self.ticks.poll(cx).map(|()| Instant {
            since_base: self.state.clock.now(),
        })
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            release_timer(&self.state, key);
        }
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval").finish_non_exhaustive()
    }
}

/// Blocks the loop for `duration`: time passes and nothing runs, as during a busy callback.
///
/// A virtual clock advances at once. With a real clock the thread sleeps.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn block_for(duration: Duration) {
    current("time::block_for").clock.block_for(duration);
}

/// Blocks the loop until every job of its pool has finished.
///
/// Meanwhile nothing is delivered, and a virtual clock does not advance. The next poll phase
/// delivers the completions.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn wait_for_jobs() {
    let state = current("time::wait_for_jobs");
    let end = state.pool.wait_for_jobs();
    state.poll.jobs_have_finished(end);
}

/// Advances virtual time by `duration`: waits until everything that becomes due has run.
///
/// After the `await`, the clock is `duration` later than at the call, or more if a callback blocked
/// for longer, and no timer that was due by then is pending. The future keeps the loop alive.
///
/// # Panics
///
/// Panics if called outside of an event loop, and if the clock is real.
#[track_caller]
pub fn advance(duration: Duration) -> impl Future<Output = ()> {
    let state = current("time::advance");
    assert!(
        state.clock.is_virtual(),
        "`time::advance` needs a virtual clock: build the loop with \
         `EventLoop::builder().virtual_time()`, or await `time::sleep` instead"
    );
    let target = state.clock.now().saturating_add(duration);
    state.poll.time.allow_until(target);
    let (promise, resolver) = with_resolver();
    // A timers phase runs between two poll phases: everything that is due at the target has run
    // when the second completion is delivered.
    simulate_completion(duration, move || {
        simulate_completion(Duration::ZERO, move || resolver.resolve(()));
    });
    promise
}

/// Calls `callback` as the completion of an operation that takes `duration`: as a macrotask of the
/// first poll phase after `duration` has passed (R61).
///
/// It is meant for virtual time, where it replaces a read or a request of a known duration. It
/// keeps the loop alive until `callback` is called.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn simulate_completion(duration: Duration, callback: impl FnOnce() + 'static) {
    let state = current("time::simulate_completion");
    if state.is_open() {
        let due = state.clock.now().saturating_add(duration);
        let mut origin = Origin::new(StepKind::Simulated, Location::caller());
        origin.entry = state.enqueued(origin, Some(due));
        let macrotask = Macrotask::callback(bind(&state, callback), origin);
        state.poll.simulated.add(due, macrotask);
    }
}

/// Rounds up to whole milliseconds, at least one, and so few that a deadline cannot overflow.
pub(crate) fn ceil_ms(duration: Duration) -> u64 {
    let ms = duration.as_nanos().div_ceil(1_000_000);
    u64::try_from(ms).unwrap_or(u64::MAX).clamp(1, u64::MAX / 4)
}
