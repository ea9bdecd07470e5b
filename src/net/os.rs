//! Traits for the operations that the sockets of mio have in common.
//!
//! They are implemented in `tcp.rs`, `udp.rs` and `unix/os.rs`. The types of mio share no trait, and
//! socket2 would bypass what mio does after an operation on Windows, so each implementation forwards to
//! the methods of the same names.

use std::fmt::Debug;
use std::io;

use socket2::SockRef;

use crate::io::platform::PlatformSource;
use crate::io::{ReadSource, WriteSource};
use crate::reactor::journal::value::Value;

/// Any socket.
pub trait OsSocket: AsSocket2 + PlatformSource + Debug + Into<Self::Std> {
    type Std;
    type Address: Value;
    /// The name of the public alias.
    const NAME: &'static str;
    /// The name of the public function that calls [`from_std`](OsSocket::from_std).
    const FROM_STD: &'static str;

    fn from_std(socket: Self::Std) -> Self;
    fn local_addr(&self) -> io::Result<Self::Address>;
}

/// A connected stream.
#[allow(
    unreachable_pub,
    reason = "a bound of a public type; Rust 1.88 reports it"
)]
pub trait OsStream: OsSocket + ReadSource + WriteSource {
    /// Whether a read that fills only a part of the buffer has emptied the socket.
    const SHORT_READ_DRAINS: bool;

    fn peer_addr(&self) -> io::Result<Self::Address>;
}

/// A listening socket.
#[allow(
    unreachable_pub,
    reason = "a bound of a public type; Rust 1.88 reports it"
)]
pub trait OsListener: OsSocket {
    type Stream: Value;

    fn accept(&self) -> io::Result<(Self::Stream, Self::Address)>;
}

/// A socket for datagrams.
#[allow(
    unreachable_pub,
    reason = "a bound of a public type; Rust 1.88 reports it"
)]
pub trait OsDatagram: OsSocket {
    fn peer_addr(&self) -> io::Result<Self::Address>;
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Self::Address)>;
}

/// Access to the options that mio has no method for.
pub trait AsSocket2 {
    fn as_socket2(&self) -> SockRef<'_>;
}

impl<S> AsSocket2 for S
where
    for<'a> SockRef<'a>: From<&'a S>,
{
    fn as_socket2(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}
