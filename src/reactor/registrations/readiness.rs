//! What an event reports about a source, and the tokens by which events name sources and signals.

use mio::Token;
use mio::event::Event;

use crate::reactor::remote_queue::SourceEvent;

/// What an event reports about a source: a set of the constants.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Readiness(u8);

impl Readiness {
    const READABLE: u8 = 1;
    const WRITABLE: u8 = 2;
    /// The peer will send no more, or an error is pending: reading never blocks again.
    const READ_CLOSED: u8 = 4;
    const WRITE_CLOSED: u8 = 8;
    /// The poll phase serves the source again without an event.
    const SERVED_AGAIN: u8 = 16;

    /// Creates a set: readable, writable, closed for reading, closed for writing.
    pub(crate) fn new(flags: [bool; 4]) -> Readiness {
        let flags = flags.into_iter().rev();
        Readiness(flags.fold(0, |bits, flag| bits << 1 | u8::from(flag)))
    }

    pub(crate) fn of(event: &Event) -> Readiness {
        let read_closed = event.is_read_closed() || event.is_error();
        let write_closed = event.is_write_closed() || event.is_error();
        let readable = event.is_readable() || read_closed;
        let writable = event.is_writable() || write_closed;
        Readiness::new([readable, writable, read_closed, write_closed])
    }

    /// Returns what the thread of a source has reported.
    pub(crate) fn reported(event: SourceEvent) -> Readiness {
        Readiness(match event {
            SourceEvent::Readable => Readiness::READABLE,
            SourceEvent::ReadClosed => Readiness::READABLE | Readiness::READ_CLOSED,
            SourceEvent::Writable => Readiness::WRITABLE,
            SourceEvent::WriteClosed => Readiness::WRITABLE | Readiness::WRITE_CLOSED,
        })
    }

    /// Returns the lowest four bits, which a journal contains.
    #[inline]
    pub(crate) fn bits(self) -> u8 {
        self.0 & 15
    }

    pub(crate) fn of_bits(bits: u8) -> Readiness {
        Readiness(bits & 15)
    }

    pub(crate) fn readable() -> Readiness {
        Readiness(Readiness::READABLE)
    }

    pub(crate) fn writable() -> Readiness {
        Readiness(Readiness::WRITABLE)
    }

    pub(super) fn served_again(self) -> Readiness {
        Readiness(self.0 | Readiness::SERVED_AGAIN)
    }

    pub(crate) fn is_served_again(self) -> bool {
        self.has(Readiness::SERVED_AGAIN)
    }

    pub(crate) fn is_readable(self) -> bool {
        self.has(Readiness::READABLE)
    }

    pub(crate) fn is_writable(self) -> bool {
        self.has(Readiness::WRITABLE)
    }

    pub(crate) fn is_read_closed(self) -> bool {
        self.has(Readiness::READ_CLOSED)
    }

    pub(crate) fn is_write_closed(self) -> bool {
        self.has(Readiness::WRITE_CLOSED)
    }

    #[inline]
    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// Returns the part of an event that concerns the writer, if any.
    pub(super) fn write_half(self) -> Option<Readiness> {
        let half = self.0 & (Readiness::WRITABLE | Readiness::WRITE_CLOSED);
        self.is_writable().then_some(Readiness(half))
    }
}

/// How many lower bits of a token are the index of the slot. The upper bits are the slot's
/// generation, truncated. On a 32-bit machine this allows a million sources, and 2,048 uses of a
/// slot before an old token could be mistaken for a new one.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
/// The index that no source has.
pub(super) const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: usize = usize::MAX >> INDEX_BITS;

/// The number of a signal, as the operating system counts them.
pub(crate) type SignalNumber = i32;

pub(super) fn source_token(generation: usize, index: usize) -> Token {
    Token(generation << INDEX_BITS | index)
}

pub(super) fn signal_token(number: SignalNumber) -> Token {
    source_token(number as usize, INDEX_MASK)
}

/// Returns the signal that a token names, if it names no source.
pub(crate) fn signal_of(token: Token) -> Option<SignalNumber> {
    (index_of(token) == INDEX_MASK).then_some(generation_of(token) as SignalNumber)
}

pub(super) fn index_of(token: Token) -> usize {
    token.0 & INDEX_MASK
}

pub(super) fn generation_of(token: Token) -> usize {
    token.0 >> INDEX_BITS
}

/// Returns the slot of a source, and its generation.
#[inline]
pub(crate) fn parts_of(token: Token) -> (usize, usize) {
    (index_of(token), generation_of(token))
}

pub(super) fn next_generation(generation: usize) -> usize {
    generation.wrapping_add(1) & GENERATION_MASK
}
