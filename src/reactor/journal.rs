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
//! arrivals of a poll phase by `phases/poll/delivery/journaled.rs`.
//!
//! Invariants: a journal never calls user code, and belongs to one loop. Places in the source
//! are recorded for reports only and never compared, because a change of the program moves its lines.

pub(crate) mod describe;
pub(crate) mod format;
mod reader;
mod segments;
pub(crate) mod value;
mod writer;

use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut};
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use crate::reactor::clock::machine_now;
pub(crate) use describe::Operation;
pub(crate) use reader::{Divergence, Reader};
pub(crate) use segments::{Segment, Segments};
use value::{Input, Output, Value};
use writer::Writer;
pub(crate) use writer::WriterSettings;

pub(crate) struct Journal {
    mode: Mode,
    /// Set while the poll phase waits: what it reads then does not reach the program.
    is_paused: Cell<bool>,
}

enum Mode {
    Recording(RefCell<Writer>),
    Replaying(Reader),
}

/// A position in the source of the program.
pub(crate) type SourceLocation = &'static Location<'static>;

/// What a call concerns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    Nothing,
    /// A source, a job, a child or a signal by its number.
    Number(u64),
    Place(SourceLocation),
}

impl Journal {
    pub(crate) fn recording(settings: WriterSettings, loop_settings: &[u8]) -> io::Result<Journal> {
        let writer = Writer::new(settings, loop_settings)?;
        Ok(Journal::new(Mode::Recording(RefCell::new(writer))))
    }

    pub(crate) fn replaying(reader: Reader) -> Journal {
        Journal::new(Mode::Replaying(reader))
    }

    fn new(mode: Mode) -> Journal {
        Journal {
            mode,
            is_paused: Cell::new(false),
        }
    }

    /// Returns the recording that is replayed, if one is.
    pub(crate) fn reader(&self) -> Option<&Reader> {
        match &self.mode {
            Mode::Recording(_) => None,
            Mode::Replaying(reader) => Some(reader),
        }
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.reader().is_some()
    }

    /// Calls `wait` without recording what it reads.
    pub(crate) fn paused<R>(&self, wait: impl FnOnce() -> R) -> R {
        let before = self.is_paused.replace(true);
        let result = wait();
        self.is_paused.set(before);
        result
    }

    /// Reads the clock for the program.
    pub(crate) fn now(&self) -> Duration {
        if self.is_paused.get() {
            return self.now_for_observers();
        }
        match &self.mode {
            Mode::Recording(writer) => {
                let now = machine_now();
                writer.borrow_mut().clock(now);
                now
            }
            Mode::Replaying(reader) => reader.now(),
        }
    }

    /// Reads the clock for a report, which the program does not see. In a replay it is the time of the
    /// last reading.
    pub(crate) fn now_for_observers(&self) -> Duration {
        match &self.mode {
            Mode::Recording(_) => machine_now(),
            Mode::Replaying(reader) => reader.last_now(),
        }
    }

    /// Calls the operating system, or returns the recorded result.
    pub(crate) fn call<T: Value>(
        &self,
        operation: Operation,
        subject: Subject,
        real: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.mode {
            Mode::Recording(writer) => {
                let result = real();
                record_result(&mut writer.borrow_mut(), operation, subject, &result);
                result
            }
            Mode::Replaying(reader) => {
                let take = |mut input: Input<'_>| <io::Result<T>>::decode(&mut input);
                let recorded = reader.call(operation, subject, take);
                recorded.unwrap_or_else(|| Err(end_of_replay()))
            }
        }
    }

    /// Reads into `buffers`, or fills them with the recorded bytes. `length_of` returns how many bytes
    /// a result has filled.
    pub(crate) fn read<T: Value>(
        &self,
        subject: Subject,
        buffers: &mut [IoSliceMut<'_>],
        real: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<T>,
        length_of: impl Fn(&T) -> usize,
    ) -> io::Result<T> {
        match &self.mode {
            Mode::Recording(writer) => {
                let result = real(buffers);
                let mut writer = writer.borrow_mut();
                match &result {
                    Ok(value) if writer.out().payloads => {
                        record_call(&mut writer, Operation::Read, subject, |out| {
                            result.encode(out);
                            put_contents(out, buffers, length_of(value));
                        });
                    }
                    _ => record_result(&mut writer, Operation::Read, subject, &result),
                }
                result
            }
            Mode::Replaying(reader) => {
                let take = |mut input: Input<'_>| {
                    let result = <io::Result<T>>::decode(&mut input)?;
                    if let Ok(value) = &result {
                        let length = length_of(value);
                        if length > 0 && input.left() == 0 {
                            reader.note_zeros();
                        }
                        take_contents(&mut input, buffers, length);
                    }
                    Some(result)
                };
                let recorded = reader.call(Operation::Read, subject, take);
                recorded.unwrap_or_else(|| Err(end_of_replay()))
            }
        }
    }

