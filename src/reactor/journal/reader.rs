//! The side of a journal that replays.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::describe::{self, Operation};
use super::format::{
    ArrivalRecord, CallResult, EndReason, JobRecord, NotAJournal, Parsed, Place, PollRecord,
    Record, parse,
};
use super::segments::{Segment, Segments};
use super::value::{Input, Output, Value};
use super::{SourceLocation, Subject};
use crate::reactor::choices::Choices;

pub(crate) struct Reader {
    bytes: Rc<[u8]>,
    parsed: Parsed,
    /// The jobs of which a result was recorded.
    jobs: HashSet<u64>,
    next: Cell<usize>,
    clock: Cell<Duration>,
    /// The places at which the sources of the replay were created.
    program_sources: RefCell<Vec<SourceLocation>>,
    divergence: RefCell<Option<Divergence>>,
    /// The entries into user code that have begun and not ended.
    steps: RefCell<Vec<String>>,
    /// Where the run that is replayed, or was last, was started.
    run: Cell<Option<SourceLocation>>,
    /// Whether the run has failed, so that what follows is not compared.
    has_failed: Cell<bool>,
    /// Whether the program has read zeros, because the recording has no payloads.
    has_zeros: Cell<bool>,
    /// The segments, if other orders are explored.
    segments: Option<Box<Segments>>,
}

/// The first difference between a recording and the program that is replayed.
#[derive(Debug, Clone)]
pub(crate) struct Divergence {
    /// The number of the record.
    pub(crate) record: usize,
    /// What the recording contains; `None` if it has ended.
    pub(crate) recorded: Option<String>,
    pub(crate) program: String,
    /// The records before it, for orientation.
    pub(crate) before: Vec<String>,
    /// What is wrong with the file, if the recording has ended for that reason.
    pub(crate) damage: Option<(usize, &'static str)>,
    /// Why a complete file contains no more.
    pub(crate) end: Option<EndReason>,
    /// Whether the program has read zeros before, because the recording has no payloads.
    pub(crate) has_zeros: bool,
}

/// How many records before a divergence are reported.
const RECORDS_BEFORE: usize = 3;

/// Explains what a program that has read zeros does.
pub(crate) const NO_PAYLOADS: &str = "the recording has no payloads, so the program reads zeros: record \
                                      with `FlightRecorder::payloads(true)`";

impl Reader {
    pub(crate) fn new(bytes: Rc<[u8]>) -> Result<Reader, NotAJournal> {
        let parsed = parse(&bytes)?;
        let polls = parsed.records.iter().filter_map(|record| match record {
            Record::Poll(poll) => Some(&poll.arrivals),
            _ => None,
        });
        let jobs = polls.flatten().filter_map(recorded_job).collect();
        Ok(Reader {
            bytes,
            parsed,
            jobs,
            next: Cell::new(0),
            clock: Cell::new(Duration::ZERO),
            program_sources: RefCell::default(),
            divergence: RefCell::new(None),
            steps: RefCell::default(),
            run: Cell::new(None),
            has_failed: Cell::new(false),
            has_zeros: Cell::new(false),
            segments: None,
        })
    }

    /// Explores other orders, of which `segments` knows the parts.
    pub(crate) fn with_segments(self, segments: Segments) -> Reader {
        Reader {
            segments: Some(Box::new(segments)),
            ..self
        }
    }

    /// Returns whether other threads have sent messages to the loop, except for results of jobs.
    pub(crate) fn has_messages_of_threads(&self) -> bool {
        let is_of_thread = |arrival: &ArrivalRecord| {
            !matches!(
                arrival,
                ArrivalRecord::Simulated(_)
                    | ArrivalRecord::Ready(..)
                    | ArrivalRecord::Signal(_)
                    | ArrivalRecord::Job(..)
            )
        };
        let mut records = self.parsed.records.iter();
        records.any(
            |record| matches!(record, Record::Poll(it) if it.arrivals.iter().any(is_of_thread)),
        )
    }

    /// Returns the segments that were learned, once the replay has ended.
    pub(crate) fn learned(&self) -> Vec<Segment> {
        let segments = self.segments.as_deref();
        segments.map_or_else(Vec::new, |segments| {
            segments.end_learning(self.next.get());
            segments.map.borrow().clone()
        })
    }

    /// Returns what chooses the order, if another one than the recorded is followed.
    pub(crate) fn choices(&self) -> Option<&Rc<Choices>> {
        self.segments.as_deref()?.choices.as_ref()
    }

    /// Returns the number of the first segment of a poll phase, if there are segments.
    pub(crate) fn segments_of_poll(&self, arrivals: usize) -> Option<usize> {
        Some(self.segments.as_deref()?.begin_poll(arrivals))
    }

