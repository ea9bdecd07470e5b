//! The bytes of a journal, version 1.
//!
//! ```text
//! file     = "nodeloop flight recording\n" version settings block*
//! version  = number start              start: 1 if the first block is that of the start, 0 if it was dropped
//! settings = length bytes                  the settings of the loop, see `runtime/record.rs`
//! block    = length:u32 check:u64 record*  both little-endian; the length is that of the records
//! record   = 1 nanoseconds                              the clock was read: time since the last reading
//!          | 2 (arrivals << 2 | virtual << 1 | held) [nanoseconds] arrival*   a poll phase
//!          | 3 operation subject length result          a call of the operating system
//!          | 4 id file line column                      a place in the source
//!          | 5 location-id text                         a label of a log
//!          | 6 reason         the end: 0 the loop ended, 1 the limit was reached, 2 saved while it ran,
//!                            3 the run failed
//!          | 0x40 + operation subject number            a call that returned a number
//!          | 0x80 + operation subject                   a call that would have blocked
//! arrival  = 1 count                 simulated completions
//!          | 2 promise               a task was woken
//!          | 3                       the main future was woken
//!          | 4 handle                a callback of a handle
//!          | 5 id                    a result for an external operation
//!          | 6 id                    an external operation was abandoned
//!          | 7 job how [length result]      how: 0 opaque, 1 result, 2 panic
//!          | 8 source readiness      readiness: 1 readable, 2 writable, 4 read closed, 8 write closed
//!          | 9 number                a signal
//!          | 10                      something that cannot be replayed
//! ```
//!
//! All numbers except those of a block are unsigned LEB128 (`value.rs`). A record never crosses the end
//! of a block, and the first reading of the clock in a block counts from zero. So a reader can begin
//! at any block, and a damaged block loses nothing that comes before it.

use std::ops::Range;
use std::time::Duration;

use super::value::Input;

pub(crate) const MAGIC: &[u8] = b"nodeloop flight recording\n";

/// The version of the format.
pub(crate) const VERSION: u64 = 1;

/// The length and the check of a block.
pub(super) const BLOCK_HEAD: usize = 12;

/// The longest block that a reader accepts.
const MAX_BLOCK: usize = 1 << 31;

/// Something that a journal contains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Clock(Duration),
    Poll(PollRecord),
    Call {
        operation: u8,
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
    WouldBlock,
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
    /// Whether the first record is that of the start of the loop.
    pub(crate) has_start: bool,
    /// Why the last record is not the end of the loop: the offset of the damage and what is wrong.
    pub(crate) damage: Option<(usize, &'static str)>,
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
    let (mut at, mut clock) = (start, Duration::ZERO);
    while at < end {
        let mut reader = RecordReader {
            input: Input::new(&bytes[at..end]),
            end,
            clock: &mut clock,
            places: &mut parsed.places,
        };
        match reader.record() {
            Some(record) => parsed.records.extend(record),
            None if is_cut => break,
            None => {
                parsed.damage = Some((at, "a record is damaged"));
                return bytes.len();
            }
        }
        at = end - reader.input.left();
    }
    if is_cut {
        parsed.damage = Some((bytes.len(), "the file ends within a block"));
    }
    end
}

struct RecordReader<'a> {
    input: Input<'a>,
    /// The offset of the end of `input`.
    end: usize,
    clock: &'a mut Duration,
    places: &'a mut Vec<Option<Place>>,
}

impl RecordReader<'_> {
    /// Reads one record; `Some(None)` for a place, which is no event.
    fn record(&mut self) -> Option<Option<Record>> {
        Some(Some(match self.input.byte()? {
            1 => {
                let passed = Duration::from_nanos(self.input.number()?);
                *self.clock = self.clock.checked_add(passed)?;
                Record::Clock(*self.clock)
            }
            2 => Record::Poll(self.poll()?),
            3 => Record::Call {
                operation: self.input.byte()?,
                subject: self.input.number()?,
                result: CallResult::Bytes(self.range()?),
            },
            4 => {
                self.place()?;
                return Some(None);
            }
            5 => Record::Label {
                location: self.input.number()?,
                text: self.string()?,
            },
            6 => Record::End(match self.input.byte()? {
                0 => EndReason::LoopEnded,
                1 => EndReason::LimitReached,
                2 => EndReason::SavedBefore,
                3 => EndReason::RunFailed,
                _ => return None,
            }),
            tag @ 0x40..0x80 => Record::Call {
                operation: tag - 0x40,
                subject: self.input.number()?,
                result: CallResult::Number(self.input.number()?),
            },
            tag @ 0x80.. => Record::Call {
                operation: tag - 0x80,
                subject: self.input.number()?,
                result: CallResult::WouldBlock,
            },
            _ => return None,
        }))
    }

    fn string(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.input.text()?).into_owned())
    }

    fn range(&mut self) -> Option<Range<usize>> {
        let length = self.input.text()?.len();
        let end = self.end - self.input.left();
        Some(end - length..end)
    }

    fn place(&mut self) -> Option<()> {
        let id = usize::try_from(self.input.number()?).ok()?;
        let place = Place {
            file: self.string()?,
            line: self.input.number()?,
            column: self.input.number()?,
        };
        if id >= self.places.len() {
            // Places are numbered in the order in which they are recorded.
            (id < self.places.len() + MAX_GAP).then(|| self.places.resize(id + 1, None))?;
        }
        self.places[id] = Some(place);
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
            8 => ArrivalRecord::Ready(self.input.number()?, self.input.byte()?),
            9 => ArrivalRecord::Signal(self.input.number()?),
            10 => ArrivalRecord::Unsupported,
            _ => return None,
        })
    }
}

/// How far the id of a place may be ahead of those before it, which a damaged one could be by any number.
const MAX_GAP: usize = 1 << 16;
