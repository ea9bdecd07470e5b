//! The side of a journal that records.
//!
//! Records are collected in a block, which is appended to a file or to a ring of blocks in memory when
//! it is full. A writer never reports an error to the loop: a file that cannot be written ends the
//! recording, and the error is kept for the owner of the journal.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SourceLocation;
use super::format::{BLOCK_HEAD, MAGIC, VERSION, check_of};
use super::value::Output;

/// The length from which a block is complete.
const BLOCK: usize = 16 << 10;

/// What a journal records, and where.
#[derive(Debug, Clone)]
pub(crate) struct WriterSettings {
    /// The file of the whole recording; without one, the last blocks are kept in memory.
    pub(crate) file: Option<PathBuf>,
    /// The file that is written when a run fails.
    pub(crate) on_failure: Option<PathBuf>,
    /// The maximum number of bytes in the file or in memory.
    pub(crate) limit: usize,
    pub(crate) payloads: bool,
}

pub(super) struct Writer {
    settings: WriterSettings,
    head: Vec<u8>,
    out: Output,
    last_reading: Duration,
    sink: Sink,
    /// By the address of the location.
    places: HashMap<usize, u64>,
    listed: Vec<SourceLocation>,
    has_ended: bool,
    /// The length of the last block when the recording ended.
    end: usize,
    error: Option<io::Error>,
}

enum Sink {
    File {
        file: File,
        written: usize,
    },
    Ring {
        blocks: VecDeque<Vec<u8>>,
        bytes: usize,
        has_start: bool,
    },
    /// The limit was reached, or an error occurred.
    Closed,
}

impl Writer {
    pub(super) fn new(settings: WriterSettings, loop_settings: &[u8]) -> io::Result<Writer> {
        let mut out = Output::default();
        out.text(loop_settings);
        let head = mem::take(&mut out.bytes);
        let sink = match &settings.file {
            Some(path) => {
                let create = || {
                    let mut file = File::create(path)?;
                    file.write_all(&file_head(true, &head))?;
                    Ok(file)
                };
                let file = create().map_err(|error: io::Error| {
                    let text = format!(
                        "the recording could not be written to {}: {error}",
                        path.display()
                    );
                    io::Error::new(error.kind(), text)
                })?;
                Sink::File { file, written: 0 }
            }
            None => Sink::Ring {
                blocks: VecDeque::new(),
                bytes: 0,
                has_start: true,
            },
        };
        out.payloads = settings.payloads;
        out.bytes.reserve(2 * BLOCK);
        Ok(Writer {
            settings,
            head,
            out,
            last_reading: Duration::ZERO,
            sink,
            places: HashMap::new(),
            listed: Vec::new(),
            has_ended: false,
            end: 0,
            error: None,
        })
    }

    /// Returns where a record is to be appended.
    #[inline]
    pub(super) fn out(&mut self) -> &mut Output {
        &mut self.out
    }

    /// Ends a record.
    #[inline]
    pub(super) fn end_record(&mut self) {
        if self.out.bytes.len() >= BLOCK || self.has_ended {
            self.end_full_block();
        }
    }

    #[cold]
    fn end_full_block(&mut self) {
        match self.has_ended {
            true => self.out.bytes.truncate(self.end), // what follows a failure is not recorded
            false => self.end_block(),
        }
    }

    /// Appends a call that returned a number.
    #[inline]
    pub(super) fn number(&mut self, tag: u8, subject: u64, number: u64) {
        if subject < 0x80 && number < 0x4000 {
            // The usual case is appended at once, with a number of two bytes.
            let (low, high) = (number as u8 | 0x80, (number >> 7) as u8);
            let record = [tag, subject as u8, low, high];
            self.out.bytes.extend_from_slice(&record);
        } else {
            self.out.byte(tag);
            self.out.number(subject);
            self.out.number(number);
        }
        self.end_record();
    }

    /// Appends a call that would have blocked.
    #[inline]
    pub(super) fn would_block(&mut self, tag: u8, subject: u64) {
        if subject < 0x80 {
            self.out.bytes.extend_from_slice(&[tag, subject as u8]);
        } else {
            self.out.byte(tag);
            self.out.number(subject);
        }
        self.end_record();
    }

    /// Appends a poll phase in which one source has become ready.
    #[inline]
    pub(super) fn ready(&mut self, source: u64, flags: u8) {
        if source < 0x80 {
            let record = [2, 1 << 2, 8, source as u8, flags];
            self.out.bytes.extend_from_slice(&record);
        } else {
            self.out.bytes.extend_from_slice(&[2, 1 << 2, 8]);
            self.out.number(source);
            self.out.byte(flags);
        }
        self.end_record();
    }

