//! A journal of everything that entered a loop, which is recorded, or from which a loop is replayed.
//!
//! A loop without a journal does not use this module. With one, each reading of the clock, each poll
//! phase and each call of the operating system passes through here. While it is recorded, the real
//! result is appended; in a replay the next record is returned instead, and the operating system is
//! not called. What the program asks for must be what it asked for in the recording. The first
//! difference ends the replay: from then on the clock stands still, calls fail with `WouldBlock`, and
//! the next poll phase stops the loop.
//!
//! Files and jobs of the pool are recorded by `blocking`, sockets by `io::PollEvented`, and the
//! arrivals of a poll phase by `phases/poll/delivery/journaled.rs`. Within a poll phase only the arrivals are
//! recorded: the readings of the clock and the conditions that decide how long it waits are not.
//!
//! Invariants: a journal never calls user code, and belongs to one loop. Places in the source
//! are recorded for reports only and never compared, because a change of the program moves its lines.

mod claim;
pub(crate) mod describe;
pub(crate) mod format;
mod reader;
mod recorder;
mod segments;
#[cfg(test)]
mod tests;
pub(crate) mod value;
mod writer;

use std::io::{self, IoSliceMut};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use crate::reactor::clock::machine_now;
pub(crate) use describe::Operation;
use reader::Unusable;
pub(crate) use reader::{Divergence, NO_PAYLOADS, Reader};
pub(crate) use recorder::{Recorder, SourceName};
pub(crate) use segments::{Segment, Segments};
use value::{Input, Output, Value};
pub(crate) use writer::WriterSettings;

/// One of the two sides of a journal, which the parts of a loop share.
#[derive(Clone)]
pub(crate) enum Journal {
    Recording(Rc<Recorder>),
    Replaying(Rc<Reader>),
}

/// A position in the source of the program.
pub(crate) type SourceLocation = &'static Location<'static>;

/// What a call concerns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Nothing,
    /// A job, a child or a signal by its number.
    Number(u64),
    Source(&'a SourceName),
    Place(SourceLocation),
}

impl Journal {
    /// Begins a recording of a loop, whose clock may be virtual.
    pub(crate) fn recording(
        settings: WriterSettings,
        loop_settings: &[u8],
        is_virtual: bool,
    ) -> io::Result<Journal> {
        let recorder = Recorder::new(settings, loop_settings, is_virtual)?;
        Ok(Journal::Recording(Rc::new(recorder)))
    }

    pub(crate) fn replaying(reader: Reader) -> Journal {
        Journal::Replaying(Rc::new(reader))
    }

    /// Returns the recording that is replayed, if one is.
    #[inline]
    pub(crate) fn reader(&self) -> Option<&Reader> {
        match self {
            Journal::Recording(_) => None,
            Journal::Replaying(reader) => Some(reader),
        }
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.reader().is_some()
    }

    /// Names a source that was registered in `slot` after `number` others.
    pub(crate) fn name_of(&self, number: u64, slot: usize) -> SourceName {
        match self {
            Journal::Recording(recorder) => recorder.name_of(number, slot),
            Journal::Replaying(_) => SourceName::of_replay(number),
        }
    }

    /// Reads the clock for the program.
    pub(crate) fn now(&self) -> Duration {
        match self {
            Journal::Recording(recorder) => recorder.now(),
            Journal::Replaying(reader) => reader.now(),
        }
    }

    /// Reads the clock for what the program does not see. In a replay it is the time of the last reading.
    pub(crate) fn unrecorded_now(&self) -> Duration {
        match self {
            Journal::Recording(_) => machine_now(),
            Journal::Replaying(reader) => reader.last_now(),
        }
    }

    /// Calls the operating system, or returns the recorded result.
    pub(crate) fn call<T: Value>(
        &self,
        operation: Operation,
        subject: Subject<'_>,
        real: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match self {
            Journal::Recording(recorder) => {
                let result = real();
                recorder.result(operation, subject, &result);
                result
            }
            Journal::Replaying(reader) => replayed(reader, operation, subject),
        }
    }

