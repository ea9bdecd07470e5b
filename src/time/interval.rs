//! Intervals: streams of ticks.
//!
//! By default an interval is a repeating timer (R30), which counts its ticks until they are
//! consumed. With the behaviours of tokio it is a sleep, which the consumer of a tick arms for the
//! next one.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use futures::future::FusedFuture;
use futures::stream::FusedStream;

use super::sleep::release_timer;
use super::{Instant, Sleep, ceil_ms};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};
use crate::phases::timers::TimerKey;
use crate::reactor::clock::whole_ms;
use crate::reactor::event_counter::EventCounter;

/// A tick that is returned later than this after it was due has been missed, as in tokio.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Creates a stream with a tick every `period`, beginning after one period: Node's
/// `timersPromises.setInterval`.
///
/// The period is rounded up to whole milliseconds, at least one. What happens if ticks are missed
/// is the interval's [`MissedTickBehavior`]. The interval keeps the loop alive until it is dropped
/// or [`unref`](Interval::unref)'d.
///
/// Unlike tokio's, the first tick is not at once: use
/// [`interval_at(Instant::now(), period)`](interval_at).
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::time::interval;
///
/// nodeloop::test::run(async |t| {
///     let mut ticks = interval(Duration::from_millis(10));
///     ticks.tick().await;
///     ticks.tick().await;
///     assert_eq!(t.now(), Duration::from_millis(20));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    let state = current("time::interval");
    let now = state.clock.now(); // R26
    let start = Instant { since_base: now } + rounded(period);
    let interval = Interval::new(state, start, period, Location::caller());
    interval.armed(now)
}

/// Creates a stream with a tick at `start`, and then one every `period`.
///
/// If `start` has passed, the first tick is one millisecond from now, or at once with a behaviour of
/// tokio. Otherwise it behaves like [`interval`].
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::time::{Instant, interval_at};
///
/// nodeloop::test::run(async |t| {
///     let ms = Duration::from_millis;
///     let mut ticks = interval_at(Instant::now() + ms(3), ms(10));
///     ticks.tick().await;
///     ticks.tick().await;
///     assert_eq!(t.now(), ms(13));
/// });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    let state = current("time::interval_at");
    let now = state.clock.now();
    let interval = Interval::new(state, start, period, Location::caller());
    interval.armed(now)
}

/// What an [`Interval`] does if its consumer is late, or the loop was blocked.
///
/// The times of the ticks of an interval of 10 ms; the loop is blocked from 15 ms to 45 ms, and the
/// consumer takes each tick at once otherwise:
///
/// | behaviour | ticks at |
/// |---|---|
/// | [`Drift`](MissedTickBehavior::Drift) | 10, 45, 55, 65 |
/// | [`Burst`](MissedTickBehavior::Burst) | 10, 45, 45, 45, 50, 60 |
/// | [`Delay`](MissedTickBehavior::Delay) | 10, 45, 55, 65 |
/// | [`Skip`](MissedTickBehavior::Skip) | 10, 45, 50, 60 |
///
/// The difference between `Drift` and `Delay` is a consumer that is late while the loop runs: `Drift`
/// counts the ticks that it misses and returns them, and `Delay` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MissedTickBehavior {
    /// The default, which is Node's: each tick is one period after the timer of the previous tick
    /// was called, so delays of the loop add up (R30).
    ///
    /// Ticks that become due while the consumer awaits something else are kept, and are returned
    /// one after the other without waiting. Ticks that are missed because the loop is blocked are
    /// not made up.
    #[default]
    Drift,
    /// As in tokio, where it is the default: ticks are due at multiples of the period, and missed
    /// ticks are returned one after the other without waiting.
    Burst,
    /// As in tokio: after a missed tick, the next one is due one period after the tick was
    /// returned.
    Delay,
    /// As in tokio: ticks are due at multiples of the period, and missed ticks are skipped, except
    /// for one.
    Skip,
}

impl MissedTickBehavior {
    /// Returns when the tick after the one that was due at `due` and is returned now is due.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        let late = now - due;
        if late <= TOLERANCE {
            return due + period;
        }
        match self {
            MissedTickBehavior::Drift | MissedTickBehavior::Burst => due + period,
            MissedTickBehavior::Delay => now + period,
            MissedTickBehavior::Skip => {
                let since_last = late.as_nanos() % period.as_nanos();
                // The remainder is less than the period, whose nanoseconds may need a `u128`.
                let since_last = Duration::new(
                    (since_last / 1_000_000_000) as u64,
                    (since_last % 1_000_000_000) as u32,
                );
                now + (period - since_last)
            }
        }
    }
}

/// The stream of [`interval`] and [`interval_at`].
///
/// Dropping it clears its timer.
pub struct Interval {
    state: Rc<LoopState>,
    period: Duration,
    behavior: MissedTickBehavior,
    /// When the first tick after the creation or the last reset is due.
    start: Instant,
    schedule: Schedule,
    is_refed: bool,
    location: SourceLocation,
}