    /// Evaluates a condition that other threads may change, or returns the recorded answer.
    pub(crate) fn condition(&self, operation: Operation, real: impl FnOnce() -> bool) -> bool {
        if self.is_paused.get() {
            return real();
        }
        let answer = self.call(operation, Subject::Nothing, || Ok(real()));
        // The loop of a replay that has diverged must reach the poll phase that stops it.
        answer.unwrap_or(operation == Operation::IsAlive)
    }

    /// Records a label of a log, or compares it with the recorded one.
    pub(crate) fn label(&self, text: &str, location: SourceLocation) {
        match &self.mode {
            Mode::Recording(writer) => {
                let mut writer = writer.borrow_mut();
                let place = writer.place(location);
                let out = writer.out();
                out.byte(5);
                out.number(place);
                out.text(text.as_bytes());
                writer.end_record();
            }
            Mode::Replaying(reader) => reader.label(text, location),
        }
    }

    /// Records a poll phase in which one source has become ready, and nothing else has arrived.
    #[inline]
    pub(crate) fn record_ready(&self, source: u64, flags: u8) {
        if let Mode::Recording(writer) = &self.mode {
            writer.borrow_mut().ready(source, flags);
        }
    }

    /// Records a poll phase. `arrivals` appends `count` of them.
    pub(crate) fn record_poll(
        &self,
        now: Option<Duration>,
        is_held: bool,
        count: usize,
        arrivals: impl FnOnce(&mut Output),
    ) {
        let Mode::Recording(writer) = &self.mode else {
            return;
        };
        let mut writer = writer.borrow_mut();
        let out = writer.out();
        out.byte(2);
        let flags = u64::from(now.is_some()) << 1 | u64::from(is_held);
        out.number((count as u64) << 2 | flags);
        if let Some(now) = now {
            out.number(now.as_nanos() as u64);
        }
        arrivals(out);
        writer.end_record();
    }

    /// Ends the recording or the replay, because the run has failed.
    pub(crate) fn failed(&self) {
        match &self.mode {
            Mode::Recording(writer) => writer.borrow_mut().failed(),
            Mode::Replaying(reader) => reader.failed(),
        }
    }

    /// Writes the ring to a file.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        match &self.mode {
            Mode::Recording(writer) => writer.borrow_mut().save(path),
            Mode::Replaying(_) => Err(io::Error::other("a replay is not recorded")),
        }
    }

    /// Writes what was recorded so far to the file of the recording.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let Mode::Recording(writer) = &self.mode else {
            return Ok(());
        };
        let mut writer = writer.borrow_mut();
        writer.flush(false);
        writer.take_error().map_or(Ok(()), Err)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Mode::Recording(writer) = &self.mode {
            writer.borrow_mut().flush(true);
        }
    }
}

/// The error of a call after the end of a replay. Its kind makes a task wait, which the next poll phase
/// ends.
#[cold]
fn end_of_replay() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the replay has ended here")
}

/// Appends a call, in the shorter form if its result has one.
#[inline]
fn record_result<T: Value>(
    writer: &mut Writer,
    operation: Operation,
    subject: Subject,
    result: &io::Result<T>,
) {
    if let Subject::Number(number) = subject {
        match result {
            Ok(value) => {
                if let Some(value) = value.as_number() {
                    return writer.number(0x40 + operation as u8, number, value);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return writer.would_block(0x80 + operation as u8, number);
            }
            Err(_) => {}
        }
    }
    record_call(writer, operation, subject, |out| result.encode(out));
}

fn record_call(
    writer: &mut Writer,
    operation: Operation,
    subject: Subject,
    put: impl FnOnce(&mut Output),
) {
    let subject = match subject {
        Subject::Nothing => 0,
        Subject::Number(number) => number,
        Subject::Place(location) => writer.place(location),
    };
    let out = writer.out();
    out.byte(3);
    out.byte(operation as u8);
    out.number(subject);
    put_with_length(out, put);
    writer.end_record();
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

fn put_contents(out: &mut Output, buffers: &[IoSliceMut<'_>], mut length: usize) {
    for buffer in buffers {
        let part = buffer.len().min(length);
        out.bytes.extend_from_slice(&buffer[..part]);
        length -= part;
    }
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
