//! What a wait is interested in, and what it has found.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use super::Direction;
use crate::reactor::registrations::Readiness;

/// The directions in which an operation needs its source to be ready.
///
/// # Examples
///
/// ```
/// use nodeloop::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert!(!Interest::READABLE.is_writable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest {
    read: bool,
    write: bool,
}

impl Interest {
    /// Interest in reading, receiving or accepting.
    pub const READABLE: Interest = Interest {
        read: true,
        write: false,
    };

    /// Interest in writing or sending.
    pub const WRITABLE: Interest = Interest {
        read: false,
        write: true,
    };

    /// Returns whether it includes reading.
    pub const fn is_readable(self) -> bool {
        self.read
    }

    /// Returns whether it includes writing.
    pub const fn is_writable(self) -> bool {
        self.write
    }

    /// Returns the interest in both.
    #[must_use]
    pub const fn add(self, other: Interest) -> Interest {
        Interest {
            read: self.read || other.read,
            write: self.write || other.write,
        }
    }

    pub(super) fn directions(self) -> impl Iterator<Item = Direction> {
        let read = self.read.then_some(Direction::Read);
        read.into_iter()
            .chain(self.write.then_some(Direction::Write))
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        self.add(other)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Interest) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.read, self.write) {
            (true, true) => "READABLE | WRITABLE",
            (true, false) => "READABLE",
            (false, _) => "WRITABLE",
        })
    }
}

/// The readiness of a source: which operations do not have to wait, as far as the loop knows.
///
/// An operation may still return [`WouldBlock`](std::io::ErrorKind::WouldBlock), for example because
/// another task has read the bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ready {
    is_readable: bool,
    is_writable: bool,
    is_read_closed: bool,
    is_write_closed: bool,
}

impl Ready {
    pub(super) fn of(readiness: Readiness, interest: Interest) -> Ready {
        Ready {
            is_readable: interest.read && readiness.is_readable(),
            is_writable: interest.write && readiness.is_writable(),
            is_read_closed: interest.read && readiness.is_read_closed(),
            is_write_closed: interest.write && readiness.is_write_closed(),
        }
    }

    /// Returns whether nothing is ready.
    pub fn is_empty(self) -> bool {
        self == Ready::default()
    }

    /// Returns whether there is something to read, to receive or to accept, or the end of the stream,
    /// or an error.
    pub fn is_readable(self) -> bool {
        self.is_readable
    }

    /// Returns whether the operating system accepts bytes, or a write returns an error at once.
    pub fn is_writable(self) -> bool {
        self.is_writable
    }

    /// Returns whether the peer sends no more, or the source has an error.
    pub fn is_read_closed(self) -> bool {
        self.is_read_closed
    }

    /// Returns whether nothing can be written any more.
    pub fn is_write_closed(self) -> bool {
        self.is_write_closed
    }
}