enum Schedule {
    /// [`MissedTickBehavior::Drift`].
    Timer(Rc<DriftTimer>),
    /// The other behaviours: a sleep until the next tick.
    Sleep(Sleep),
}

/// The timer of an interval that drifts.
struct DriftTimer {
    period: Duration,
    location: SourceLocation,
    /// A timer for the first tick if that is not after one period, and then a repeating one.
    key: Cell<Option<TimerKey>>,
    is_repeating: Cell<bool>,
    is_unrefed: Cell<bool>,
    ticks: EventCounter,
}

impl Interval {
    fn new(
        state: Rc<LoopState>,
        start: Instant,
        period: Duration,
        location: SourceLocation,
    ) -> Interval {
        let period = rounded(period);
        Interval {
            state,
            period,
            behavior: MissedTickBehavior::Drift,
            start,
            schedule: Schedule::Timer(DriftTimer::new(period, location)),
            is_refed: true,
            location,
        }
    }

    fn armed(mut self, now: Duration) -> Interval {
        self.arm(now, self.start);
        self
    }

    /// Waits for the next tick. Returns the time of the loop, or, with a behaviour of tokio, when the
    /// tick was due.
    ///
    /// # Cancel safety
    ///
    /// It is cancel safe: a tick is consumed only when it is returned.
    pub fn tick(&mut self) -> Tick<'_> {
        Tick {
            interval: self,
            is_done: false,
        }
    }

    /// Polls for the next tick, as [`tick`](Interval::tick) does.
    ///
    /// Only the task of the last call is woken.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let now = Instant {
            since_base: self.state.clock.now(),
        };
        let sleep = match &mut self.schedule {
            Schedule::Timer(timer) => return timer.ticks.poll(cx).map(|()| now),
            Schedule::Sleep(sleep) => sleep,
        };
        let due = sleep.deadline();
        if due > now {
            ready!(Pin::new(&mut *sleep).poll(cx));
        }
        sleep.rearm(self.behavior.next(due, now, self.period), self.location);
        Poll::Ready(due)
    }

    /// Returns the period, in whole milliseconds.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns what happens to missed ticks.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.behavior
    }

    /// Sets what happens to missed ticks.
    ///
    /// The next tick stays due when it is. A change from or to [`MissedTickBehavior::Drift`] drops
    /// ticks that were kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use nodeloop::time::{MissedTickBehavior, block_for, interval};
    ///
    /// nodeloop::test::run(async |t| {
    ///     let ms = Duration::from_millis;
    ///     let mut ticks = interval(ms(10));
    ///     ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ///     block_for(ms(45));
    ///     let mut times = Vec::new();
    ///     for _ in 0..3 {
    ///         ticks.tick().await;
    ///         times.push(t.now().as_millis());
    ///     }
    ///     assert_eq!(times, [45, 50, 60]);
    /// });
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        let due = self.next_due();
        let is_sleep = |behavior| behavior != MissedTickBehavior::Drift;
        let before = std::mem::replace(&mut self.behavior, behavior);
        if is_sleep(before) != is_sleep(behavior) {
            self.arm(self.state.clock.now(), due);
        }
    }

    /// Restarts the interval: the next tick is one period from now.
    ///
    /// Ticks that were kept are dropped. With [`MissedTickBehavior::Drift`] it is Node's
    /// [`refresh`](crate::TimeoutHandle::refresh) of an interval (R35).
    pub fn reset(&mut self) {
        let now = self.state.clock.now();
        self.start = Instant { since_base: now } + self.period;
        if let Schedule::Timer(timer) = &self.schedule
            && timer.is_repeating.get()
            && let Some(key) = timer.key.get()
            && self.state.is_open()
        {
            timer.ticks.clear();
            self.state.refuse_if_observer();
            self.state.timers.borrow_mut().refresh(key, whole_ms(now));
            return self.state.timer_armed(key);
        }
        self.arm(now, self.start);
    }

    /// Restarts the interval: the next tick is due now, see [`interval_at`].
    pub fn reset_immediately(&mut self) {
        self.reset_after(Duration::ZERO);
    }

    /// Restarts the interval: the next tick is `delay` from now.
    pub fn reset_after(&mut self, delay: Duration) {
        let now = self.state.clock.now();
        self.start = Instant { since_base: now } + delay;
        self.arm(now, self.start);
    }

    /// Restarts the interval: the next tick is at `start`, see [`interval_at`].
    pub fn reset_at(&mut self, start: Instant) {
        self.start = start;
        self.arm(self.state.clock.now(), start);
    }

    /// Makes the interval not keep the loop alive: Node's `{ ref: false }`; see
    /// [`TimeoutHandle::unref`](crate::TimeoutHandle::unref).
    pub fn unref(mut self) -> Interval {
        self.is_refed = false;
        match &mut self.schedule {
            Schedule::Timer(timer) => timer.unref(&self.state),
            Schedule::Sleep(sleep) => sleep.set_refed(false),
        }
        self
    }

    /// Arms the timer for the behaviour, so that the next tick is at `due`. A task that waits is
    /// woken, or waits for the new timer.
    fn arm(&mut self, now: Duration, due: Instant) {
        let is_drift = self.behavior == MissedTickBehavior::Drift;
        let next = match &mut self.schedule {
            Schedule::Sleep(sleep) if !is_drift => return sleep.rearm(due, self.location),
            _ if is_drift => {
                let timer = DriftTimer::new(self.period, self.location);
                timer.arm(&self.state, now, due.since_base.saturating_sub(now));
                if !self.is_refed {
                    timer.unref(&self.state);
                }
                Schedule::Timer(timer)
            }
            _ => {
                let mut sleep = Sleep::arm(self.state.clone(), now, due, self.location);
                sleep.set_refed(self.is_refed);
                Schedule::Sleep(sleep)
            }
        };
        match std::mem::replace(&mut self.schedule, next) {
            Schedule::Timer(timer) => {
                timer.release(&self.state);
                timer.ticks.wake();
            }
            Schedule::Sleep(mut sleep) => match sleep.release() {
                Some(Work::WakeTask(task)) => self.state.wake_task(task),
                Some(Work::Wake(Some(waker))) => waker.wake(),
                _ => {}
            },
        }
    }

    /// Returns when the next tick is due.
    fn next_due(&self) -> Instant {
        let timer = match &self.schedule {
            Schedule::Timer(timer) => timer,
            Schedule::Sleep(sleep) => return sleep.deadline(),
        };
        if !timer.is_repeating.get() {
            return self.start; // the timer of the first tick has not been called
        }
        let timers = self.state.timers.borrow();
        let pending = timer.key.get().and_then(|key| timers.pending(key));
        match pending {
            // The timer of the first tick counts from the whole millisecond before its creation.
            Some((_, due_ms)) => self.start.max(Instant {
                since_base: Duration::from_millis(due_ms),
            }),
            None => self.start,
        }
    }
}

