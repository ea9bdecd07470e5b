//! The recorded events of a run, one small entry for each event of the observer.
//!
//! Invariant: there are never more entries than the limit; events after it are only counted.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::panic::Location;
use std::time::Duration;

use crate::observe::{Event, EventContext, Phase, PromiseId, SettledAs, Step, StepKind};

/// A recorded event.
pub(super) struct Entry {
    /// The time since the first run began, by the clock of the loop.
    pub(super) at: Duration,
    pub(super) what: What,
}

/// A position in the source of the program.
#[derive(Clone, PartialEq)]
pub(super) struct Place {
    pub(super) file: Cow<'static, str>,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Place {
    pub(super) fn of(location: &'static Location<'static>) -> Place {
        Place {
            file: Cow::Borrowed(location.file()),
            line: location.line(),
            column: location.column(),
        }
    }

    /// Reads a label of the form `file:line:column`. Other labels are no places.
    pub(super) fn of_label(label: &str) -> Option<Place> {
        let (rest, column) = label.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        Some(Place {
            file: Cow::Owned(file.to_owned()),
            line: line.parse().ok()?,
            column: column.parse().ok()?,
        })
    }
}

/// The index of a source location in [`Record::locations`].
pub(super) type LocationIndex = usize;

/// The kind of an event. Steps and promises have separate numbers, so the id of an eager poll is the
/// negated number of its promise.
pub(super) enum What {
    RunBegin,
    RunEnd,
    Turn(u64),
    TurnEnd,
    Phase(Phase),
    PhaseEnd,
    Sleep(Option<Duration>),
    Wake,
    Drain,
    Drained,
    Add {
        id: i128,
        kind: StepKind,
        due: Option<Duration>,
        location: LocationIndex,
    },
    Cancel(i128),
    Call {
        id: i128,
        called: Called,
        location: Option<LocationIndex>,
    },
    Return {
        id: i128,
        outcome: Outcome,
    },
    SettledAs {
        promise: u64,
        settled: SettledAs,
    },
    Unhandled {
        promise: u64,
    },
    Log {
        text: String,
        location: LocationIndex,
    },
}

/// What is called.
#[derive(Clone, Copy)]
pub(super) enum Called {
    Step(StepKind),
    /// A task that `spawn` polls on the stack of its caller.
    Eager,
}

/// How a call returned.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    Done,
    /// A task whose promise is not settled.
    Waits,
    Panicked,
}

/// A call that has not returned yet.
struct Open {
    id: i128,
    promise: Option<PromiseId>,
    is_settled: bool,
    panicked: bool,
}

/// All recorded events, and the state needed to record more.
pub(super) struct Record {
    pub(super) entries: Vec<Entry>,
    pub(super) locations: Vec<Place>,
    /// The places that the host of an engine has given, by the number of the step.
    labels: HashMap<i128, LocationIndex>,
    /// Whether what has no label has no place.
    pub(super) labels_only: bool,
    /// The texts of files that cannot be read.
    pub(super) sources: BTreeMap<String, String>,
    pub(super) is_virtual: bool,
    /// The number of events after the limit.
    pub(super) omitted: usize,
    pub(super) limit: usize,
    start: Option<Duration>,
    now: Duration,
    open: Vec<Open>,
}

impl Record {
    pub(super) fn new(limit: usize) -> Record {
        Record {
            entries: Vec::new(),
            locations: Vec::new(),
            labels: HashMap::new(),
            labels_only: false,
            sources: BTreeMap::new(),
            is_virtual: false,
            omitted: 0,
            limit,
            start: None,
            now: Duration::ZERO,
            open: Vec::new(),
        }
    }

    /// Records an event.
    pub(super) fn observe(&mut self, event: &Event, context: &EventContext<'_>) {
        self.is_virtual = context.is_virtual();
        self.set_time(context.time());
        let what = match *event {
            Event::RunBegin { .. } => {
                self.open.clear();
                What::RunBegin
            }
            Event::RunEnd => What::RunEnd,
            Event::TurnBegin => What::Turn(context.turn()),
            Event::TurnEnd => What::TurnEnd,
            Event::PhaseBegin(phase) => What::Phase(phase),
            Event::PhaseEnd(_) => What::PhaseEnd,
            Event::WaitBegin { at_most, .. } => What::Sleep(at_most),
            Event::WaitEnd { .. } => What::Wake,
            Event::Enqueued { step, due, .. } => What::Add {
                id: step.id.get().into(),
                kind: step.kind,
                due: due.map(|due| self.since_start(due)),
                location: self.location(step.location),
            },
            Event::Cleared(id) => What::Cancel(id.get().into()),
            Event::Labeled(id) => {
                let is_kept = self.omitted == 0; // or the labels would grow without a limit
                if is_kept && let Some(place) = context.label().and_then(Place::of_label) {
                    let index = self.index_of(place);
                    self.labels.insert(id.get().into(), index);
                }
                return;
            }
            Event::StepBegin(step) => self.begin_step(step),
            Event::StepEnd(step) if self.called_no_listener(step) => {
                self.entries.pop();
                self.open.pop();
                return;
            }
            Event::StepEnd(step) => self.end(step.id.get().into()),
            Event::DrainBegin => What::Drain,
            Event::DrainEnd if self.omitted == 0 && self.drained_nothing() => {
                self.entries.pop();
                return;
            }
            Event::DrainEnd => What::Drained,
            Event::EagerBegin {
                promise, location, ..
            } => self.begin_eager(promise, location),
            Event::EagerEnd { promise, .. } => self.end(eager(promise)),
            Event::PromiseSettled {
                promise, settled, ..
            } => {
                self.note_settled(promise);
                What::SettledAs {
                    promise: promise.get(),
                    settled,
                }
            }
            Event::RejectionReported { promise, .. } => What::Unhandled {
                promise: promise.get(),
            },
            Event::Panicked(_) => {
                if let Some(open) = self.open.last_mut() {
                    open.panicked = true;
                }
                return;
            }
            _ => return,
        };
        self.push(what);
    }

