//! The differences between operating systems that concern `io` and `net`. Their other files use `cfg`
//! only to declare modules that exist on one system, which `tests/house/layers.rs` checks.

use std::io;

#[cfg(unix)]
use super::backed::Backed;

/// A source of mio. On Unix it has a descriptor, unless it belongs to a simulated world.
#[cfg(unix)]
pub trait PlatformSource: mio::event::Source + 'static {
    fn owner_of_descriptor(&self) -> Option<&(dyn std::os::fd::AsFd + 'static)>;
}

/// A source of mio. On Unix it has a descriptor.
#[cfg(not(unix))]
pub trait PlatformSource: mio::event::Source + 'static {}

#[cfg(unix)]
impl<S: mio::event::Source + std::os::fd::AsFd + 'static> PlatformSource for Backed<S> {
    fn owner_of_descriptor(&self) -> Option<&(dyn std::os::fd::AsFd + 'static)> {
        match self {
            Backed::Real(source) => Some(source),
            Backed::World(_) => None,
        }
    }
}

#[cfg(not(unix))]
impl<S: mio::event::Source + 'static> PlatformSource for S {}

/// Whether a read of a TCP stream that fills only a part of its buffer has emptied the socket.
///
/// It has not on Windows, where mio rearms a socket only after an operation that would block.
pub(crate) const SHORT_READ_DRAINS: bool = cfg!(unix);

/// Whether listeners set `SO_REUSEADDR`, as libuv does. On Windows that option would let two
/// sockets have the same address at the same time.
pub(crate) const REUSE_ADDRESS: bool = cfg!(unix);

/// `EMFILE` and `ENFILE`, or `WSAEMFILE`: too many open descriptors.
const OUT_OF_DESCRIPTORS: &[i32] = if cfg!(windows) { &[10024] } else { &[24, 23] };

/// The error of a `connect` that does not block and whose outcome is reported by an event.
const IN_PROGRESS: i32 = if cfg!(windows) {
    10035 // WSAEWOULDBLOCK
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    115
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    150
} else {
    36 // the BSDs and macOS
};

/// `EMSGSIZE`: a datagram is too long to be sent.
pub(crate) const TOO_LONG: i32 = if cfg!(windows) {
    10040
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    97
} else {
    40
};

/// Whether a datagram that is longer than the buffer is an error. The part that fits is received all
/// the same, but `recvfrom` does not return its sender.
pub(crate) const CUT_DATAGRAM_IS_ERROR: bool = cfg!(windows);

/// The result of receiving a datagram into a buffer of `length` bytes: where a longer one is an error,
/// the part that was received.
pub(crate) fn received(result: io::Result<usize>, length: usize) -> io::Result<usize> {
    match result {
        Err(error) if CUT_DATAGRAM_IS_ERROR && error.raw_os_error() == Some(TOO_LONG) => Ok(length),
        result => result,
    }
}

/// Returns whether the error of a `connect` means that the connection is being established.
pub(crate) fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(IN_PROGRESS)
}

/// Returns whether the error means that the process or the system has too many open descriptors.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code))
}

/// Sets `SO_REUSEPORT`, which only Unix has.
#[cfg(unix)]
pub(crate) fn set_reuse_port(socket: &socket2::Socket, reuse: bool) -> io::Result<()> {
    socket.set_reuse_port(reuse)
}

/// Sets `SO_REUSEPORT`, which only Unix has.
#[cfg(not(unix))]
pub(crate) fn set_reuse_port(_: &socket2::Socket, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns the address of a Unix domain socket. A path that begins with a NUL byte is an abstract
/// name, as in Node.
#[cfg(unix)]
pub(crate) fn unix_address(path: &std::path::Path) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::unix::ffi::OsStrExt;
    match path.as_os_str().as_bytes() {
        // Binding to it would bind to a name that the operating system chooses.
        b"" => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path is empty: pass the path of the socket",
        )),
        [0, name @ ..] => abstract_address(name),
        _ => std::os::unix::net::SocketAddr::from_pathname(path),
    }
}

/// Returns the address of a Unix domain socket in a simulated world. An empty path is that of a socket
/// without a name.
#[cfg(unix)]
pub(crate) fn unix_address_of(
    path: &std::path::Path,
) -> io::Result<std::os::unix::net::SocketAddr> {
    match path.as_os_str().is_empty() {
        true => std::os::unix::net::SocketAddr::from_pathname(path),
        false => unix_address(path),
    }
}

/// Returns the address of a Unix domain socket in a replay, or that of a socket without a name.
#[cfg(unix)]
pub(crate) fn unix_address_or_unnamed(
    path: Option<&std::path::Path>,
) -> io::Result<std::os::unix::net::SocketAddr> {
    match path {
        Some(path) => std::os::unix::net::SocketAddr::from_pathname(path),
        None => std::os::unix::net::UnixDatagram::unbound()?.local_addr(),
    }
}

/// Returns the process, the user and the group of the peer of a Unix domain socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer_credentials(
    socket: std::os::fd::BorrowedFd<'_>,
) -> io::Result<(Option<i32>, u32, u32)> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    let process = rustix::process::Pid::as_raw(Some(peer.pid));
    Ok((Some(process), peer.uid.as_raw(), peer.gid.as_raw()))
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub(crate) fn peer_credentials(
    _: std::os::fd::BorrowedFd<'_>,
) -> io::Result<(Option<i32>, u32, u32)> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "the credentials of a peer are known on Linux only: ask the system through the descriptor",
    ))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    if name.is_empty() {
        // mio would bind to a name that the operating system chooses.
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the abstract name is empty: pass a name after the NUL byte",
        ));
    }
    std::os::unix::net::SocketAddr::from_abstract_name(name)
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn abstract_address(_: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "only Linux has abstract socket names: use a path without a NUL byte",
    ))
}
