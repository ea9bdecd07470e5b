//! Where the systems differ. No other file of the reactor asks which one it is, but for the
//! modules that exist on Unix only.

/// Whether a read of a TCP stream that fills only a part of its buffer says that nothing is left.
///
/// Not on Windows: there mio asks the system anew only behind an operation that would block.
pub(crate) const SHORT_READ_DRAINS: bool = cfg!(unix);

/// The errors by which the system says that the process, or all of them together, have too many
/// descriptors: `EMFILE` and `ENFILE`, or `WSAEMFILE`.
pub(crate) const OUT_OF_DESCRIPTORS: &[i32] = if cfg!(windows) { &[10024] } else { &[24, 23] };
