//! The bytes of a journal, version 2.
//!
//! ```text
//! file     = "nodeloop flight recording\n" version settings block*
//! version  = number start              start: 1 if the first block is that of the start, 0 if it was dropped
//! settings = length bytes                  the settings of the loop, see `runtime/journal.rs`
//! block    = length:u32 check:u64 record*  the length is that of the records, in bytes
//! record   = word:u32 [bytes]              the lowest four bits of the word are its kind:
//!          | 0 length:28                   bytes of this length follow: a longer record, below
//!          | 1 nanoseconds:28              the clock was read: time since the last reading of the block
//!          | 2 readiness:4 generation:10 slot:14    a poll phase in which one source has become ready
//!          | 3 length:14 slot:14           a read returned this length
//!          | 4 length:14 slot:14           a write returned this length
//!          | 5 length:14 slot:14           a read returned the bytes that follow
//!          | 6 operation:14 slot:14        an operation would have blocked
//!          | 7 operation:14 answer:14      the answer to a question: 1 yes, 0 no
//!          | 8 held:28                     a poll phase in which nothing has arrived
//! longer   = 1 nanoseconds                              the clock was read: time since its start
//!          | 2 (arrivals << 2 | virtual << 1 | held) [nanoseconds] arrival*   a poll phase
//!          | 3 operation subject length result          a call of the operating system
//!          | 4 id file line column                      a place in the source
//!          | 5 location-id text                         a label of a log
//!          | 6 reason         the end: 0 the loop ended, 1 the limit was reached, 2 saved while it ran,
//!                            3 the run failed
//! arrival  = 1 count                 simulated completions
//!          | 2 promise               a task was woken
//!          | 3                       the main future was woken
//!          | 4 handle                a callback of a handle
//!          | 5 id                    a result for an external operation
//!          | 6 id                    an external operation was abandoned
//!          | 7 job how [length result]      how: 0 opaque, 1 result, 2 panic
//!          | 8 slot readiness        readiness: 1 readable, 2 writable, 4 read closed, 8 write closed,
//!                                   16 known before to be closed for reading
//!          | 9 number                a signal
//!          | 10                      something that cannot be replayed
//! ```
//!
//! Words and the numbers of a block are little-endian. The fields of a word are listed from the lowest bit
//! on, with their numbers of bits. Bytes are padded with zeros to whole words. The numbers in a longer record
//! are unsigned LEB128 (`value.rs`).
//!
//! A source is named by its slot in the table of registrations. The result of the call that registers it is
//! its slot and the generation of the slot, so a name belongs to the last registration before it. An event of
//! another generation was for a source that was closed, and had no effect.
//!
//! A record never crosses the end of a block, and the first reading of the clock in a block is a longer
//! record. So a reader can begin at any block, and a damaged block loses nothing that comes before it.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::SourceLocation;
use super::describe::Operation;
use super::value::{Input, Output, Value};

pub(crate) const MAGIC: &[u8] = b"nodeloop flight recording\n";

/// The version of the format.
pub(crate) const VERSION: u64 = 2;

/// The length and the check of a block.
pub(super) const BLOCK_HEAD: usize = 12;

/// The longest block that a reader accepts.
const MAX_BLOCK: usize = 1 << 31;

/// The kind of a word. The numbers are part of the format.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(super) enum Word {
    Bytes = 0,
    Clock = 1,
    Ready = 2,
    Read = 3,
    Write = 4,
    Contents = 5,
    WouldBlock = 6,
    Answer = 7,
    Nothing = 8,
}

const KIND_MASK: u32 = 15;
/// Where the first field of a word begins, which is a length or something else.
pub(super) const LENGTH_SHIFT: u32 = 4;
/// Where the last field of most words begins.
pub(super) const SLOT_SHIFT: u32 = 18;
const GENERATION_SHIFT: u32 = 8;
const GENERATION_MASK: usize = (1 << (SLOT_SHIFT - GENERATION_SHIFT)) - 1;
/// The first slot and the first length that do not fit into a word, and those that do not fit into one
/// without a slot.
pub(super) const SLOT_END: usize = 1 << (u32::BITS - SLOT_SHIFT);
pub(super) const LENGTH_END: u32 = 1 << (SLOT_SHIFT - LENGTH_SHIFT);
pub(super) const BYTES_END: usize = 1 << (u32::BITS - LENGTH_SHIFT);
pub(super) const NANOSECONDS_END: u64 = 1 << (u32::BITS - LENGTH_SHIFT);

/// Something that a journal contains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Clock(Duration),
    Poll(PollRecord),
    Call {
        operation: Operation,
        subject: u64,
        result: CallResult,
    },
    Label {
        location: u64,
        text: String,
    },
    End(EndReason),
}

