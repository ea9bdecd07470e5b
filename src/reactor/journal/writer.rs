//! Where the blocks of a recording go.
//!
//! A block is appended to a file, or to a ring of blocks in memory. A writer never reports an error to the
//! loop: a file that cannot be written ends the recording, and the error is kept for the owner of the
//! journal.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};

use super::SourceLocation;
use super::claim::{self, Claim};
use super::format::{BLOCK_HEAD, MAGIC, VERSION, check_of, put_place, put_record};
use super::value::Output;

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
    sink: Sink,
    /// By the address of the location.
    places: HashMap<usize, u64>,
    listed: Vec<SourceLocation>,
    has_ended: bool,
    /// Whether the recording of a run that has failed was written, or could not be.
    is_saved: bool,
    /// The error of the file of a run that has failed.
    error: Option<io::Error>,
}

enum Sink {
    File {
        file: File,
        written: usize,
        /// Keeps other loops of this process from recording to it.
        _claim: Option<Claim>,
    },
    Ring {
        /// Without their heads, which are made when they are saved.
        blocks: VecDeque<Vec<u32>>,
        bytes: usize,
        has_start: bool,
    },
    /// The limit was reached.
    Closed,
    /// An error has occurred, which is kept until it is reported.
    Failed(Option<io::Error>),
}

impl Writer {
    pub(super) fn new(settings: WriterSettings, loop_settings: &[u8]) -> io::Result<Writer> {
        let mut out = Output::default();
        out.text(loop_settings);
        let head = mem::take(&mut out.bytes);
        let sink = match &settings.file {
            Some(path) => {
                let create = || {
                    let (mut file, claim) = claim::create(path)?;
                    file.write_all(&file_head(true, &head))?;
                    Ok((file, claim))
                };
                let (file, claim) = create().map_err(|error: io::Error| {
                    let text = format!(
                        "the recording could not be written to {}: {error}",
                        path.display()
                    );
                    io::Error::new(error.kind(), text)
                })?;
                Sink::File {
                    file,
                    written: 0,
                    _claim: claim,
                }
            }
            None => Sink::Ring {
                blocks: VecDeque::new(),
                bytes: 0,
                has_start: true,
            },
        };
        Ok(Writer {
            settings,
            head,
            sink,
            places: HashMap::new(),
            listed: Vec::new(),
            has_ended: false,
            is_saved: false,
            error: None,
        })
    }

    pub(super) fn is_to_file(&self) -> bool {
        matches!(self.sink, Sink::File { .. })
    }

    /// Returns whether nothing more is to be recorded.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Returns the number of a place, and whether it is a new one, which the caller records.
    pub(super) fn place(&mut self, location: SourceLocation) -> (u64, bool) {
        let address = std::ptr::from_ref(location).addr();
        if let Some(id) = self.places.get(&address) {
            return (*id, false);
        }
        let id = self.listed.len() as u64;
        self.places.insert(address, id);
        self.listed.push(location);
        (id, true)
    }

    /// Appends a block.
    pub(super) fn end_block(&mut self, words: &[Cell<u32>]) {
        if !words.is_empty() {
            let mut block = Vec::with_capacity(words.len());
            let (parts, rest) = words.as_chunks::<32>(); // copied with vector instructions
            for part in parts {
                block.extend_from_slice(&part.each_ref().map(Cell::get));
            }
            block.extend(rest.iter().map(Cell::get));
            self.append(block);
        }
    }

    /// Appends a block with one record that fits into no other.
    pub(super) fn long_block(&mut self, word: u32, bytes: &[u8]) {
        let mut block = Vec::with_capacity(bytes.len() + 8);
        put_record(&mut block, word, bytes);
        let (words, _) = block.as_chunks::<4>();
        self.append(words.iter().copied().map(u32::from_le_bytes).collect());
    }

