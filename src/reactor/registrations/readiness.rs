//! What an event reports about a source, and the tokens by which events name sources and signals.

use mio::Token;
use mio::event::Event;

use crate::reactor::remote_queue::SourceEvent;

/// What an event reports about a source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer will send no more, or an error is pending: reading never blocks again.
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
}

impl Readiness {
    pub(crate) fn of(event: &Event) -> Readiness {
        let read_closed = event.is_read_closed() || event.is_error();
        let write_closed = event.is_write_closed() || event.is_error();
        Readiness {
            readable: event.is_readable() || read_closed,
            writable: event.is_writable() || write_closed,
            read_closed,
            write_closed,
        }
    }

    /// Returns what the thread of a source has reported.
    pub(crate) fn reported(event: SourceEvent) -> Readiness {
        let (read_closed, write_closed) = (
            event == SourceEvent::ReadClosed,
            event == SourceEvent::WriteClosed,
        );
        Readiness {
            readable: event == SourceEvent::Readable || read_closed,
            writable: event == SourceEvent::Writable || write_closed,
            read_closed,
            write_closed,
        }
    }

    pub(crate) fn readable() -> Readiness {
        Readiness {
            readable: true,
            ..Readiness::default()
        }
    }

    pub(crate) fn writable() -> Readiness {
        Readiness {
            writable: true,
            ..Readiness::default()
        }
    }

    /// Returns the part of an event that concerns the writer, if any.
    pub(super) fn write_half(self) -> Option<Readiness> {
        self.writable.then_some(Readiness {
            readable: false,
            read_closed: false,
            ..self
        })
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

pub(super) fn next_generation(generation: usize) -> usize {
    generation.wrapping_add(1) & GENERATION_MASK
}