/// Why a recording ends where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    LoopEnded,
    LimitReached,
    SavedBefore,
    RunFailed,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallResult {
    Bytes(Range<usize>),
    Number(u64),
    /// The bytes of a read.
    Contents(Range<usize>),
    WouldBlock,
    Answer(bool),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PollRecord {
    pub(crate) is_held: bool,
    /// The time of a virtual clock afterwards.
    pub(crate) now: Option<Duration>,
    pub(crate) arrivals: Vec<ArrivalRecord>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ArrivalRecord {
    Simulated(u64),
    Wake(u64),
    WakeMain,
    Post(u64),
    External(u64),
    ExternalDropped(u64),
    Job(u64, JobRecord),
    Ready(u64, u8),
    Signal(u64),
    Unsupported,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JobRecord {
    /// The job has to be run again.
    Opaque,
    Result(Range<usize>),
    Panicked(String),
}

/// A place in the source, as a journal names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// What the bytes of a journal contain.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) settings: Range<usize>,
    pub(crate) records: Vec<Record>,
    /// By id.
    pub(crate) places: Vec<Option<Place>>,
    /// The sources, by their numbers.
    pub(crate) sources: Vec<RecordedSource>,
    /// The source that was registered last in each slot.
    slots: HashMap<u64, SlotSource>,
    /// Whether the first record is that of the start of the loop.
    pub(crate) has_start: bool,
    /// Why the last record is not the end of the loop: the offset of the damage and what is wrong.
    pub(crate) damage: Option<(usize, &'static str)>,
}

/// A source of a recording.
#[derive(Debug)]
pub(crate) struct RecordedSource {
    /// Where it was created; `None` if that was before the first record.
    pub(crate) place: Option<u64>,
    /// The index of the record that created it, or of the first that names it.
    pub(crate) record: usize,
}

/// The source in a slot.
#[derive(Debug, Clone, Copy)]
struct SlotSource {
    number: u64,
    /// `None` if it was registered before the first record.
    generation: Option<u64>,
}

/// Why bytes are not a journal at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAJournal {
    Foreign,
    OtherVersion(u64),
    Incomplete,
}

/// Returns the check of a block: any change within eight aligned bytes changes it.
pub(super) fn check_of(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // odd, so that a step maps no two values to one
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]);
    words.fold(bytes.len() as u64, |check, word| {
        ((check ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)).rotate_left(29)
    })
}

/// Reads a journal up to the first damage.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, NotAJournal> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(match MAGIC.starts_with(bytes) {
            true => NotAJournal::Incomplete,
            false => NotAJournal::Foreign,
        });
    };
    let mut input = Input::new(rest);
    let version = input.number().ok_or(NotAJournal::Incomplete)?;
    if version != VERSION {
        return Err(NotAJournal::OtherVersion(version));
    }
    let has_start = input.byte().ok_or(NotAJournal::Incomplete)? == 1;
    let settings = input.text().ok_or(NotAJournal::Incomplete)?;
    let at = bytes.len() - input.left();
    let mut parsed = Parsed {
        settings: at - settings.len()..at,
        has_start,
        ..Parsed::default()
    };
    let mut offset = at;
    while offset < bytes.len() && parsed.damage.is_none() {
        offset = parse_block(bytes, offset, &mut parsed);
    }
    if parsed.damage.is_none() && !matches!(parsed.records.last(), Some(Record::End(_))) {
        parsed.damage = Some((bytes.len(), "the file ends before the recording does"));
    }
    Ok(parsed)
}

/// Reads the records of one block, and returns the offset of the next.
fn parse_block(bytes: &[u8], offset: usize, parsed: &mut Parsed) -> usize {
    let Some(head) = bytes[offset..].first_chunk::<BLOCK_HEAD>() else {
        parsed.damage = Some((offset, "the file ends within the head of a block"));
        return bytes.len();
    };
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let check = u64::from_le_bytes([
        head[4], head[5], head[6], head[7], head[8], head[9], head[10], head[11],
    ]);
    let start = offset + BLOCK_HEAD;
    if length > MAX_BLOCK {
        parsed.damage = Some((offset, "the length of a block is impossible"));
        return bytes.len();
    }
    // A file that was cut off is not damaged up to there: its last records can be replayed.
    let is_cut = start + length > bytes.len();
    let end = (start + length).min(bytes.len());
    if !is_cut && check_of(&bytes[start..end]) != check {
        parsed.damage = Some((start, "the check of a block is wrong"));
        return bytes.len();
    }
    let mut reader = RecordReader {
        bytes: &bytes[..end],
        at: start,
        clock: 0,
        parsed,
    };
    while reader.at < end {
        let at = reader.at;
        match reader.record() {
            Some(()) => {}
            None if is_cut => break,
            None => {
                parsed.damage = Some((at, "a record is damaged"));
                return bytes.len();
            }
        }
    }
    if is_cut {
        parsed.damage = Some((bytes.len(), "the file ends within a block"));
    }
    end
}