    fn append(&mut self, block: Vec<u32>) {
        let length = length_of(&block);
        match &mut self.sink {
            Sink::File { file, written, .. } => {
                *written += length;
                let is_full = *written > self.settings.limit;
                let result = match is_full {
                    true => write_block(file, &end_record(1)),
                    false => write_block(file, &bytes_of(&block)),
                };
                match result {
                    Err(error) => self.sink = Sink::Failed(Some(error)),
                    Ok(()) if is_full => self.sink = Sink::Closed,
                    Ok(()) => {}
                }
            }
            Sink::Ring {
                blocks,
                bytes,
                has_start,
            } => {
                *bytes += length;
                blocks.push_back(block);
                while *bytes > self.settings.limit && blocks.len() > 1 {
                    *bytes -= blocks.pop_front().map_or(0, |block| length_of(&block));
                    *has_start = false;
                }
            }
            Sink::Closed | Sink::Failed(_) => {}
        }
    }

    /// Writes the ring to a file, and then the block that is being filled.
    pub(super) fn save(&self, path: &Path, words: &[Cell<u32>]) -> io::Result<()> {
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
            let mut places = Vec::new();
            for (id, location) in self.listed.iter().enumerate() {
                let mut place = Output::default();
                put_place(&mut place, id as u64, location);
                put_record(&mut places, 0, &place.bytes);
            }
            write_block(&mut file, &places)?;
        }
        for block in blocks {
            write_block(&mut file, &bytes_of(block))?;
        }
        if !self.has_ended {
            let words: Vec<_> = words.iter().map(Cell::get).collect();
            let mut last = bytes_of(&words);
            last.extend(end_record(2));
            write_block(&mut file, &last)?;
        }
        file.flush()
    }

    /// Writes the recording of a run that has failed to the file of the settings.
    pub(super) fn save_failed(&mut self) {
        let Some(path) = self.settings.on_failure.as_ref().filter(|_| !self.is_saved) else {
            return;
        };
        self.is_saved = true;
        if let Err(error) = self.save(path, &[]) {
            eprintln!(
                "nodeloop: the recording of the failed run could not be written to {}: {error}",
                path.display()
            );
            self.error = Some(error);
        }
    }

    /// Returns an error that was not returned before, or that nothing is recorded because of one that was.
    pub(super) fn check(&mut self) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match &mut self.sink {
            Sink::Failed(error) => Err(error.take().unwrap_or_else(|| {
                io::Error::other("the recording has ended, because its file could not be written")
            })),
            Sink::File { .. } | Sink::Ring { .. } | Sink::Closed => Ok(()),
        }
    }

    /// Prints the error that has ended a recording, if nobody has asked for it.
    pub(super) fn print_error(&mut self) {
        if let (Sink::Failed(error), Some(path)) = (&mut self.sink, &self.settings.file)
            && let Some(error) = error.take()
        {
            eprintln!(
                "nodeloop: the recording ends early, because {} could not be written: {error}",
                path.display()
            );
        }
    }
}

fn file_head(has_start: bool, settings: &[u8]) -> Vec<u8> {
    let mut head = Output::default();
    head.bytes.extend_from_slice(MAGIC);
    head.number(VERSION);
    head.byte(u8::from(has_start));
    head.bytes.extend_from_slice(settings);
    head.bytes
}

/// Returns the record of an end (`format.rs`).
fn end_record(reason: u8) -> Vec<u8> {
    let mut record = Vec::new();
    put_record(&mut record, 0, &[6, reason]);
    record
}

/// Returns how many bytes a block takes.
fn length_of(block: &[u32]) -> usize {
    BLOCK_HEAD + 4 * block.len()
}

fn bytes_of(words: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * words.len()];
    let (places, _) = bytes.as_chunks_mut::<4>();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    bytes
}

fn write_block(file: &mut impl Write, records: &[u8]) -> io::Result<()> {
    let mut head = [0; BLOCK_HEAD];
    head[..4].copy_from_slice(&(records.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&check_of(records).to_le_bytes());
    file.write_all(&head)?;
    file.write_all(records)
}