    #[inline]
    pub(super) fn clock(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.last_reading);
        self.last_reading = now;
        self.out.byte(1);
        self.out
            .number(passed.as_secs() * 1_000_000_000 + u64::from(passed.subsec_nanos()));
        self.end_record();
    }

    /// Returns the number of a place, which is recorded before its first use.
    pub(super) fn place(&mut self, location: SourceLocation) -> u64 {
        let address = std::ptr::from_ref(location).addr();
        if let Some(id) = self.places.get(&address) {
            return *id;
        }
        let id = self.listed.len() as u64;
        self.places.insert(address, id);
        self.listed.push(location);
        put_place(&mut self.out, id, location);
        id
    }

    /// Appends the block to the file or to the ring.
    #[cold]
    #[inline(never)]
    pub(super) fn end_block(&mut self) {
        if self.out.bytes.is_empty() {
            return;
        }
        let block = with_head(&self.out.bytes);
        self.out.bytes.clear();
        self.last_reading = Duration::ZERO; // so that a reader can begin at any block
        match &mut self.sink {
            Sink::File { file, written } => {
                let is_full = *written + block.len() > self.settings.limit;
                let result = match is_full {
                    true => file.write_all(&with_head(&[6, 1])),
                    false => file.write_all(&block),
                };
                *written += block.len();
                if result.is_err() || is_full {
                    self.error = result.err();
                    self.sink = Sink::Closed;
                }
            }
            Sink::Ring {
                blocks,
                bytes,
                has_start,
            } => {
                *bytes += block.len();
                blocks.push_back(block);
                while *bytes > self.settings.limit && blocks.len() > 1 {
                    *bytes -= blocks.pop_front().map_or(0, |block| block.len());
                    *has_start = false;
                }
            }
            Sink::Closed => {}
        }
    }

    /// Writes the last block. The loop has ended if `is_end`.
    pub(super) fn flush(&mut self, is_end: bool) {
        if is_end && !self.has_ended {
            self.has_ended = true;
            self.out.bytes.extend([6, 0]);
        }
        if matches!(self.sink, Sink::File { .. }) {
            self.end_block();
        }
    }

    /// Writes the ring to a file.
    pub(super) fn save(&mut self, path: &Path) -> io::Result<()> {
        let Sink::Ring {
            blocks, has_start, ..
        } = &self.sink
        else {
            return Err(io::Error::other(
                "the recording is in its own file already: save one that is kept in memory",
            ));
        };
        let mut file = io::BufWriter::new(File::create(path)?);
        file.write_all(&file_head(*has_start, &self.head))?;
        if !has_start {
            let mut places = Output::default();
            for (id, location) in self.listed.iter().enumerate() {
                put_place(&mut places, id as u64, location);
            }
            file.write_all(&with_head(&places.bytes))?;
        }
        for block in blocks {
            file.write_all(block)?;
        }
        let mut last = self.out.bytes.clone();
        if !self.has_ended {
            last.extend([6, 2]);
        }
        if !last.is_empty() {
            file.write_all(&with_head(&last))?;
        }
        file.flush()
    }

    /// Ends the recording, because the run has failed.
    pub(super) fn failed(&mut self) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        self.out.bytes.extend([6, 3]);
        self.end = self.out.bytes.len();
        match self.settings.on_failure.clone() {
            Some(path) => {
                if let Err(error) = self.save(&path) {
                    eprintln!(
                        "nodeloop: the recording of the failed run could not be written to {}: {error}",
                        path.display()
                    );
                    self.error = Some(error);
                }
            }
            None if matches!(self.sink, Sink::File { .. }) => {
                self.end_block();
                self.end = 0;
            }
            None => {}
        }
    }

    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

fn put_place(out: &mut Output, id: u64, location: SourceLocation) {
    out.byte(4);
    out.number(id);
    out.text(location.file().as_bytes());
    out.number(u64::from(location.line()));
    out.number(u64::from(location.column()));
}

fn file_head(has_start: bool, settings: &[u8]) -> Vec<u8> {
    let mut head = Output::default();
    head.bytes.extend_from_slice(MAGIC);
    head.number(VERSION);
    head.byte(u8::from(has_start));
    head.bytes.extend_from_slice(settings);
    head.bytes
}

fn with_head(records: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_HEAD + records.len());
    block.extend_from_slice(&(records.len() as u32).to_le_bytes());
    block.extend_from_slice(&check_of(records).to_le_bytes());
    block.extend_from_slice(records);
    block
}
