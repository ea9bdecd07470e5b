//! `Socket`: the methods of all kinds of sockets.

use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use socket2::Domain;

use super::kind::Kind;
use super::os::{AsSocket2, OsSocket};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::{Direction, PollEvented, Ready};
use crate::phases::macrotask::SourceLocation;
use crate::runtime::MainOutput;

/// A socket that is registered with the event loop.
///
/// This type has an alias for each [kind](super::kind) of socket, which programs use instead of it:
/// [`TcpStream`](super::TcpStream), [`TcpListener`](super::TcpListener),
/// [`UdpSocket`](super::UdpSocket), and on Unix `UnixStream`, `UnixListener` and `UnixDatagram`.
///
/// All methods take the socket by reference, so any number of tasks can share one, for example in
/// an [`Rc`]. Dropping a socket closes it.
///
/// # Errors
///
/// Methods that return an [`io::Result`] return any error reported by the operating system. After
/// the socket was closed, they return an error of kind
/// [`NotConnected`](io::ErrorKind::NotConnected). Methods that wait also return an error if the
/// loop of the socket has ended, or if it is not the loop that runs on this thread.
pub struct Socket<K: Kind> {
    pub(super) source: PollEvented<K::Os>,
}

impl<K: Kind> MainOutput for Socket<K> {}

impl<K: Kind> Socket<K> {
    pub(super) fn new(
        state: Rc<LoopState>,
        socket: K::Os,
        location: SourceLocation,
    ) -> io::Result<Socket<K>> {
        let source = PollEvented::new(state, socket, location)?;
        Ok(Socket { source })
    }

    /// Creates a socket from one of the standard library, and sets it to non-blocking mode.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn from_std(socket: K::Std) -> io::Result<Socket<K>> {
        let state = current(K::Os::FROM_STD);
        let socket = K::Os::from_std(socket);
        socket.as_socket2().set_nonblocking(true)?;
        Socket::new(state, socket, Location::caller())
    }

    /// Converts the socket into the standard library's type. It stays in non-blocking mode.
    ///
    /// Tasks that are still waiting are not woken.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket was closed.
    pub fn into_std(self) -> io::Result<K::Std> {
        self.source.into_inner().map(Into::into)
    }

    /// Returns the local address of the socket.
    pub fn local_addr(&self) -> io::Result<K::Address> {
        self.source.with(|socket| socket.local_addr())
    }

    /// Returns the value of the `SO_ERROR` option and clears it.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.with(|socket| socket.as_socket2().take_error())
    }

    /// Waits until the socket is readable: there is data, a connection, an end of the stream or an
    /// error.
    ///
    /// Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn readable(&self) -> Ready<'_> {
        self.source.registration().ready(Direction::Read)
    }

    /// Waits until the socket is writable or has an error.
    ///
    /// Any number of tasks may wait.
    ///
    /// A socket counts as writable until an operation on it would have blocked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn writable(&self) -> Ready<'_> {
        self.source.registration().ready(Direction::Write)
    }

    /// Closes the socket now and calls `callback` in the next close phase (R62).
    ///
    /// Tasks that wait for the socket are woken right before `callback` is called, and receive an
    /// error. `callback` is also called if the socket was closed before. If the loop ends before
    /// that phase, `callback` is dropped.
    ///
    /// The callback of a listener does not wait for the connections that were accepted, unlike
    /// the callback of Node's `server.close()`.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.source.close_with(callback);
    }

    /// Makes pending operations keep the loop alive again (R6), which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        self.source.registration().set_refed(true);
        self
    }

    /// Makes pending operations not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.source.registration().set_refed(false);
        self
    }

    /// Returns whether pending operations keep the loop alive.
    ///
    /// Returns `false` after the socket was closed.
    pub fn has_ref(&self) -> bool {
        self.source.registration().has_ref()
    }
}

impl<K: Kind> fmt::Debug for Socket<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(K::Os::NAME).field(&self.source).finish()
    }
}

/// Returns the hop limit of a socket for IPv4 or IPv6.
pub(super) fn ttl(socket: &socket2::Socket) -> io::Result<u32> {
    if is_v6(socket)? {
        socket.unicast_hops_v6()
    } else {
        socket.ttl_v4()
    }
}

pub(super) fn set_ttl(socket: &socket2::Socket, hops: u32) -> io::Result<()> {
    if is_v6(socket)? {
        socket.set_unicast_hops_v6(hops)
    } else {
        socket.set_ttl_v4(hops)
    }
}

fn is_v6(socket: &socket2::Socket) -> io::Result<bool> {
    Ok(socket.local_addr()?.domain() == Domain::IPV6)
}
