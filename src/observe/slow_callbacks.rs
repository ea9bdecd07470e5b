//! Reports of callbacks that block the loop for too long.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use super::{Event, EventContext, Observer, Phase, Step};

/// Creates an observer that calls `report` with every step that takes `threshold` or longer, by the
/// clock of the loop.
///
/// A step is one entry into user code: a callback, or one poll of a task including the first polls
/// of the tasks that it spawns. The drain after a callback consists of other steps. `report` must not
/// call into the loop.
///
/// # Examples
///
/// ```
/// use std::{cell::RefCell, rc::Rc, time::Duration};
/// use nodeloop::observe::slow_callbacks;
/// use nodeloop::{EventLoop, set_timeout, time};
///
/// let warnings = Rc::new(RefCell::new(Vec::new()));
/// let sink = warnings.clone();
/// let slow = slow_callbacks(Duration::from_millis(50), move |slow| {
///     sink.borrow_mut().push(slow.to_string());
/// });
/// EventLoop::builder().virtual_time().observer(slow).build()?.run_script(|| {
///     set_timeout(Duration::from_millis(5), || time::block_for(Duration::from_millis(80)));
/// })?;
/// let line = &warnings.borrow()[0];
/// assert!(line.starts_with("slow: the timeout created at "), "{line}");
/// assert!(line.ends_with(" blocked the loop for 80ms (timers, turn 1)"), "{line}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn slow_callbacks<R: Fn(&SlowCallback)>(threshold: Duration, report: R) -> SlowCallbacks<R> {
    SlowCallbacks {
        threshold,
        report,
        running: RefCell::default(),
    }
}

/// Creates an observer that writes a line to stderr for every step that takes `threshold` or longer.
///
/// See [`slow_callbacks`].
pub fn warn_of_slow_callbacks(threshold: Duration) -> impl Observer {
    slow_callbacks(threshold, |slow| eprintln!("nodeloop: {slow}"))
}

/// The observer created by [`slow_callbacks`].
pub struct SlowCallbacks<R> {
    threshold: Duration,
    report: R,
    /// The current steps, and when they began.
    running: RefCell<Vec<(Step, Duration)>>,
}

/// A step that has blocked the loop.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SlowCallback {
    /// The step, with its kind and where it was created.
    pub step: Step,
    /// How long it took.
    pub took: Duration,
    /// The phase in which it ran; `None` if it ran outside of any phase.
    pub phase: Option<Phase>,
    /// The turn in which it ran.
    pub turn: u64,
}

impl fmt::Display for SlowCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { kind, location, .. } = self.step;
        let took = self.took;
        write!(
            f,
            "slow: the {kind} created at {location} blocked the loop for {took:?}"
        )?;
        match self.phase {
            Some(phase) => write!(f, " ({phase}, turn {})", self.turn),
            None => Ok(()),
        }
    }
}

impl<R: Fn(&SlowCallback)> Observer for SlowCallbacks<R> {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        match event {
            Event::StepBegin(step) => self.running.borrow_mut().push((*step, context.time())),
            Event::StepEnd(ended) => {
                let last = self.running.borrow_mut().pop_if(|(step, _)| step == ended);
                let Some((step, began)) = last else {
                    return; // the step began before the observer was installed
                };
                let took = context.time().saturating_sub(began);
                if took >= self.threshold {
                    (self.report)(&SlowCallback {
                        step,
                        took,
                        phase: context.phase(),
                        turn: context.turn(),
                    });
                }
            }
            Event::RunBegin { .. } => self.running.borrow_mut().clear(),
            _ => {}
        }
    }
}

impl<R> fmt::Debug for SlowCallbacks<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowCallbacks")
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}