struct RecordReader<'a> {
    /// The file up to the end of the block.
    bytes: &'a [u8],
    at: usize,
    /// The last reading of the clock in this block, in nanoseconds.
    clock: u64,
    parsed: &'a mut Parsed,
}

impl RecordReader<'_> {
    /// Reads one record, if all of it is there.
    fn record(&mut self) -> Option<()> {
        let word = u32::from_le_bytes(*self.bytes[self.at..].first_chunk()?);
        self.at += 4;
        let field = word >> LENGTH_SHIFT;
        let (low, slot) = (field & (LENGTH_END - 1), u64::from(word >> SLOT_SHIFT));
        let record = match word & KIND_MASK {
            0 => return self.longer(field as usize),
            1 => self.reading(self.clock.checked_add(u64::from(field))?),
            2 => Record::Poll(self.ready(slot, low)),
            3 => self.call(Operation::Read, slot, CallResult::Number(u64::from(low))),
            4 => self.call(Operation::Write, slot, CallResult::Number(u64::from(low))),
            5 => {
                let contents = self.take(low as usize)?;
                self.call(Operation::Read, slot, CallResult::Contents(contents))
            }
            6 => self.call(Operation::of(low)?, slot, CallResult::WouldBlock),
            7 => self.call(Operation::of(low)?, 0, CallResult::Answer(slot == 1)),
            8 => Record::Poll(PollRecord {
                is_held: field == 1,
                now: None,
                arrivals: Vec::new(),
            }),
            _ => return None,
        };
        self.parsed.records.push(record);
        Some(())
    }

    /// Takes bytes that are padded to whole words.
    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let taken = self.at..self.at + length;
        self.at += length.next_multiple_of(4);
        (self.at <= self.bytes.len()).then_some(taken)
    }

    fn reading(&mut self, nanoseconds: u64) -> Record {
        self.clock = nanoseconds;
        Record::Clock(Duration::from_nanos(nanoseconds))
    }

    fn call(&mut self, operation: Operation, subject: u64, result: CallResult) -> Record {
        Record::Call {
            operation,
            subject: match operation.is_on_source() {
                true => self.parsed.source_in(subject),
                false => subject,
            },
            result,
        }
    }

    /// Returns the poll phase of a word.
    fn ready(&mut self, slot: u64, low: u32) -> PollRecord {
        let readiness = (low & 15) as u8;
        let generation = u64::from(low) >> (GENERATION_SHIFT - LENGTH_SHIFT);
        let number = self.parsed.source_in(slot);
        let known = self.parsed.slots[&slot].generation;
        let is_stale = known.is_some_and(|it| it & GENERATION_MASK as u64 != generation);
        let ready = (!is_stale).then_some(ArrivalRecord::Ready(number, readiness));
        PollRecord {
            is_held: false,
            now: None,
            arrivals: ready.into_iter().collect(),
        }
    }

    /// Reads a longer record of this length.
    fn longer(&mut self, length: usize) -> Option<()> {
        let range = self.take(length)?;
        let mut reader = LongReader {
            input: Input::new(&self.bytes[range.clone()]),
            end: range.end,
            parsed: self.parsed,
        };
        let record = match reader.input.byte()? {
            1 => {
                let nanoseconds = reader.input.number()?;
                self.reading(nanoseconds)
            }
            2 => Record::Poll(reader.poll()?),
            3 => {
                let operation = Operation::of(u32::from(reader.input.byte()?))?;
                let (subject, result) = (reader.input.number()?, reader.range()?);
                if operation == Operation::Register {
                    reader.note_source(subject, &self.bytes[result.clone()]);
                }
                self.call(operation, subject, CallResult::Bytes(result))
            }
            4 => return reader.place(),
            5 => Record::Label {
                location: reader.input.number()?,
                text: reader.string()?,
            },
            6 => Record::End(match reader.input.byte()? {
                0 => EndReason::LoopEnded,
                1 => EndReason::LimitReached,
                2 => EndReason::SavedBefore,
                3 => EndReason::RunFailed,
                _ => return None,
            }),
            _ => return None,
        };
        self.parsed.records.push(record);
        Some(())
    }
}

/// Reads a record that is encoded as bytes.
struct LongReader<'a> {
    input: Input<'a>,
    /// The offset of the end of `input`.
    end: usize,
    parsed: &'a mut Parsed,
}

