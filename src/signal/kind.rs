//! The kinds of signals.

#[cfg(unix)]
mod unix;

use super::source::INTERRUPT;

/// A kind of signal.
///
/// Windows has only [`interrupt`](SignalKind::interrupt). The methods for other signals exist only on
/// Unix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind {
    number: i32,
}

impl SignalKind {
    /// Returns the signal of this number, for signals without a method such as real-time signals.
    ///
    /// The number is not checked. [`on_signal`](super::on_signal) returns an error for a signal
    /// that cannot be listened to.
    pub const fn from_raw(number: i32) -> SignalKind {
        SignalKind { number }
    }

    /// Returns the number of the signal on this platform.
    #[doc(alias = "as_raw_value")]
    pub const fn as_raw(self) -> i32 {
        self.number
    }

    /// Returns `SIGINT`: Ctrl-C was pressed.
    pub const fn interrupt() -> SignalKind {
        SignalKind::from_raw(INTERRUPT)
    }
}

impl From<i32> for SignalKind {
    fn from(number: i32) -> SignalKind {
        SignalKind::from_raw(number)
    }
}