impl DriftTimer {
    fn new(period: Duration, location: SourceLocation) -> Rc<DriftTimer> {
        Rc::new(DriftTimer {
            period,
            location,
            key: Cell::default(),
            is_repeating: Cell::default(),
            is_unrefed: Cell::default(),
            ticks: EventCounter::default(),
        })
    }

    /// Arms the timer of the first tick, which is after `delay`.
    fn arm(self: &Rc<Self>, state: &Rc<LoopState>, now: Duration, delay: Duration) {
        if ceil_ms(delay) == ceil_ms(self.period) {
            return self.arm_repeating(state, now);
        }
        let (first, owner) = (self.clone(), state.clone());
        let work = Work::Once(Some(Box::new(move || {
            first.ticks.add();
            let before = first.key.take();
            first.arm_repeating(&owner, owner.clock.now());
            if let Some(key) = before {
                let freed = owner.timers.borrow_mut().drop_handle(key);
                drop(freed); // outside of the borrow
            }
        })));
        let timer = Macrotask::new(work, Origin::new(StepKind::Timeout, self.location));
        self.key.set(state.arm_timer(timer, ceil_ms(delay), now));
    }

    /// Arms the timer of all other ticks.
    fn arm_repeating(self: &Rc<Self>, state: &Rc<LoopState>, now: Duration) {
        let ticking = self.clone();
        let work = Work::Repeating(Box::new(move || ticking.ticks.add()));
        let timer = Macrotask::new(work, Origin::new(StepKind::Interval, self.location));
        self.key
            .set(state.arm_timer(timer, ceil_ms(self.period), now));
        self.is_repeating.set(true);
        if self.is_unrefed.get() {
            self.unref(state);
        }
    }

    fn unref(&self, state: &LoopState) {
        self.is_unrefed.set(true);
        if let Some(key) = self.key.get() {
            state.timers.borrow_mut().set_refed(key, false);
        }
    }

    fn release(&self, state: &LoopState) {
        if let Some(key) = self.key.take() {
            drop(release_timer(state, key));
        }
    }
}

fn rounded(period: Duration) -> Duration {
    Duration::from_millis(ceil_ms(period))
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}

impl FusedStream for Interval {
    fn is_terminated(&self) -> bool {
        false
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let Schedule::Timer(timer) = &self.schedule {
            timer.release(&self.state);
        }
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("missed_tick_behavior", &self.behavior)
            .finish_non_exhaustive()
    }
}

/// The future of [`Interval::tick`].
///
/// # Cancel safety
///
/// It is cancel safe: a tick is consumed only when it is returned.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Tick<'a> {
    interval: &'a mut Interval,
    is_done: bool,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        let polled = self.interval.poll_tick(cx);
        self.is_done |= polled.is_ready();
        polled
    }
}

impl FusedFuture for Tick<'_> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}
