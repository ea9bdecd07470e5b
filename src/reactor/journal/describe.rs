//! What the records of a journal mean, in words, for reports.

use std::fmt::Write;

use super::format::{ArrivalRecord, EndReason, JobRecord, Place, Record};
use super::recorder::SourceName;
use super::value::{Input, Value};
use super::{Reader, Subject};

/// A call of the operating system, or a question that only it or another thread can answer. The numbers
/// are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    Read = 1,
    Write = 2,
    Accept = 3,
    Query = 4,
    Register = 5,
    Bind = 6,
    Connect = 7,
    Seek = 8,
    CancelJob = 9,
    StartChild = 10,
    ChildStatus = 11,
    KillChild = 12,
    CountSignals = 13,
    IsAlive = 14,
    IsOutOfReach = 15,
    HasWaited = 16,
}

impl Operation {
    const ALL: [Operation; 16] = [
        Operation::Read,
        Operation::Write,
        Operation::Accept,
        Operation::Query,
        Operation::Register,
        Operation::Bind,
        Operation::Connect,
        Operation::Seek,
        Operation::CancelJob,
        Operation::StartChild,
        Operation::ChildStatus,
        Operation::KillChild,
        Operation::CountSignals,
        Operation::IsAlive,
        Operation::IsOutOfReach,
        Operation::HasWaited,
    ];

    pub(super) fn of(number: u32) -> Option<Operation> {
        let mut all = Operation::ALL.into_iter();
        all.find(|it| *it as u32 == number)
    }

    /// Returns whether the subject is a source.
    pub(super) fn is_on_source(self) -> bool {
        self.words().1 == "source"
    }

    /// Returns what is done, and the kind of the subject.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Operation::Read => ("read of", "source"),
            Operation::Write => ("write to", "source"),
            Operation::Accept => ("accept on", "source"),
            Operation::Query => ("option or address of", "source"),
            Operation::Register => ("new source", "place"),
            Operation::Bind => ("bind", "place"),
            Operation::Connect => ("connect", "place"),
            Operation::Seek => ("seek in a file", "place"),
            Operation::CancelJob => ("cancellation of", "job"),
            Operation::StartChild => ("start of a child", "place"),
            Operation::ChildStatus => ("status of", "child"),
            Operation::KillChild => ("kill of", "child"),
            Operation::CountSignals => ("number of arrivals of", "signal"),
            Operation::IsAlive => ("the program has ended", ""),
            Operation::IsOutOfReach => ("whether the main future can still be woken", ""),
            Operation::HasWaited => ("whether the loop has waited for long", ""),
        }
    }

    /// Returns whether the subject is compared. Places move when a program is changed.
    pub(super) fn has_stable_subject(self) -> bool {
        !matches!(self.words().1, "place" | "")
    }
}

/// Returns what the program does in a replay.
pub(super) fn of_program(operation: Operation, subject: Subject<'_>, reader: &Reader) -> String {
    let (verb, kind) = operation.words();
    match subject {
        Subject::Nothing if operation == Operation::IsAlive => {
            let place = reader.run();
            let place =
                place.map_or_else(String::new, |place| format!(", whose run began at {place}"));
            format!("{verb}{place}")
        }
        Subject::Nothing => verb.to_owned(),
        Subject::Place(location) => format!("{verb} at {location}"),
        Subject::Source(SourceName { number, .. }) => {
            let place = reader.program_source(*number);
            let place = place.map_or_else(String::new, |place| format!(", created at {place}"));
            format!("{verb} source {number}{place}")
        }
        Subject::Number(number) => format!("{verb} {kind} {number}"),
    }
}

/// Returns what a record contains.
pub(super) fn of_record(record: &Record, reader: &Reader) -> String {
    match record {
        Record::Clock(now) => format!("a reading of the clock: {now:?}"),
        Record::Poll(poll) => {
            let mut text = "a poll phase".to_owned();
            if poll.arrivals.is_empty() {
                text.push_str(" in which nothing arrived");
            }
            for (index, arrival) in poll.arrivals.iter().enumerate() {
                text.push_str(if index == 0 { ": " } else { ", " });
                text.push_str(&of_arrival(arrival, reader));
            }
            text
        }
        Record::Call {
            operation,
            subject,
            result,
        } => of_call(*operation, *subject, &reader.result_bytes(result), reader),
        Record::Label { location, text } => {
            format!("the label {text:?}{}", at(reader.place(*location)))
        }
        Record::End(reason) => of_end(*reason).to_owned(),
    }
}

pub(super) fn of_end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::LoopEnded => "the end of the loop",
        EndReason::LimitReached => "the end of the recording: its limit was reached",
        EndReason::RunFailed => "the end of the recording: the run has failed",
        EndReason::SavedBefore => "the end of the recording: it was saved here, while the loop ran",
    }
}

fn of_call(operation: Operation, subject: u64, result: &[u8], reader: &Reader) -> String {
    let (verb, kind) = operation.words();
    let is_kept_alive = || {
        let answer = <std::io::Result<bool>>::decode(&mut Input::new(result));
        matches!(answer, Some(Ok(true)))
    };
    let mut text = match kind {
        _ if operation == Operation::IsAlive && is_kept_alive() => {
            "another thread keeps the loop alive".to_owned()
        }
        "" => verb.to_owned(),
        "place" => format!("{verb}{}", at(reader.place(subject))),
        "source" => {
            let created = reader.recorded_source(subject);
            let created =
                created.map_or_else(String::new, |it| format!(", created{}", at(Some(it))));
            format!("{verb} source {subject}{created}")
        }
        _ => format!("{verb} {kind} {subject}"),
    };
    let mut input = Input::new(result);
    let outcome = match (result.first(), operation) {
        (Some(0), Operation::Read | Operation::Write) => {
            input.byte();
            usize::decode(&mut input).map(|length| format!(": {length} bytes"))
        }
        (Some(0), _) => None,
        _ => std::io::Error::decode(&mut input).map(|error| format!(": {error}")),
    };
    text.push_str(&outcome.unwrap_or_default());
    text
}

fn of_arrival(arrival: &ArrivalRecord, reader: &Reader) -> String {
    match arrival {
        ArrivalRecord::Simulated(count) => format!("{count} simulated completions"),
        ArrivalRecord::Wake(promise) => format!("a wake of promise {promise}"),
        ArrivalRecord::WakeMain => "a wake of the main future".to_owned(),
        ArrivalRecord::Post(handle) => format!("a callback of handle {handle}"),
        ArrivalRecord::External(id) => format!("the result of external operation {id}"),
        ArrivalRecord::ExternalDropped(id) => format!("the end of external operation {id}"),
        ArrivalRecord::Job(id, JobRecord::Opaque) => format!("job {id}"),
        ArrivalRecord::Job(id, JobRecord::Result(_)) => format!("job {id} with its result"),
        ArrivalRecord::Job(id, JobRecord::Panicked(text)) => {
            format!("job {id}, which has panicked: {text}")
        }
        ArrivalRecord::Ready(number, flags) => {
            let mut text = format!("source {number} is");
            for (bit, name) in [(1, "readable"), (2, "writable"), (4, "closed for reading")] {
                if flags & bit != 0 {
                    let _ = write!(text, " {name}"); // never fails
                }
            }
            text.push_str(&at(reader.recorded_source(*number)));
            text
        }
        ArrivalRecord::Signal(number) => format!("signal {number}"),
        ArrivalRecord::Unsupported => "something that cannot be replayed".to_owned(),
    }
}

fn at(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| {
        format!(" at {}:{}:{}", place.file, place.line, place.column)
    })
}