    /// Begins the segment of the arrival that is delivered next, or of the rest of the turn.
    pub(crate) fn begin_segment(&self, number: usize) {
        let Some(segments) = &self.segments else {
            return;
        };
        if self.has_diverged() || self.has_failed.get() || !self.is_segment_complete() {
            return;
        }
        match segments.begin(number, self.next.get()) {
            Some(start) => self.next.set(start),
            None => self.diverge("an arrival after the end of the recorded run".to_owned()),
        }
    }

    /// Returns whether the program has done everything that the current segment contains. Otherwise it is
    /// not followed.
    fn is_segment_complete(&self) -> bool {
        let following = |it: &&Segments| !it.is_learning() && !it.is_over();
        let Some(segments) = self.segments.as_deref().filter(following) else {
            return true;
        };
        self.skip_labels(segments);
        let is_complete = self.next.get() == segments.end() && segments.has_all_jobs();
        if !is_complete {
            self.diverge("the end of what it does for this arrival".to_owned());
        }
        is_complete
    }

    /// Skips labels, which may differ in another order.
    fn skip_labels(&self, segments: &Segments) {
        let records = &self.parsed.records;
        let mut next = self.next.get();
        while next < segments.end() && matches!(records.get(next), Some(Record::Label { .. })) {
            next += 1;
        }
        self.next.set(next);
    }

    /// Returns the number of a recorded source in the program.
    pub(crate) fn program_source_of(&self, recorded: u64) -> Option<u64> {
        match &self.segments {
            Some(segments) => segments.program_source(recorded),
            None => Some(recorded),
        }
    }

    /// Returns the number of a recorded job in the program.
    pub(crate) fn program_job_of(&self, recorded: u64) -> Option<u64> {
        match &self.segments {
            Some(segments) => segments.program_job(recorded),
            None => Some(recorded),
        }
    }

    pub(crate) fn settings(&self) -> &[u8] {
        &self.bytes[self.parsed.settings.clone()]
    }

    pub(crate) fn has_start(&self) -> bool {
        self.parsed.has_start
    }

    pub(crate) fn damage(&self) -> Option<(usize, &'static str)> {
        self.parsed.damage
    }

