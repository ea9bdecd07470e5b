//! Counts, queue lengths, utilization and delay of a loop.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::{Event, EventContext, Histogram, Observer, Phase, Queue, StepKind};
use crate::event_loop::current;

/// An observer that counts events and measures time.
///
/// Clones share their counts: pass one to the loop and keep the other.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::observe::Metrics;
/// use nodeloop::{EventLoop, next_tick, set_timeout, time};
///
/// let metrics = Metrics::new();
/// let mut event_loop = EventLoop::builder().virtual_time().observer(metrics.clone()).build()?;
/// event_loop.run_script(|| {
///     next_tick(|| {});
///     set_timeout(Duration::from_millis(90), || time::block_for(Duration::from_millis(10)));
/// })?;
/// let counts = metrics.counts();
/// assert_eq!((counts.turns, counts.ticks, counts.timers), (1, 1, 1));
/// let utilization = metrics.event_loop_utilization();
/// assert_eq!(utilization.idle, Duration::from_millis(90));
/// assert_eq!(utilization.active, Duration::from_millis(10));
/// assert_eq!(utilization.utilization, 0.1);
/// assert_eq!(metrics.delay().max(), Duration::from_millis(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Default)]
struct Inner {
    counts: Counts,
    delay: Histogram,
    idle: Duration,
    /// How long the loop ran in the runs that have ended.
    ran: Duration,
    is_running: bool,
    /// When the first phase of the current run began.
    turning_since: Option<Duration>,
    /// When the poll phase last polled.
    polled_at: Option<Duration>,
}

/// The counts of a [`Metrics`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Turns of the loop.
    pub turns: u64,
    /// Callbacks called from a phase, without the main script and the listeners.
    pub macrotasks: u64,
    /// Timeouts and intervals among them.
    pub timers: u64,
    /// Immediates among them.
    pub immediates: u64,
    /// Ticks.
    pub ticks: u64,
    /// Microtasks: callbacks and tasks.
    pub microtasks: u64,
    /// Promises created.
    pub promises: u64,
    /// Callbacks that panicked.
    pub panics: u64,
    /// Rejections that were reported as unhandled.
    pub rejections: u64,
    /// Waits of the poll phase.
    pub waits: u64,
    /// Ticks queued now.
    pub queued_ticks: usize,
    /// The greatest length of the nextTick queue.
    pub max_queued_ticks: usize,
    /// Microtasks queued now.
    pub queued_microtasks: usize,
    /// The greatest length of the microtask queue.
    pub max_queued_microtasks: usize,
}

impl Metrics {
    /// Creates an observer that has counted nothing.
    pub fn new() -> Metrics {
        Metrics::default()
    }

    /// Returns the counts since the observer was installed.
    pub fn counts(&self) -> Counts {
        self.inner.borrow().counts
    }

    /// Returns a histogram of the maximum delay of external events in each turn.
    ///
    /// It contains, for each turn, the time from the end of one wait of the poll phase to the
    /// beginning of the next poll phase, in which callbacks and drains run. The first value
    /// includes the main script; the last value ends with the run.
    ///
    /// Node's `monitorEventLoopDelay` samples this with a timer; here every turn counts.
    #[doc(alias = "monitorEventLoopDelay")]
    pub fn delay(&self) -> Histogram {
        self.inner.borrow().delay.clone()
    }

    /// Empties the histogram of [`delay`](Metrics::delay).
    pub fn reset_delay(&self) {
        self.inner.borrow_mut().delay = Histogram::new();
    }

    /// Returns how busy the loop is, as Node's `performance.eventLoopUtilization()` does.
    ///
    /// As in Node, it is measured from the first phase on, which is after the main script; before
    /// that all values are zero. Time between two runs does not count.
    #[doc(alias = "eventLoopUtilization")]
    pub fn event_loop_utilization(&self) -> Utilization {
        let inner = self.inner.borrow();
        let position = current::position();
        let current_run = match inner.turning_since {
            Some(since) if inner.is_running && position.queue() != Queue::Outside => {
                position.time.saturating_sub(since)
            }
            _ => Duration::ZERO,
        };
        let active = (inner.ran + current_run).saturating_sub(inner.idle);
        Utilization::new(inner.idle, active)
    }
}

