//! Where the systems differ. No other file of the reactor asks which one it is, but for the
//! modules that exist on Unix only.

/// Whether a read of a TCP stream that fills only a part of its buffer says that nothing is left.
///
/// Not on Windows: there mio asks the system anew only behind an operation that would block.
pub(crate) const SHORT_READ_DRAINS: bool = cfg!(unix);

/// The errors by which the system says that the process, or all of them together, have too many
/// descriptors: `EMFILE` and `ENFILE`, or `WSAEMFILE`.
pub(crate) const OUT_OF_DESCRIPTORS: &[i32] = if cfg!(windows) { &[10024] } else { &[24, 23] };

/// What the system says to a `connect` that does not wait, and whose outcome comes as an event.
const IN_PROGRESS: i32 = if cfg!(windows) {
    10035 // WSAEWOULDBLOCK
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    115
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    150
} else {
    36 // the systems that come from BSD
};

/// `EMSGSIZE`: a datagram is longer than can be sent.
pub(crate) const TOO_LONG: i32 = if cfg!(windows) {
    10040
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    97
} else {
    40
};

/// Whether a connection is under way, in spite of what looks like an error.
pub(crate) fn is_in_progress(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(IN_PROGRESS)
}
