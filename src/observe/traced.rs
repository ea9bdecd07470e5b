//! Spans and events of the `tracing` crate (feature `tracing`).

use std::cell::RefCell;
use std::fmt;

use tracing::span::EnteredSpan;
use tracing::{debug, debug_span, error, info_span, trace, trace_span, warn};

use super::{Event, EventContext, Observer, SettledAs};

/// An observer that emits spans and events of the `tracing` crate, with the target
/// `nodeloop::observe::traced`.
///
/// Spans are entered and left when their begin and end events happen, so everything that a callback
/// traces is inside of the callback's span.
///
/// | | level | fields |
/// |---|---|---|
/// | span `run` | info | `location` |
/// | span `step` | debug | `kind`, `id`, `location` |
/// | spans `turn`, `phase`, `wait`, `drain`, `poll` (the first of a task) | trace | `number`; `name`; `at_most`; none; `promise`, `location` |
/// | event `enqueued` | debug | `kind`, `id`, `location`, `by` |
/// | events `cleared`, `promise created`, `promise settled` | trace | `id`; `promise`, `location`; and `settled` |
/// | event `rejection reported` | warn | `promise`, `location` |
/// | event `rejection handled` | debug | `promise`, `location` |
/// | event `panicked` | error | `kind`, `id`, `location` |
///
/// The subscriber runs in an observer, so it must not call into the loop.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use nodeloop::EventLoop;
/// use nodeloop::observe::Traced;
///
/// let mut event_loop = EventLoop::builder().observer(Traced::new()).build()?;
/// # event_loop.run_script(|| {}).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Traced {
    /// The entered spans, the innermost last.
    spans: RefCell<Vec<EnteredSpan>>,
}

impl Traced {
    /// Creates an observer that emits to the current subscriber.
    pub fn new() -> Traced {
        Traced::default()
    }

    fn enter(&self, span: tracing::Span) {
        let entered = span.entered();
        self.spans.borrow_mut().push(entered);
    }

    fn leave(&self) {
        // `None` if the span began before the observer was installed.
        let left = self.spans.borrow_mut().pop();
        drop(left); // outside of the borrow, because this calls the subscriber
    }

    fn leave_all(&self) {
        while !self.spans.borrow().is_empty() {
            self.leave();
        }
    }

    fn begin(&self, event: &Event, context: &EventContext<'_>) -> bool {
        let span = match event {
            Event::RunBegin { location } => {
                self.leave_all();
                info_span!("run", %location)
            }
            Event::TurnBegin => trace_span!("turn", number = context.turn()),
            Event::PhaseBegin(phase) => trace_span!("phase", name = %phase),
            Event::WaitBegin { at_most } => trace_span!("wait", ?at_most),
            Event::StepBegin(step) => {
                debug_span!("step", kind = %step.kind, id = step.id.get(), location = %step.location)
            }
            Event::DrainBegin => trace_span!("drain"),
            Event::EagerBegin { promise, location } => {
                trace_span!("poll", promise = promise.get(), %location)
            }
            _ => return false,
        };
        self.enter(span);
        true
    }

    fn emit(event: &Event, context: &EventContext<'_>) {
        match event {
            Event::Enqueued { step, by, .. } => {
                let by = by.map(|by| by.id.get());
                debug!(kind = %step.kind, id = step.id.get(), location = %step.location, by, "enqueued");
            }
            Event::Cleared(id) => trace!(id = id.get(), "cleared"),
            Event::Labeled(id) => trace!(id = id.get(), label = context.label(), "labeled"),
            Event::PromiseCreated { promise, location } => {
                trace!(promise = promise.get(), %location, "promise created");
            }
            Event::PromiseSettled {
                promise,
                location,
                settled,
            } => {
                let settled: &SettledAs = settled;
                trace!(promise = promise.get(), %location, ?settled, "promise settled");
            }
            Event::RejectionReported { promise, location } => {
                warn!(promise = promise.get(), %location, "rejection reported");
            }
            Event::RejectionHandled { promise, location } => {
                debug!(promise = promise.get(), %location, "rejection handled");
            }
            Event::Panicked(step) => {
                error!(kind = %step.kind, id = step.id.get(), location = %step.location, "panicked");
            }
            _ => {}
        }
    }
}

impl Observer for Traced {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        if self.begin(event, context) {
            return;
        }
        match event {
            Event::RunEnd => self.leave_all(),
            Event::TurnEnd
            | Event::PhaseEnd(_)
            | Event::WaitEnd { .. }
            | Event::StepEnd(_)
            | Event::DrainEnd
            | Event::EagerEnd { .. } => self.leave(),
            _ => Traced::emit(event, context),
        }
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced")
            .field("open_spans", &self.spans.borrow().len())
            .finish()
    }
}