impl Inner {
    fn count(&mut self, kind: StepKind) {
        let counts = &mut self.counts;
        match kind {
            StepKind::Tick => counts.ticks += 1,
            StepKind::Microtask | StepKind::Task | StepKind::Reaction => counts.microtasks += 1,
            StepKind::MainScript
            | StepKind::BeforeExit
            | StepKind::Exit
            | StepKind::ErrorListener => {}
            _ => counts.macrotasks += 1,
        }
        match kind {
            StepKind::Timeout | StepKind::Interval => counts.timers += 1,
            StepKind::Immediate => counts.immediates += 1,
            _ => {}
        }
    }

    /// Records the lengths of the queues, with the entry that is about to be queued.
    fn note_queues(&mut self, context: &EventContext<'_>, enqueued: Option<StepKind>) {
        let added = |queue| usize::from(enqueued.is_some_and(|kind| kind.queue() == queue));
        let counts = &mut self.counts;
        counts.queued_ticks = context.queued_ticks() + added(Queue::Tick);
        counts.max_queued_ticks = counts.max_queued_ticks.max(counts.queued_ticks);
        counts.queued_microtasks = context.queued_microtasks() + added(Queue::Microtask);
        counts.max_queued_microtasks = counts.max_queued_microtasks.max(counts.queued_microtasks);
    }

    /// Records the delay of an event that arrived right after the last poll.
    fn note_poll(&mut self, now: Duration) {
        if let Some(polled_at) = self.polled_at.replace(now) {
            self.delay.record(now.saturating_sub(polled_at));
        }
    }

    fn end_run(&mut self, now: Duration) {
        self.note_poll(now);
        self.is_running = false;
        self.polled_at = None;
        if let Some(since) = self.turning_since.take() {
            self.ran += now.saturating_sub(since);
        }
    }
}

impl Observer for Metrics {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        let mut inner = self.inner.borrow_mut();
        match event {
            Event::RunBegin { .. } => {
                inner.is_running = true;
                inner.polled_at = Some(context.time());
            }
            Event::RunEnd => inner.end_run(context.time()),
            Event::TurnBegin => inner.counts.turns += 1,
            Event::PhaseBegin(phase) => {
                let now = context.time();
                inner.turning_since.get_or_insert(now);
                inner.is_running = true;
                if *phase == Phase::Poll {
                    inner.note_poll(now);
                }
            }
            Event::WaitBegin { .. } => inner.counts.waits += 1,
            Event::WaitEnd { waited, .. } => {
                inner.idle += *waited;
                inner.polled_at = Some(context.time());
            }
            Event::Enqueued { step, .. } => inner.note_queues(context, Some(step.kind)),
            Event::StepBegin(step) => {
                inner.count(step.kind);
                inner.note_queues(context, None);
            }
            Event::PromiseCreated { .. } => inner.counts.promises += 1,
            Event::Panicked(_) => inner.counts.panics += 1,
            Event::RejectionReported { .. } => inner.counts.rejections += 1,
            _ => {}
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("counts", &self.counts())
            .field("delay", &self.delay())
            .field("utilization", &self.event_loop_utilization())
            .finish()
    }
}

/// How busy a loop was, as Node's `performance.eventLoopUtilization()` returns it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Utilization {
    /// How long the poll phase waited.
    pub idle: Duration,
    /// How long the loop ran without waiting.
    pub active: Duration,
    /// The share of `active` in the sum, between 0 and 1; 0 if both are zero.
    pub utilization: f64,
}

impl Utilization {
    fn new(idle: Duration, active: Duration) -> Utilization {
        let total = idle + active;
        let utilization = if total.is_zero() {
            0.0
        } else {
            active.as_nanos() as f64 / total.as_nanos() as f64
        };
        Utilization {
            idle,
            active,
            utilization,
        }
    }

    /// Returns how busy the loop was since an `earlier` reading, as
    /// `eventLoopUtilization(this, earlier)` does.
    pub fn since(&self, earlier: &Utilization) -> Utilization {
        Utilization::new(
            self.idle.saturating_sub(earlier.idle),
            self.active.saturating_sub(earlier.active),
        )
    }
}