    /// Records a line that the program prints.
    pub(super) fn log(&mut self, text: String, place: Place, time: Duration) {
        self.set_time(time);
        let location = self.index_of(place);
        self.push(What::Log { text, location });
    }

    /// Returns the places of all entries, by their index, without those that labels have replaced.
    pub(super) fn shown_places(&self) -> BTreeMap<LocationIndex, &Place> {
        let indices = self.entries.iter().filter_map(|entry| match entry.what {
            What::Add { id, location, .. } => self.place_of(id, location),
            What::Call { id, location, .. } => self.place_of(id, location?),
            What::Log { location, .. } => Some(location),
            _ => None,
        });
        indices
            .map(|index| (index, &self.locations[index]))
            .collect()
    }

    /// Returns the place of the entry `id`: its label, or the location in the host.
    pub(super) fn place_of(&self, id: i128, location: LocationIndex) -> Option<LocationIndex> {
        let label = self.labels.get(&id).copied();
        label.or_else(|| (!self.labels_only).then_some(location))
    }

    fn begin_step(&mut self, step: Step) -> What {
        let id = step.id.get().into();
        self.open.push(Open {
            id,
            promise: step.promise(),
            is_settled: false,
            panicked: false,
        });
        // The loop itself calls these listeners, so they have no location in the program.
        let listeners = [
            StepKind::BeforeExit,
            StepKind::Exit,
            StepKind::ErrorListener,
        ];
        let location = (!listeners.contains(&step.kind)).then(|| self.location(step.location));
        What::Call {
            id,
            called: Called::Step(step.kind),
            location,
        }
    }

    fn begin_eager(&mut self, promise: PromiseId, location: &'static Location<'static>) -> What {
        let id = eager(promise);
        self.open.push(Open {
            id,
            promise: Some(promise),
            is_settled: false,
            panicked: false,
        });
        What::Call {
            id,
            called: Called::Eager,
            location: Some(self.location(location)),
        }
    }

    fn end(&mut self, id: i128) -> What {
        let mut outcome = Outcome::Done;
        if let Some(open) = self.open.pop_if(|open| open.id == id) {
            if open.panicked {
                outcome = Outcome::Panicked;
            } else if open.promise.is_some() && !open.is_settled {
                outcome = Outcome::Waits;
            }
        }
        What::Return { id, outcome }
    }

    fn note_settled(&mut self, promise: PromiseId) {
        let of_this = |open: &&mut Open| open.promise == Some(promise);
        if let Some(open) = self.open.iter_mut().rev().find(of_this) {
            open.is_settled = true;
        }
    }

    /// Whether this is `before_exit` or `exit`, and there was no listener to call.
    fn called_no_listener(&self, step: Step) -> bool {
        let is_exit = [StepKind::BeforeExit, StepKind::Exit].contains(&step.kind);
        let is_call = |entry: &Entry| matches!(entry.what, What::Call { id, .. } if id == i128::from(step.id.get()));
        is_exit && self.omitted == 0 && self.entries.last().is_some_and(is_call)
    }

    /// Whether the drain that ends now had nothing to do and does not follow a callback. The loop also
    /// drains where nothing has happened, and recording that would be noise.
    fn drained_nothing(&self) -> bool {
        let mut latest = self.entries.iter().rev();
        let is_empty = matches!(
            latest.next(),
            Some(Entry {
                what: What::Drain,
                ..
            })
        );
        let after_callback = matches!(
            latest.next(),
            Some(Entry {
                what: What::Return { .. },
                ..
            })
        );
        is_empty && !after_callback
    }

    fn push(&mut self, what: What) {
        if self.entries.len() < self.limit {
            let at = self.now;
            self.entries.push(Entry { at, what });
        } else {
            self.omitted += 1;
        }
    }

    fn set_time(&mut self, time: Duration) {
        self.start.get_or_insert(time);
        self.now = self.since_start(time).max(self.now);
    }

    fn since_start(&self, time: Duration) -> Duration {
        time.saturating_sub(self.start.unwrap_or_default())
    }

    fn location(&mut self, location: &'static Location<'static>) -> LocationIndex {
        self.index_of(Place::of(location))
    }

    fn index_of(&mut self, place: Place) -> LocationIndex {
        let known = self.locations.iter().rposition(|known| *known == place);
        known.unwrap_or_else(|| {
            self.locations.push(place);
            self.locations.len() - 1
        })
    }
}

fn eager(promise: PromiseId) -> i128 {
    -i128::from(promise.get())
}