impl LongReader<'_> {
    fn string(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.input.text()?).into_owned())
    }

    fn range(&mut self) -> Option<Range<usize>> {
        let length = self.input.text()?.len();
        let end = self.end - self.input.left();
        Some(end - length..end)
    }

    /// Notes a source that was registered with `result`.
    fn note_source(&mut self, place: u64, result: &[u8]) {
        let registered = <std::io::Result<(u64, u64)>>::decode(&mut Input::new(result));
        if let Some(Ok((slot, generation))) = registered {
            self.parsed.add_source(slot, Some((place, generation)));
        }
    }

    fn place(&mut self) -> Option<()> {
        let id = usize::try_from(self.input.number()?).ok()?;
        let place = Place {
            file: self.string()?,
            line: self.input.number()?,
            column: self.input.number()?,
        };
        let places = &mut self.parsed.places;
        if id >= places.len() {
            // Places are numbered in the order in which they are recorded.
            (id < places.len() + MAX_GAP).then(|| places.resize(id + 1, None))?;
        }
        places[id] = Some(place);
        Some(())
    }

    fn poll(&mut self) -> Option<PollRecord> {
        let head = self.input.number()?;
        let now = match head & 2 {
            0 => None,
            _ => Some(Duration::from_nanos(self.input.number()?)),
        };
        let count = head >> 2;
        if count > self.input.left() as u64 {
            return None; // every arrival has a byte
        }
        let arrivals: Option<Vec<_>> = (0..count).map(|_| self.arrival()).collect();
        Some(PollRecord {
            is_held: head & 1 == 1,
            now,
            arrivals: arrivals?,
        })
    }

    fn arrival(&mut self) -> Option<ArrivalRecord> {
        Some(match self.input.byte()? {
            1 => ArrivalRecord::Simulated(self.input.number()?),
            2 => ArrivalRecord::Wake(self.input.number()?),
            3 => ArrivalRecord::WakeMain,
            4 => ArrivalRecord::Post(self.input.number()?),
            5 => ArrivalRecord::External(self.input.number()?),
            6 => ArrivalRecord::ExternalDropped(self.input.number()?),
            7 => {
                let id = self.input.number()?;
                let how = match self.input.byte()? {
                    0 => JobRecord::Opaque,
                    1 => JobRecord::Result(self.range()?),
                    2 => JobRecord::Panicked(self.string()?),
                    _ => return None,
                };
                ArrivalRecord::Job(id, how)
            }
            8 => {
                let slot = self.input.number()?;
                ArrivalRecord::Ready(self.parsed.source_in(slot), self.input.byte()?)
            }
            9 => ArrivalRecord::Signal(self.input.number()?),
            10 => ArrivalRecord::Unsupported,
            _ => return None,
        })
    }
}

impl Parsed {
    /// Returns the number of the source in a slot. One that was registered before the first record becomes
    /// a source without a place.
    fn source_in(&mut self, slot: u64) -> u64 {
        match self.slots.get(&slot) {
            Some(source) => source.number,
            None => self.add_source(slot, None),
        }
    }

    fn add_source(&mut self, slot: u64, registered: Option<(u64, u64)>) -> u64 {
        let number = self.sources.len() as u64;
        self.sources.push(RecordedSource {
            place: registered.map(|(place, _)| place),
            record: self.records.len(),
        });
        let generation = registered.map(|(_, generation)| generation);
        self.slots.insert(slot, SlotSource { number, generation });
        number
    }
}

/// How far the id of a place may be ahead of those before it, which a damaged one could be by any number.
const MAX_GAP: usize = 1 << 16;

/// Returns the word of a poll phase in which only the source in `slot` has become ready.
#[inline]
pub(super) fn ready_word(slot: usize, generation: usize, readiness: u8) -> u32 {
    Word::Ready as u32
        | u32::from(readiness) << LENGTH_SHIFT
        | ((generation & GENERATION_MASK) as u32) << GENERATION_SHIFT
        | (slot as u32) << SLOT_SHIFT
}

/// Appends a word that contains the length of `bytes`, and the padded bytes.
pub(super) fn put_record(block: &mut Vec<u8>, word: u32, bytes: &[u8]) {
    let word = word | (bytes.len() as u32) << LENGTH_SHIFT;
    block.extend_from_slice(&word.to_le_bytes());
    block.extend_from_slice(bytes);
    block.resize(block.len().next_multiple_of(4), 0);
}

/// Encodes a place as a longer record.
pub(super) fn put_place(out: &mut Output, id: u64, location: SourceLocation) {
    out.byte(4);
    out.number(id);
    out.text(location.file().as_bytes());
    out.number(u64::from(location.line()));
    out.number(u64::from(location.column()));
}
