//! Watching over drains that do not end.

use std::cell::RefCell;
use std::fmt;

use super::{Event, EventContext, Observer, Queue, Step};
use crate::observe::starvation::{Link, Starvation};

/// How many places of links are remembered.
const LOCATIONS: usize = 16;

/// An observer that calls `report` when one drain has run more than `limit` ticks and microtasks.
/// A drain is told once, however long it goes on.
///
/// The drain goes on, too: to end the run with an error instead, see
/// [`Builder::drain_limit`](crate::Builder::drain_limit). `report` must not call into the loop.
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
/// let told = Rc::new(RefCell::new(Vec::new()));
/// let sink = told.clone();
/// let observers = starvation_detector(1_000, move |report| sink.borrow_mut().push(report.clone()));
/// EventLoop::builder().observer(observers).build()?.run_script(|| link(5_000))?;
/// let told = told.borrow();
/// assert_eq!(told.len(), 1);
/// assert_eq!(told[0].ticks, 1_001);
/// assert_eq!(told[0].links[0].location.file(), file!());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn starvation_detector<R: Fn(&Starvation)>(limit: u64, report: R) -> StarvationDetector<R> {
    StarvationDetector {
        limit,
        report,
        drain: RefCell::default(),
    }
}

/// The observer made by [`starvation_detector`].
pub struct StarvationDetector<R> {
    limit: u64,
    report: R,
    drain: RefCell<Drain>,
}

#[derive(Default)]
struct Drain {
    is_under_way: bool,
    ticks: u64,
    microtasks: u64,
    /// What ran in front of the drain.
    behind: Option<Step>,
    /// The one seen last comes last.
    links: Vec<Link>,
    has_more_links: bool,
}

impl Drain {
    /// Begins a drain, and nothing has run in it.
    fn begin(&mut self) {
        let (behind, mut links) = (self.behind.take(), std::mem::take(&mut self.links));
        links.clear();
        *self = Drain {
            is_under_way: true,
            behind,
            links,
            ..Drain::default()
        };
    }

    /// One step of the drain; how many there were.
    fn note(&mut self, step: &Step) -> u64 {
        match step.kind.queue() {
            Queue::Tick => self.ticks += 1,
            _ => self.microtasks += 1,
        }
        let same = |link: &Link| link.kind == step.kind && link.location == step.location;
        // In a chain the last ones are nearly always the next ones.
        let mut link = match self.links.iter().rposition(same) {
            Some(index) => self.links.remove(index),
            None if self.links.len() < LOCATIONS => Link::new(step.kind, step.location),
            None => {
                self.links.remove(0); // the one that was not seen for the longest time
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
            behind: self.behind,
            links,
            has_more_links: self.has_more_links,
        }
    }
}

/// An exit listener that a tick calls is not.
fn is_of_drain(step: &Step) -> bool {
    matches!(step.kind.queue(), Queue::Tick | Queue::Microtask)
}

impl<R: Fn(&Starvation)> StarvationDetector<R> {
    /// The report, if the step is the first beyond the limit.
    fn note(&self, event: &Event) -> Option<Starvation> {
        let mut drain = self.drain.borrow_mut();
        let run = match event {
            Event::StepBegin(step) if drain.is_under_way && is_of_drain(step) => drain.note(step),
            _ => 0,
        };
        match event {
            Event::DrainBegin => drain.begin(),
            Event::DrainEnd | Event::RunBegin { .. } => *drain = Drain::default(),
            Event::StepEnd(step) if !drain.is_under_way => drain.behind = Some(*step),
            Event::PhaseBegin(_) => drain.behind = None,
            _ => {}
        }
        (run == self.limit.saturating_add(1)).then(|| drain.report())
    }
}

impl<R: Fn(&Starvation)> Observer for StarvationDetector<R> {
    fn observe(&self, event: &Event, _: &EventContext<'_>) {
        if let Some(starving) = self.note(event) {
            (self.report)(&starving);
        }
    }
}

impl<R> fmt::Debug for StarvationDetector<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongDrains")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
