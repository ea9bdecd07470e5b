//! Traits for the operations that the sockets of mio have in common.
//!
//! They are implemented in `tcp.rs`, `udp.rs` and `unix/os.rs`. The types of mio share no trait, and
//! socket2 would bypass what mio does after an operation on Windows, so each implementation forwards to
//! the methods of the same names.

use std::fmt::Debug;
use std::io;

use socket2::SockRef;

use crate::io::platform::PlatformSource;
use crate::io::{Backed, ReadSource, WriteSource};
use crate::reactor::journal::value::Value;
use crate::reactor::world::WorldSocket;

/// Any socket.
pub trait OsSocket: HasOptions + PlatformSource + Debug + Sized {
    type Std;
    type Address: Value;
    /// The name of the public alias.
    const NAME: &'static str;
    /// The name of the public function that calls [`from_std`](OsSocket::from_std).
    const FROM_STD: &'static str;

    fn from_std(socket: Self::Std) -> Self;
    fn into_std(self) -> io::Result<Self::Std>;
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

/// Access to the options of a socket that may belong to a simulated world.
#[allow(
    unreachable_pub,
    reason = "a bound of a public type; Rust 1.88 reports it"
)]
pub trait HasOptions {
    /// Calls `real` for a socket of the operating system, or `world`.
    fn with_options<R>(
        &self,
        real: impl FnOnce(&socket2::Socket) -> io::Result<R>,
        world: impl FnOnce(&WorldSocket) -> io::Result<R>,
    ) -> io::Result<R>;

    /// Returns whether the socket belongs to a simulated world.
    fn is_of_world(&self) -> bool;
}

impl<S: AsSocket2> HasOptions for Backed<S> {
    fn with_options<R>(
        &self,
        real: impl FnOnce(&socket2::Socket) -> io::Result<R>,
        world: impl FnOnce(&WorldSocket) -> io::Result<R>,
    ) -> io::Result<R> {
        self.either(|socket| real(&socket.as_socket2()), world)
    }

    fn is_of_world(&self) -> bool {
        matches!(self, Backed::World(_))
    }
}