    pub(crate) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// Returns the result of a call as `Value` has it.
    pub(super) fn result_bytes(&self, result: &CallResult) -> Cow<'_, [u8]> {
        let mut out = Output::default();
        match result {
            CallResult::Bytes(range) => return Cow::Borrowed(self.bytes(range)),
            CallResult::Number(number) => {
                out.byte(0);
                out.number(*number);
            }
            CallResult::Contents(range) => {
                out.byte(0);
                out.number(range.len() as u64);
                out.bytes.extend_from_slice(self.bytes(range));
            }
            CallResult::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock).encode(&mut out),
            CallResult::Answer(answer) => {
                out.byte(0);
                answer.encode(&mut out);
            }
        }
        Cow::Owned(out.into_bytes())
    }

    /// Returns the records in words.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let records = self.parsed.records.iter();
        records.map(|record| describe::of_record(record, self))
    }

    pub(crate) fn has_diverged(&self) -> bool {
        self.divergence.borrow().is_some()
    }

    pub(crate) fn divergence(&self) -> Option<Divergence> {
        self.divergence.borrow().clone()
    }

    /// Returns whether a result of the job was recorded, so that it must not run.
    pub(crate) fn has_result_of(&self, job: u64) -> bool {
        let Some(segments) = &self.segments else {
            return self.jobs.contains(&job);
        };
        let recorded = segments.submit(job);
        if recorded.is_none() && !self.has_diverged() && !self.has_failed.get() {
            self.diverge(format!("the submission of job {job}"));
        }
        // After a divergence no job runs.
        recorded.is_none_or(|recorded| self.jobs.contains(&recorded))
    }

    pub(crate) fn last_now(&self) -> Duration {
        self.clock.get()
    }

    pub(crate) fn now(&self) -> Duration {
        let program = || match self.steps.borrow().last() {
            Some(step) => format!("a reading of the clock in the {step}"),
            None => "a reading of the clock by the loop".to_owned(),
        };
        let reading = self.expect(program, |record| match record {
            Record::Clock(now) => Some(*now),
            _ => None,
        });
        if let Some(now) = reading {
            // In another order than the recorded one the clock stands still instead of going back.
            self.clock.set(now.max(self.clock.get()));
        }
        self.clock.get()
    }

    /// Notes where a run was started, for the report of its end.
    pub(crate) fn begin_run(&self, location: SourceLocation) {
        self.run.set(Some(location));
    }

    pub(super) fn run(&self) -> Option<SourceLocation> {
        self.run.get()
    }

    /// Notes that an entry into user code has begun, for the report of a divergence that has no place.
    pub(crate) fn begin_step(&self, step: String) {
        self.steps.borrow_mut().push(step);
    }

    pub(crate) fn end_step(&self) {
        self.steps.borrow_mut().pop();
    }

    /// Returns the next poll phase of the recording.
    pub(crate) fn poll(&self) -> Option<&PollRecord> {
        if !self.has_diverged() && !self.has_failed.get() && !self.is_segment_complete() {
            return None;
        }
        if let Some(segments) = &self.segments {
            segments.end_learning(self.next.get());
        }
        let poll = self.expect_next(
            || "a poll phase".to_owned(),
            |record| match record {
                Record::Poll(poll) => Some(poll),
                _ => None,
            },
        )?;
        if let Some(now) = poll.now {
            self.clock.set(now.max(self.clock.get()));
        }
        Some(poll)
    }

    /// Notes that the program has read zeros in the place of contents that were not recorded.
    pub(crate) fn note_zeros(&self) {
        self.has_zeros.set(true);
    }

    /// Returns whether the program has read zeros.
    pub(crate) fn has_zeros(&self) -> bool {
        self.has_zeros.get()
    }

    /// Takes the result of a job, which `take` reads.
    pub(crate) fn job_result<T>(
        &self,
        result: &Range<usize>,
        take: impl FnOnce(&mut Input<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut input = Input::new(self.bytes(result));
        let taken = take(&mut input);
        if input.has_zeros {
            self.note_zeros();
        }
        taken
    }

    /// Stops comparing, because the run has failed.
    pub(super) fn failed(&self) {
        self.has_failed.set(true);
    }

    /// Returns the recorded result of a call, which `take` reads.
    pub(super) fn call<T>(
        &self,
        operation: Operation,
        subject: Subject<'_>,
        take: impl FnOnce(Input<'_>) -> Result<T, Unusable>,
    ) -> Option<T> {
        let program = || describe::of_program(operation, subject, self);
        let recorded_subject = self.recorded_subject(operation, subject);
        let result = self.expect(program, |record| match record {
            Record::Call {
                operation: recorded,
                subject: of,
                result,
            } if *recorded == operation && is_same(operation, recorded_subject, *of) => {
                Some(result)
            }
            _ => None,
        })?;
        if operation == Operation::StartChild && !self.may_start_child() {
            self.diverge(format!("{}, in another order", program()));
            return None;
        }
        let bytes = self.result_bytes(result);
        let result = match take(Input::new(&bytes)) {
            Ok(result) => Some(result),
            Err(unusable) => {
                self.next.set(self.next.get() - 1);
                self.diverge(format!("{}, {unusable}", program()));
                return None;
            }
        };
        if operation == Operation::Register
            && bytes.first() == Some(&0)
            && let Subject::Place(location) = subject
        {
            self.program_sources.borrow_mut().push(location);
            if let Some(segments) = &self.segments {
                let record = self.next.get() - 1;
                let sources = &self.parsed.sources;
                let number = sources.partition_point(|it| it.record < record);
                segments.sources.borrow_mut().push(number as u64);
            }
        }
        result
    }

    /// Returns a subject with the number that it has in the recording.
    fn recorded_subject<'a>(&self, operation: Operation, subject: Subject<'a>) -> Subject<'a> {
        let Some(segments) = &self.segments else {
            return subject;
        };
        let recorded = match subject {
            Subject::Source(source) => segments.recorded_source(source.number),
            Subject::Number(job) if operation == Operation::CancelJob => segments.recorded_job(job),
            _ => return subject,
        };
        Subject::Number(recorded.unwrap_or(u64::MAX))
    }

    /// Returns whether children are started in the order of the recording, by which they are numbered.
    fn may_start_child(&self) -> bool {
        let record = self.next.get();
        let last = self
            .segments
            .as_ref()
            .map(|it| it.last_child.replace(record));
        last.is_none_or(|last| last < record)
    }

    pub(super) fn label(&self, text: &str, location: SourceLocation) {
        if self.choices().is_some() {
            return; // labels may differ in another order
        }
        let program = || format!("the label {text:?} at {location}");
        self.expect(program, |record| match record {
            Record::Label { text: recorded, .. } if recorded == text => Some(()),
            _ => None,
        });
    }

    /// Takes the next record of the current segment if it is what the program asks for.
    fn expect<'a, T>(
        &'a self,
        program: impl FnOnce() -> String,
        accept: impl FnOnce(&'a Record) -> Option<T>,
    ) -> Option<T> {
        let following = |it: &&Segments| !it.is_learning() && !it.is_over();
        let is_over = match self.segments.as_deref().filter(following) {
            Some(segments) => {
                self.skip_labels(segments);
                self.next.get() >= segments.end()
            }
            None => false,
        };
        self.expect_next(
            program,
            |record| if is_over { None } else { accept(record) },
        )
    }

    /// Takes the next record if it is what the program asks for.
    fn expect_next<'a, T>(
        &'a self,
        program: impl FnOnce() -> String,
        accept: impl FnOnce(&'a Record) -> Option<T>,
    ) -> Option<T> {
        if self.has_diverged() || self.has_failed.get() {
            return None;
        }
        let accepted = self.parsed.records.get(self.next.get()).and_then(accept);
        match accepted {
            Some(_) => self.next.set(self.next.get() + 1),
            None => self.diverge(program()),
        }
        accepted
    }

    /// Ends the replay because the program does something else.
    #[cold]
    pub(crate) fn diverge(&self, program: String) {
        let next = self.next.get();
        let records = &self.parsed.records;
        let before = &records[next.saturating_sub(RECORDS_BEFORE)..next.min(records.len())];
        let end = match records.get(next) {
            Some(Record::End(reason)) => Some(*reason),
            _ => None,
        };
        let recorded = records.get(next).filter(|_| end.is_none());
        let divergence = Divergence {
            record: next,
            recorded: recorded.map(|record| describe::of_record(record, self)),
            program,
            before: before
                .iter()
                .map(|record| describe::of_record(record, self))
                .collect(),
            damage: self.parsed.damage,
            end,
            has_zeros: self.has_zeros.get(),
        };
        self.divergence.borrow_mut().get_or_insert(divergence);
    }

    /// Checks at the end of the run that the recording has ended as well.
    pub(crate) fn finish(&self) {
        let is_at_end = matches!(
            self.parsed.records.get(self.next.get()),
            None | Some(Record::End(_))
        );
        if !is_at_end {
            self.diverge("the end of the run".to_owned());
        }
    }

    pub(super) fn place(&self, id: u64) -> Option<&Place> {
        let id = usize::try_from(id).ok()?;
        self.parsed.places.get(id)?.as_ref()
    }

    /// Returns where a source of the recording was created.
    pub(super) fn recorded_source(&self, number: u64) -> Option<&Place> {
        let number = usize::try_from(number).ok()?;
        self.place(self.parsed.sources.get(number)?.place?)
    }

    /// Returns where a source of the replay was created.
    pub(super) fn program_source(&self, number: u64) -> Option<SourceLocation> {
        let number = usize::try_from(number).ok()?;
        self.program_sources.borrow().get(number).copied()
    }
}

