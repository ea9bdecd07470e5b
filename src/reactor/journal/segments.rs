//! The parts of a recording that belong to one arrival each, so that a replay can deliver the arrivals of a
//! poll phase in another order.
//!
//! A segment is what the program did from one arrival to the next: its readings of the clock, its calls and
//! the jobs that it submitted. The replay of the recorded order learns where each segment begins and ends.
//! In another order, the segment of the arrival that is delivered is what the program must do. The numbers of
//! jobs and of sources depend on the order in which the program creates them, so that they are translated.
//!
//! Invariant: a program that does anything else in a segment than in the recording is not followed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::reactor::choices::Choices;

/// The part of a recording that belongs to one arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The indices of its records.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The jobs that it submitted.
    pub(super) first_job: u64,
    pub(super) jobs: u64,
}

/// The end of a segment that is being learned.
const NOT_ENDED: usize = usize::MAX;

impl Segment {
    pub(super) fn starting_at(start: usize) -> Segment {
        Segment {
            start,
            end: NOT_ENDED,
            first_job: 0,
            jobs: 0,
        }
    }
}

/// What a replay knows of the segments of its recording.
pub(crate) struct Segments {
    /// In the order of the recording. The first one is that of the main script.
    pub(super) map: RefCell<Vec<Segment>>,
    /// Chooses the order; `None` while the segments are learned.
    pub(super) choices: Option<Rc<Choices>>,
    pub(super) current: Cell<usize>,
    /// How many jobs the current segment has submitted.
    submitted: Cell<u64>,
    /// Whether a poll phase has come after the current segment, which was complete.
    is_over: Cell<bool>,
    /// How many segments the main script and the poll phases until now have.
    counted: Cell<usize>,
    /// The numbers that jobs have in the program, by those in the recording, and the reverse.
    program_jobs: RefCell<HashMap<u64, u64>>,
    recorded_jobs: RefCell<HashMap<u64, u64>>,
    /// The numbers that sources have in the recording, by those in the program.
    pub(super) sources: RefCell<Vec<u64>>,
    /// The record of the child that was started last.
    pub(super) last_child: Cell<usize>,
}

impl Segments {
    /// Creates what learns the segments.
    pub(crate) fn learning() -> Segments {
        Segments::new(vec![Segment::starting_at(0)], None)
    }

    /// Creates what follows an order that `choices` choose.
    pub(crate) fn following(map: Vec<Segment>, choices: Rc<Choices>) -> Segments {
        Segments::new(map, Some(choices))
    }

    fn new(map: Vec<Segment>, choices: Option<Rc<Choices>>) -> Segments {
        Segments {
            map: RefCell::new(map),
            choices,
            current: Cell::new(0),
            submitted: Cell::new(0),
            is_over: Cell::new(false),
            counted: Cell::new(1),
            program_jobs: RefCell::default(),
            recorded_jobs: RefCell::default(),
            sources: RefCell::default(),
            last_child: Cell::new(0),
        }
    }

    pub(super) fn is_learning(&self) -> bool {
        self.choices.is_none()
    }

    /// Returns the index after the last record of the current segment.
    pub(super) fn end(&self) -> usize {
        self.map.borrow()[self.current.get()].end
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Returns the number of the first segment of a poll phase with `arrivals`, which has one for each of
    /// them and one for the rest of the turn.
    pub(super) fn begin_poll(&self, arrivals: usize) -> usize {
        let first = self.counted.get();
        self.counted.set(first + arrivals + 1);
        self.is_over.set(true);
        first
    }

    /// Begins a segment, and returns the index of its first record; `None` if the recorded order did not
    /// come to it, which leaves the current one as it is. `next` is the index of the next record.
    pub(super) fn begin(&self, number: usize, next: usize) -> Option<usize> {
        self.end_learning(next);
        let mut map = self.map.borrow_mut();
        if self.is_learning() {
            debug_assert_eq!(map.len(), number, "segments are learned in their order");
            map.push(Segment::starting_at(next));
        }
        let start = map.get(number)?.start;
        self.current.set(number);
        self.submitted.set(0);
        self.is_over.set(false);
        Some(start)
    }

    /// Ends the current segment if it is learned and has not ended. The one before a poll phase has.
    pub(super) fn end_learning(&self, next: usize) {
        let segment = &mut self.map.borrow_mut()[self.current.get()];
        if self.is_learning() && segment.end == NOT_ENDED {
            segment.end = next;
        }
    }

    /// Returns whether the current segment has submitted all of its jobs.
    pub(super) fn has_all_jobs(&self) -> bool {
        self.map.borrow()[self.current.get()].jobs == self.submitted.get()
    }

    /// Returns the recorded number of a job that the program submits; `None` if the recording has no such
    /// job in this segment.
    pub(super) fn submit(&self, job: u64) -> Option<u64> {
        let mut map = self.map.borrow_mut();
        let segment = &mut map[self.current.get()];
        let position = self.submitted.get();
        self.submitted.set(position + 1);
        if self.is_learning() {
            if position == 0 {
                segment.first_job = job;
            }
            segment.jobs += 1;
        }
        if position >= segment.jobs {
            return None;
        }
        let recorded = segment.first_job + position;
        self.program_jobs.borrow_mut().insert(recorded, job);
        self.recorded_jobs.borrow_mut().insert(job, recorded);
        Some(recorded)
    }

    pub(super) fn program_job(&self, recorded: u64) -> Option<u64> {
        self.program_jobs.borrow().get(&recorded).copied()
    }

    pub(super) fn recorded_job(&self, job: u64) -> Option<u64> {
        self.recorded_jobs.borrow().get(&job).copied()
    }

    pub(super) fn program_source(&self, recorded: u64) -> Option<u64> {
        let sources = self.sources.borrow();
        let position = sources.iter().position(|it| *it == recorded)?;
        Some(position as u64)
    }

    pub(super) fn recorded_source(&self, source: u64) -> Option<u64> {
        let sources = self.sources.borrow();
        sources.get(usize::try_from(source).ok()?).copied()
    }
}
