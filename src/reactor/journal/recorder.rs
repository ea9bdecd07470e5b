//! The side of a journal that records.
//!
//! The usual records are one word each (`format.rs`), which is put into a block of fixed size, so that
//! recording one takes about ten instructions. Everything else is encoded as bytes first. A full block
//! goes to the [`Writer`].
//!
//! Invariant: nothing is borrowed while a value of the program is encoded.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut};
use std::path::Path;
use std::time::Duration;

use super::describe::Operation;
use super::format::{self, BYTES_END, LENGTH_END, NANOSECONDS_END, SLOT_END, SLOT_SHIFT, Word};
use super::value::{Output, Value};
use super::writer::{Writer, WriterSettings};
use super::{SourceLocation, Subject, put_with_length};
use crate::reactor::clock::machine_now;

/// How many words a block has: 16 KiB.
const BLOCK: usize = 4096;

/// What is no code of an error.
const NO_CODE: i32 = i32::MIN;

pub(crate) struct Recorder {
    /// The words of the block that is being filled.
    words: [Cell<u32>; BLOCK],
    /// How many of them are used. All once the recording has ended.
    used: Cell<usize>,
    /// The number of slots that fit into a word of readiness; 0 if such a poll phase needs a longer record,
    /// because the clock is virtual.
    ready_slots: usize,
    payloads: bool,
    /// Set while the poll phase collects, of which only the arrivals are recorded.
    is_polling: Cell<bool>,
    /// The last reading of the clock in this block, in nanoseconds.
    last_reading: Cell<u64>,
    scratch: Cell<Output>,
    writer: RefCell<Writer>,
}

/// What a recording calls a source.
#[derive(Debug, Default)]
pub(crate) struct SourceName {
    /// How many sources were registered before.
    pub(super) number: u64,
    /// Where the source is in the table of registrations.
    pub(super) slot: usize,
    /// The slot at its place in a word.
    in_word: u32,
    /// The code of the system's error for an operation that would block, once one has occurred and if the
    /// slot fits into a word.
    would_block: Cell<i32>,
    /// The length from which a read or write needs a longer record; 0 if each does.
    length_end: u32,
    /// The same for a read whose contents may be recorded.
    read_end: u32,
}

impl SourceName {
    pub(super) fn of_replay(number: u64) -> SourceName {
        SourceName {
            number,
            ..SourceName::default()
        }
    }
}

impl Recorder {
    pub(super) fn new(
        settings: WriterSettings,
        loop_settings: &[u8],
        is_virtual: bool,
    ) -> io::Result<Recorder> {
        let payloads = settings.payloads;
        Ok(Recorder {
            words: [const { Cell::new(0) }; BLOCK],
            used: Cell::new(0),
            ready_slots: if is_virtual { 0 } else { SLOT_END },
            payloads,
            is_polling: Cell::new(false),
            last_reading: Cell::new(0),
            scratch: Cell::default(),
            writer: RefCell::new(Writer::new(settings, loop_settings)?),
        })
    }

    /// Names a source that was registered in `slot` after `number` others.
    pub(crate) fn name_of(&self, number: u64, slot: usize) -> SourceName {
        let fits = slot < SLOT_END;
        let length_end = if fits { LENGTH_END } else { 0 };
        SourceName {
            number,
            slot,
            in_word: if fits { (slot as u32) << SLOT_SHIFT } else { 0 },
            would_block: Cell::new(NO_CODE),
            length_end,
            read_end: if self.payloads { 0 } else { length_end },
        }
    }

    /// Appends a record of one word, if the block has room for it.
    #[inline]
    fn try_push(&self, word: u32) -> bool {
        let used = self.used.get();
        let place = self.words.get(used);
        if let Some(place) = place {
            place.set(word);
            self.used.set(used + 1);
        }
        place.is_some()
    }