/// Why the program can't receive a recorded result.
pub(super) enum Unusable {
    Type,
    /// The program reads into a buffer of this length, which is shorter than what was read.
    Buffer(usize),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Type => f.write_str("with a result of another type"),
            Unusable::Buffer(length) => write!(f, "into a buffer of {length} bytes"),
        }
    }
}

fn is_same(operation: Operation, subject: Subject<'_>, recorded: u64) -> bool {
    match subject {
        Subject::Source(source) => source.number == recorded,
        Subject::Number(number) => !operation.has_stable_subject() || number == recorded,
        Subject::Nothing | Subject::Place(_) => true,
    }
}

fn recorded_job(arrival: &ArrivalRecord) -> Option<u64> {
    match arrival {
        ArrivalRecord::Job(id, JobRecord::Result(_) | JobRecord::Panicked(_)) => Some(*id),
        _ => None,
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "the replay differs from the recording at record {}",
            self.record
        )?;
        for line in &self.before {
            writeln!(f, "      both: {line}")?;
        }
        match (&self.recorded, self.end, self.damage) {
            (Some(recorded), ..) => writeln!(f, "  recorded: {recorded}")?,
            (None, Some(reason), _) => writeln!(f, "  recorded: {}", describe::of_end(reason))?,
            (None, None, Some((offset, what))) => {
                writeln!(
                    f,
                    "  recorded: nothing more, because {what} (byte {offset})"
                )?;
            }
            (None, None, None) => writeln!(f, "  recorded: nothing more")?,
        }
        writeln!(f, "   program: {}", self.program)?;
        if self.has_zeros {
            writeln!(f, "{NO_PAYLOADS}")?;
        }
        f.write_str("make the program do the same, or record it again")
    }
}
