//! The complete trace of a run, and the comparison of two runs of one seed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::super::Log;
use super::super::report::refuse_loop;
use super::{World, WorldBuilder};
use crate::observe::event::Event;
use crate::observe::{EventContext, Observer};
use crate::phases::poll::delivery::Seed;

/// Every entry into user code of every host, and what it adds to the log, in order, one a line.
#[derive(Clone, Default)]
pub(super) struct Trace {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Default)]
struct Inner {
    lines: Vec<String>,
    /// The log of the world, how many of its entries are in `lines`, and the host that runs.
    log: Log,
    seen: usize,
    host: String,
    has_no_times: bool,
}

impl Trace {
    /// Returns an observer that adds what a host does.
    pub(super) fn observer(&self, host: String) -> impl Observer + 'static {
        let trace = self.clone();
        move |event: &Event, context: &EventContext<'_>| {
            if let Event::StepBegin(step) = event {
                let mut inner = trace.inner.borrow_mut();
                inner.add_entries();
                inner.host.clone_from(&host);
                let by = inner.by(context.time());
                let line = format!("{by}: {} of {}", step.kind, step.location);
                inner.lines.push(line);
            }
        }
    }

    /// Sets the log whose entries are part of the trace.
    pub(super) fn set_log(&self, log: &Log) {
        self.inner.borrow_mut().log = log.clone();
    }

    /// Creates a trace without times, for runs whose delays differ.
    pub(super) fn without_times() -> Trace {
        let trace = Trace::default();
        trace.inner.borrow_mut().has_no_times = true;
        trace
    }

    /// Returns the lines of a run that has ended.
    pub(super) fn into_lines(self) -> Vec<String> {
        let mut inner = self.inner.borrow_mut();
        inner.add_entries();
        std::mem::take(&mut inner.lines)
    }
}

impl Inner {
    /// Returns the host that runs, with the time.
    fn by(&self, time: Duration) -> String {
        match self.has_no_times {
            true => self.host.clone(),
            false => format!("{time:?} {}", self.host),
        }
    }

    /// Adds what was logged since the last entry into user code.
    fn add_entries(&mut self) {
        for entry in self.log.entries_after(self.seen) {
            self.seen += 1;
            let (label, place) = (entry.label(), entry.logged_at());
            let position = entry.position();
            let by = match position.kind {
                Some(_) => self.by(position.time),
                None => "the script".to_owned(),
            };
            self.lines
                .push(format!("{by}: logged {label:?} at {place}"));
        }
    }
}

impl WorldBuilder {
    /// Runs the world that `build` sets up twice for each of the seeds 1 to `seeds`, and compares the
    /// complete traces: each entry into user code with its host, its virtual time and its place in the
    /// source, and the entries of the [log](World::log).
    ///
    /// `build` adds hosts and a script to a new world, which is then run, unless `build` has run it.
    ///
    /// # Panics
    ///
    /// Panics with the first difference if the two runs of a seed differ: the program depends on something
    /// that the world does not control, such as the order of a hash map, the clock of the system, a
    /// random number, an address or a thread. Panics if a run fails, like [`World::run`].
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use nodeloop::test::World;
    ///
    /// static CALLS: AtomicU64 = AtomicU64::new(0);
    /// World::builder().check_deterministic(3, |world| {
    ///     let log = world.log();
    ///     world.host("a").run(async move || {
    ///         log.add(CALLS.fetch_add(1, Ordering::Relaxed)); // kept from one run to the next
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn check_deterministic(self, seeds: u64, build: impl Fn(&World)) {
        refuse_loop("WorldBuilder::check_deterministic");
        for number in 1..=seeds {
            let seed = Seed::new(number);
            let (first, second) = (self.traced(&seed, &build), self.traced(&seed, &build));
            let differs = first
                .iter()
                .zip(&second)
                .position(|(one, other)| one != other);
            let longer = (first.len() != second.len()).then(|| first.len().min(second.len()));
            let Some(at) = differs.or(longer) else {
                continue;
            };
            let line = |trace: &[String]| {
                trace
                    .get(at)
                    .map_or("nothing: the run has ended", String::as_str)
                    .to_owned()
            };
            let before = at
                .checked_sub(1)
                .map_or("the start", |at| first[at].as_str());
            panic!(
                "two runs of seed {seed} differ: the program depends on something that the world does not \
                 control\n  after      {before}\n  first run  {}\n  second run {}",
                line(&first),
                line(&second)
            );
        }
    }

    /// Runs a world and returns its trace, followed by its log.
    #[track_caller]
    fn traced(&self, seed: &Seed, build: &impl Fn(&World)) -> Vec<String> {
        let trace = Trace::default();
        let settings = WorldBuilder {
            trace: Some(trace.clone()),
            ..self.clone()
        };
        let world = settings.seed(seed.clone()).build();
        trace.set_log(&world.log());
        world.run_body(&build);
        trace.into_lines()
    }
}