    /// Appends a record of one word.
    #[inline]
    fn push(&self, word: u32) {
        if !self.try_push(word) {
            self.push_to_next_block(word);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_to_next_block(&self, word: u32) {
        if self.end_block() {
            self.words[0].set(word);
            self.used.set(1);
        }
    }

    /// Appends a record of bytes, which `put` encodes.
    fn record(&self, put: impl FnOnce(&mut Output)) {
        let mut out = self.scratch.take();
        out.payloads = self.payloads;
        put(&mut out);
        self.push_bytes(Word::Bytes as u32, &out.bytes);
        out.bytes.clear();
        self.scratch.set(out);
    }

    /// Appends a word that contains the length of `bytes`, and the bytes. Longer ones than a word can name
    /// end the recording.
    fn push_bytes(&self, word: u32, bytes: &[u8]) {
        if bytes.len() >= BYTES_END {
            self.end(1);
            return;
        }
        let needed = 1 + bytes.len().div_ceil(4);
        if self.used.get() + needed > BLOCK {
            if !self.end_block() {
                return;
            }
            if needed > BLOCK {
                return self.writer.borrow_mut().long_block(word, bytes);
            }
        }
        let used = self.used.get();
        let places = &self.words[used..used + needed];
        places[0].set(word | (bytes.len() as u32) << format::LENGTH_SHIFT);
        let (chunks, rest) = bytes.as_chunks::<4>();
        for (place, chunk) in places[1..].iter().zip(chunks) {
            place.set(u32::from_le_bytes(*chunk));
        }
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            places[needed - 1].set(u32::from_le_bytes(last));
        }
        self.used.set(used + needed);
    }

    /// Passes the block to the writer and begins a new one. Returns `false` if the recording has ended.
    fn end_block(&self) -> bool {
        let mut writer = self.writer.borrow_mut();
        if writer.has_ended() {
            return false;
        }
        writer.end_block(&self.words[..self.used.get()]);
        self.used.set(0);
        self.last_reading.set(0); // so that a reader can begin at any block
        true
    }

    /// Records a reading of the clock, and returns it.
    pub(super) fn now(&self) -> Duration {
        let now = machine_now();
        let nanoseconds = now.as_secs() * 1_000_000_000 + u64::from(now.subsec_nanos());
        if self.used.get() == BLOCK {
            self.end_block(); // so that the time since the last reading is that of its own block
        }
        let passed = nanoseconds.saturating_sub(self.last_reading.get());
        if passed < NANOSECONDS_END {
            self.push(Word::Clock as u32 | (passed as u32) << format::LENGTH_SHIFT);
        } else {
            self.record(|out| {
                out.byte(1);
                out.number(nanoseconds);
            });
        }
        self.last_reading.set(nanoseconds);
        now
    }

    /// Records the result of an operation on a source, and returns it.
    #[inline]
    pub(crate) fn operation<T: Value>(
        &self,
        operation: Operation,
        source: &SourceName,
        result: io::Result<T>,
    ) -> io::Result<T> {
        match self.try_result(operation, source, source.length_end, result) {
            Ok(result) => result,
            Err(result) => self.slow_operation(operation, source, result),
        }
    }

    /// Records a result that needs a longer record or another block. It receives the result by value, so
    /// that the usual one stays in registers.
    #[inline(never)]
    fn slow_operation<T: Value>(
        &self,
        operation: Operation,
        source: &SourceName,
        result: io::Result<T>,
    ) -> io::Result<T> {
        if self.used.get() == BLOCK {
            self.end_block();
        }
        let result = match self.try_result(operation, source, source.length_end, result) {
            Ok(result) => return result,
            Err(result) => result,
        };
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::WouldBlock
            && source.length_end > 0
        {
            source
                .would_block
                .set(error.raw_os_error().unwrap_or(NO_CODE));
        }
        self.result(operation, Subject::Source(source), &result);
        result
    }

    /// Records the result of a read into `buffer`, of which `length_of` returns the length, and returns it.
    #[inline]
    pub(crate) fn read<T: Value>(
        &self,
        source: &SourceName,
        result: io::Result<T>,
        buffer: &[u8],
        length_of: impl Fn(&T) -> usize,
    ) -> io::Result<T> {
        match self.try_result(Operation::Read, source, source.read_end, result) {
            Ok(result) => result,
            Err(result) => self.slow_read(source, result, buffer, length_of),
        }
    }

    #[inline(never)]
    fn slow_read<T: Value>(
        &self,
        source: &SourceName,
        result: io::Result<T>,
        buffer: &[u8],
        length_of: impl Fn(&T) -> usize,
    ) -> io::Result<T> {
        match &result {
            Ok(value) if self.payloads => {
                self.contents(source, &result, &buffer[..length_of(value)]);
                result
            }
            _ => self.slow_operation(Operation::Read, source, result),
        }
    }

    /// Records a result in one word, if there is room and the result has one: a length below `length_end`, or
    /// the error of an operation that would have blocked, unless it is the first. Otherwise returns it as an
    /// error.
    #[inline]
    fn try_result<T: Value>(
        &self,
        operation: Operation,
        source: &SourceName,
        length_end: u32,
        result: io::Result<T>,
    ) -> Result<io::Result<T>, io::Result<T>> {
        match result {
            Ok(value) => {
                let kind = match operation {
                    Operation::Read => Word::Read,
                    Operation::Write => Word::Write,
                    _ => return Err(Ok(value)),
                };
                match value.as_number() {
                    Some(length) if length < u64::from(length_end) => {
                        let length = (length as u32) << format::LENGTH_SHIFT;
                        match self.try_push(kind as u32 | length | source.in_word) {
                            true => Ok(Ok(value)),
                            false => Err(Ok(value)),
                        }
                    }
                    _ => Err(Ok(value)),
                }
            }
            Err(error) => {
                let word = would_block_word(operation) | source.in_word;
                let would_block = error.raw_os_error() == Some(source.would_block.get());
                match would_block && self.try_push(word) {
                    true => Ok(Err(error)),
                    false => Err(Err(error)),
                }
            }
        }
    }

    /// Records the result of a read into several buffers.
    #[cold]
    pub(crate) fn read_vectored(
        &self,
        source: &SourceName,
        result: io::Result<usize>,
        buffers: &[IoSliceMut<'_>],
    ) -> io::Result<usize> {
        match &result {
            Ok(length) if self.payloads => {
                let mut contents = Vec::with_capacity(*length);
                for buffer in buffers {
                    let part = buffer.len().min(length - contents.len());
                    contents.extend_from_slice(&buffer[..part]);
                }
                self.contents(source, &result, &contents);
                result
            }
            _ => self.operation(Operation::Read, source, result),
        }
    }

    /// Records an operation that would have blocked.
    #[inline]
    pub(crate) fn would_block(&self, operation: Operation, source: &SourceName) {
        if source.length_end > 0 {
            self.push(would_block_word(operation) | source.in_word);
        } else {
            self.error(operation, source, &io::ErrorKind::WouldBlock.into());
        }
    }

    /// Records an error of an operation on a source.
    #[cold]
    #[inline(never)]
    pub(crate) fn error(&self, operation: Operation, source: &SourceName, error: &io::Error) {
        self.call(operation, Subject::Source(source), |out| error.encode(out));
    }

    /// Records a read with what it has read.
    fn contents<T: Value>(&self, source: &SourceName, result: &io::Result<T>, contents: &[u8]) {
        let is_short = result
            .as_ref()
            .is_ok_and(|value| value.as_number().is_some())
            && contents.len() < source.length_end as usize;
        match self.payloads {
            true if is_short => self.push_bytes(Word::Contents as u32 | source.in_word, contents),
            true => self.call(Operation::Read, Subject::Source(source), |out| {
                result.encode(out);
                out.bytes.extend_from_slice(contents);
            }),
            false => self.result(Operation::Read, Subject::Source(source), result),
        }
    }

    /// Records the result of a call in its long form.
    #[cold]
    pub(super) fn result<T: Value>(
        &self,
        operation: Operation,
        subject: Subject<'_>,
        result: &io::Result<T>,
    ) {
        self.call(operation, subject, |out| result.encode(out));
    }

    fn call(&self, operation: Operation, subject: Subject<'_>, put: impl FnOnce(&mut Output)) {
        let subject = match subject {
            Subject::Nothing => 0,
            Subject::Number(number) => number,
            Subject::Source(source) => source.slot as u64,
            Subject::Place(location) => self.place(location),
        };
        self.record(|out| {
            out.byte(3);
            out.byte(operation as u8);
            out.number(subject);
            put_with_length(out, put);
        });
    }

    /// Records the answer to a question, except while the poll phase collects.
    pub(super) fn answer(&self, operation: Operation, answer: bool) {
        if self.is_polling.get() {
            return;
        }
        let word = Word::Answer as u32 | (operation as u32) << format::LENGTH_SHIFT;
        self.push(word | u32::from(answer) << SLOT_SHIFT);
    }

    pub(super) fn label(&self, text: &str, location: SourceLocation) {
        let place = self.place(location);
        self.record(|out| {
            out.byte(5);
            out.number(place);
            out.text(text.as_bytes());
        });
    }

    /// Sets whether the poll phase collects.
    #[inline]
    pub(crate) fn set_polling(&self, is_polling: bool) {
        self.is_polling.set(is_polling);
    }

    /// Records a poll phase in which only the source in `slot` has become ready. Returns `false` if that
    /// needs a longer record. `readiness` has four bits.
    #[inline]
    pub(crate) fn ready(&self, slot: usize, generation: usize, readiness: u8) -> bool {
        let fits = slot < self.ready_slots;
        if fits {
            self.push(format::ready_word(slot, generation, readiness));
        }
        fits
    }

    /// Records a poll phase. `arrivals` appends `count` of them.
    pub(crate) fn poll(
        &self,
        now: Option<Duration>,
        is_held: bool,
        count: usize,
        arrivals: impl FnOnce(&mut Output),
    ) {
        if count == 0 && now.is_none() {
            return self.push(Word::Nothing as u32 | u32::from(is_held) << format::LENGTH_SHIFT);
        }
        self.record(|out| {
            out.byte(2);
            let flags = u64::from(now.is_some()) << 1 | u64::from(is_held);
            out.number((count as u64) << 2 | flags);
            if let Some(now) = now {
                out.number(now.as_nanos() as u64);
            }
            arrivals(out);
        });
    }

    /// Returns the number of a place, which is recorded before its first use.
    fn place(&self, location: SourceLocation) -> u64 {
        let (id, is_new) = self.writer.borrow_mut().place(location);
        if is_new {
            self.record(|out| format::put_place(out, id, location));
        }
        id
    }

    /// Ends the recording, because the run has failed.
    pub(super) fn failed(&self) {
        self.end(3); // unless a result that is too long has ended it
        self.writer.borrow_mut().save_failed();
    }

    /// Ends the recording for a reason (`format.rs`). Returns `false` if it has ended before.
    fn end(&self, reason: u8) -> bool {
        if self.writer.borrow().has_ended() {
            return false;
        }
        self.record(|out| {
            out.byte(6);
            out.byte(reason);
        });
        self.end_block();
        self.writer.borrow_mut().end();
        self.used.set(BLOCK); // what follows is not recorded
        true
    }

    /// Writes what is in memory to a file.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let block = &self.words[..self.used.get()];
        self.writer.borrow().save(path, block)
    }

    /// Writes what was recorded so far to the file of the recording.
    pub(crate) fn flush(&self) -> io::Result<()> {
        if self.writer.borrow().is_to_file() {
            self.end_block();
        }
        self.writer.borrow_mut().check()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end(0);
        self.writer.get_mut().print_error();
    }
}

/// Returns the word of an operation that would have blocked, without its source.
#[inline]
fn would_block_word(operation: Operation) -> u32 {
    Word::WouldBlock as u32 | (operation as u32) << format::LENGTH_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::journal::Reader;

    #[test]
    fn a_recording_that_a_long_result_has_ended_is_saved_when_the_run_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failed.flight");
        let settings = WriterSettings {
            file: None,
            on_failure: Some(path.clone()),
            limit: usize::MAX,
            payloads: true,
        };
        let recorder = Recorder::new(settings, &[], false).unwrap();
        recorder.now();
        recorder.push_bytes(Word::Bytes as u32, &vec![0; BYTES_END]); // its pages are never touched
        recorder.now(); // is not recorded
        recorder.failed();
        let reader = Reader::new(std::fs::read(&path).unwrap().into()).unwrap();
        assert_eq!(reader.lines().count(), 2, "the clock, and the end");
        std::fs::remove_file(&path).unwrap();
        recorder.failed();
        assert!(!path.exists(), "it is saved once");
    }
}