    /// Evaluates a condition that other threads may change, or returns the recorded answer.
    pub(crate) fn condition(&self, operation: Operation, real: impl FnOnce() -> bool) -> bool {
        match self {
            Journal::Recording(recorder) => {
                let answer = real();
                recorder.answer(operation, answer);
                answer
            }
            Journal::Replaying(reader) => {
                let answer = replayed(reader, operation, Subject::Nothing);
                // The loop of a replay that has diverged must reach the poll phase that stops it.
                answer.unwrap_or(operation == Operation::IsAlive)
            }
        }
    }

    /// Records a label of a log, or compares it with the recorded one.
    pub(crate) fn label(&self, text: &str, location: SourceLocation) {
        match self {
            Journal::Recording(recorder) => recorder.label(text, location),
            Journal::Replaying(reader) => reader.label(text, location),
        }
    }

    /// Ends the recording or the replay, because the run has failed.
    pub(crate) fn failed(&self) {
        match self {
            Journal::Recording(recorder) => recorder.failed(),
            Journal::Replaying(reader) => reader.failed(),
        }
    }
}

/// Returns the recorded result of a call.
pub(crate) fn replayed<T: Value>(
    reader: &Reader,
    operation: Operation,
    subject: Subject<'_>,
) -> io::Result<T> {
    let take = |mut input: Input<'_>| <io::Result<T>>::decode(&mut input).ok_or(Unusable::Type);
    let recorded = reader.call(operation, subject, take);
    recorded.unwrap_or_else(|| Err(end_of_replay()))
}

/// Fills `buffers` with what a read has returned in the recording. `length_of` returns how many bytes a
/// result has filled.
pub(crate) fn replayed_read<T: Value>(
    reader: &Reader,
    source: &SourceName,
    buffers: &mut [IoSliceMut<'_>],
    length_of: impl Fn(&T) -> usize,
) -> io::Result<T> {
    let take = |mut input: Input<'_>| {
        let result = <io::Result<T>>::decode(&mut input).ok_or(Unusable::Type)?;
        if let Ok(value) = &result {
            let length = length_of(value);
            let capacity = buffers.iter().map(|buffer| buffer.len()).sum();
            if length > capacity {
                return Err(Unusable::Buffer(capacity));
            }
            if length > 0 && input.left() == 0 {
                reader.note_zeros();
            }
            take_contents(&mut input, buffers, length);
        }
        Ok(result)
    };
    let recorded = reader.call(Operation::Read, Subject::Source(source), take);
    recorded.unwrap_or_else(|| Err(end_of_replay()))
}

/// The error of a call after the end of a replay. Its kind makes a task wait, which the next poll phase
/// ends.
#[cold]
fn end_of_replay() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the replay has ended here")
}

/// Appends what `put` appends, with its length before it.
#[inline]
pub(crate) fn put_with_length(out: &mut Output, put: impl FnOnce(&mut Output)) {
    let at = out.bytes.len();
    out.byte(0); // the length of nearly all results fits into one byte
    put(out);
    let length = out.bytes.len() - at - 1;
    if length < 0x80 {
        out.bytes[at] = length as u8;
        return;
    }
    let mut head = Output::default();
    head.number(length as u64);
    out.bytes.splice(at..=at, head.bytes);
}

/// Fills the buffers with what was recorded; with zeros if only the length was.
fn take_contents(input: &mut Input<'_>, buffers: &mut [IoSliceMut<'_>], mut length: usize) {
    for buffer in buffers {
        let part = buffer.len().min(length);
        match input.take(part) {
            Some(recorded) => buffer[..part].copy_from_slice(recorded),
            None => buffer[..part].fill(0),
        }
        length -= part;
    }
}
