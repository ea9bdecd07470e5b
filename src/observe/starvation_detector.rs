//! An observer that detects drains that do not end.

use std::cell::RefCell;
use std::fmt;

use super::{Event, EventContext, Observer, Queue, Step};
use crate::observe::starvation::{Link, Starvation};

/// How many locations of a drain are remembered.
const MAX_LOCATIONS: usize = 16;

/// Creates an observer that calls `report` when one drain has run more than `limit` ticks and
/// microtasks.
///
/// Each drain is reported at most once, and continues. To end the run with an error instead, see
/// [`Builder::drain_limit`](crate::Builder::drain_limit). `report` must not call into the loop.
///
/// # Examples
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// use nodeloop::observe::starvation_detector;
/// use nodeloop::{EventLoop, next_tick};
///
/// fn link(left: u32) {
///     if left > 0 {
///         next_tick(move || link(left - 1));
///     }
/// }
/// let reports = Rc::new(RefCell::new(Vec::new()));
/// let sink = reports.clone();
/// let detector = starvation_detector(1_000, move |report| sink.borrow_mut().push(report.clone()));
/// EventLoop::builder().observer(detector).build()?.run_script(|| link(5_000))?;
/// let reports = reports.borrow();
/// assert_eq!(reports.len(), 1);
/// assert_eq!(reports[0].ticks, 1_001);
/// assert_eq!(reports[0].links[0].location.file(), file!());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn starvation_detector<R: Fn(&Starvation)>(limit: u64, report: R) -> StarvationDetector<R> {
    StarvationDetector {
        limit,
        report,
        drain: RefCell::default(),
    }
}

/// The observer created by [`starvation_detector`].
pub struct StarvationDetector<R> {
    limit: u64,
    report: R,
    drain: RefCell<Drain>,
}

#[derive(Default)]
struct Drain {
    is_running: bool,
    ticks: u64,
    microtasks: u64,
    /// The step before the drain.
    preceded_by: Option<Step>,
    /// In the order in which they were last seen.
    links: Vec<Link>,
    has_more_links: bool,
}

impl Drain {
    /// Begins a drain in which nothing has run.
    fn begin(&mut self) {
        let (preceded_by, mut links) = (self.preceded_by.take(), std::mem::take(&mut self.links));
        links.clear();
        *self = Drain {
            is_running: true,
            preceded_by,
            links,
            ..Drain::default()
        };
    }

    /// Records a step of the drain, and returns how many there were.
    fn note(&mut self, step: &Step) -> u64 {
        match step.kind.queue() {
            Queue::Tick => self.ticks += 1,
            _ => self.microtasks += 1,
        }
        let is_same = |link: &Link| link.kind == step.kind && link.location == step.location;
        // In a chain the latest location is nearly always the next one as well.
        let mut link = match self.links.iter().rposition(is_same) {
            Some(index) => self.links.remove(index),
            None if self.links.len() < MAX_LOCATIONS => Link::new(step.kind, step.location),
            None => {
                self.links.remove(0); // the least recently seen one
                self.has_more_links = true;
                Link::new(step.kind, step.location)
            }
        };
        link.count += 1;
        self.links.push(link);
        self.ticks + self.microtasks
    }

    fn report(&self) -> Starvation {
        let mut links = self.links.clone();
        links.reverse();
        links.sort_by_key(|link| std::cmp::Reverse(link.count));
        Starvation {
            ticks: self.ticks,
            microtasks: self.microtasks,
            preceded_by: self.preceded_by,
            links,
            has_more_links: self.has_more_links,
        }
    }
}

/// Returns `true` for a step of the drain; `exit` listeners that a tick calls are not.
fn is_of_drain(step: &Step) -> bool {
    matches!(step.kind.queue(), Queue::Tick | Queue::Microtask)
}

impl<R: Fn(&Starvation)> StarvationDetector<R> {
    /// Records an event. Returns a report if it is the first step above the limit.
    fn note(&self, event: &Event) -> Option<Starvation> {
        let mut drain = self.drain.borrow_mut();
        let steps = match event {
            Event::StepBegin(step) if drain.is_running && is_of_drain(step) => drain.note(step),
            _ => 0,
        };
        match event {
            Event::DrainBegin => drain.begin(),
            Event::DrainEnd | Event::RunBegin { .. } => *drain = Drain::default(),
            Event::StepEnd(step) if !drain.is_running => drain.preceded_by = Some(*step),
            Event::PhaseBegin(_) => drain.preceded_by = None,
            _ => {}
        }
        (steps == self.limit.saturating_add(1)).then(|| drain.report())
    }
}

impl<R: Fn(&Starvation)> Observer for StarvationDetector<R> {
    fn observe(&self, event: &Event, _: &EventContext<'_>) {
        if let Some(starvation) = self.note(event) {
            (self.report)(&starvation);
        }
    }
}

impl<R> fmt::Debug for StarvationDetector<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StarvationDetector")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
