//! Unix domain datagrams.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use futures::future::{Either, select};

use crate::event_loop::current::current;
use crate::io::{Descriptor, Direction, PollEvented, Ready, check_loop};
use crate::net::error::FailedAttempt;
use crate::promise::Promise;
use crate::time::sleep;

/// How long a sender that nobody will tell of a free place waits before it tries again.
const BACK_OFF: Duration = Duration::from_millis(5);

/// A Unix domain socket for datagrams.
///
/// Nothing is lost on the way: sending waits while the receiver has too many datagrams that it has
/// not received. (The system tells a sender that is [connected](UnixDatagram::connect) when there
/// is a place again; [`send_to`](UnixDatagram::send_to) has to try again every 5 ms.)
///
/// Any number of tasks may send and receive by reference. At most 32 datagrams are received for one
/// event; a datagram that is longer than the buffer is cut off. Waiting keeps the loop alive.
/// Dropping the socket closes it; the path it was bound to stays in the file system.
///
/// ```
/// use nodeloop::net::UnixDatagram;
///
/// let text = nodeloop::block_on(async {
///     let (one, other) = UnixDatagram::pair()?;
///     one.send(b"hello").await?;
///     let mut buffer = [0; 16];
///     let length = other.recv(&mut buffer).await?;
///     std::io::Result::Ok(buffer[..length].to_vec())
/// });
/// assert_eq!(text.unwrap(), b"hello");
/// ```
pub struct UnixDatagram {
    socket: PollEvented<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// Makes a socket with a path, which must not exist.
    ///
    /// # Errors
    ///
    /// The system's, in a [`NetError`](crate::net::NetError); and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        let state = current("UnixDatagram::bind");
        let path = path.as_ref();
        let socket = mio::net::UnixDatagram::bind(path)
            .map_err(|error| FailedAttempt::at_path("bind", path, error).alone())?;
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(UnixDatagram { socket })
    }

    /// Makes a socket without an address: it can send, and receive once it is connected.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        let state = current("UnixDatagram::unbound");
        let socket = mio::net::UnixDatagram::unbound()?;
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(UnixDatagram { socket })
    }

    /// Makes two sockets that are connected with each other.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let state = current("UnixDatagram::pair");
        let (one, other) = mio::net::UnixDatagram::pair()?;
        let one = PollEvented::new(state.clone(), one, Location::caller())?;
        let other = PollEvented::new(state, other, Location::caller())?;
        Ok((UnixDatagram { socket: one }, UnixDatagram { socket: other }))
    }

    /// Takes over a socket of `std`. It becomes non-blocking.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<UnixDatagram> {
        let state = current("UnixDatagram::from_std");
        socket.set_nonblocking(true)?;
        let socket = mio::net::UnixDatagram::from_std(socket);
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(UnixDatagram { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking.
    ///
    /// # Errors
    ///
    /// If the socket was closed.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixDatagram> {
        self.socket.into_inner().map(Into::into)
    }

    /// Chooses the other end: [`send`](UnixDatagram::send) goes there. It is done at once.
    ///
    /// # Errors
    ///
    /// The system's, in a [`NetError`](crate::net::NetError) such as `connect ENOENT /tmp/socket`;
    /// and if the socket was closed.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let failed = |error| FailedAttempt::at_path("connect", path, error).alone();
        self.socket
            .with(|socket| socket.connect(path).map_err(failed))
    }

    /// Sends a datagram to the other end. Cancel safe: a dropped one was not sent.
    ///
    /// # Errors
    ///
    /// The system's, `ConnectionRefused` if the other end is gone; and if the socket was closed.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let send = || self.socket.with(|socket| socket.send(bytes));
        let registration = self.socket.registration();
        registration.async_io(Direction::Write, send).await
    }

    /// Sends a datagram to a path. Cancel safe: a dropped one was not sent.
    ///
    /// # Errors
    ///
    /// The system's, in a [`NetError`](crate::net::NetError) such as `send ECONNREFUSED
    /// /tmp/socket`; and if the socket was closed.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        loop {
            check_loop(self.socket.state())?;
            match self.socket.with(|socket| socket.send_to(bytes, path)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The event tells of a place in our own buffer, and may never come.
                    self.socket.registration().would_block(Direction::Write);
                    let back_off = sleep(BACK_OFF);
                    let back_off = if self.has_ref() {
                        back_off
                    } else {
                        back_off.unref()
                    };
                    if let Either::Left((result, _)) = select(self.writable(), back_off).await {
                        result?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    let failed = |error| FailedAttempt::at_path("send", path, error).alone();
                    return result.map_err(failed);
                }
            }
        }
    }

    /// Receives a datagram. What does not fit into the buffer is lost. Cancel safe: a dropped one
    /// has received nothing.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let receive = || self.socket.with(|socket| socket.recv(buffer));
        let registration = self.socket.registration();
        registration.async_io(Direction::Read, receive).await
    }

    /// Receives a datagram and the address it came from, which may have no path. Otherwise as
    /// [`recv`](UnixDatagram::recv).
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let receive = || self.socket.with(|socket| socket.recv_from(buffer));
        let registration = self.socket.registration();
        registration.async_io(Direction::Read, receive).await
    }

    /// Waits until there may be a datagram, or an error. Any number of tasks may wait. Cancel
    /// safe, and dropping it ends the wait.
    ///
    /// # Errors
    ///
    /// If the socket was closed, or its loop has ended or is not the one that runs.
    pub fn readable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Read)
    }

    /// Waits until the system may take a datagram; at once if none was refused before. Otherwise
    /// as [`readable`](UnixDatagram::readable).
    ///
    /// # Errors
    ///
    /// If the socket was closed, or its loop has ended or is not the one that runs.
    pub fn writable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Write)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.local_addr())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.peer_addr())
    }

    /// Ends one direction, or both.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.with(|socket| socket.shutdown(how))
    }

    /// The error that is pending on the socket, if there is one; it is pending no more then.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.with(|socket| socket.take_error())
    }

    /// Closes the socket now and calls `callback` in the close phase of this turn (R62).
    ///
    /// Tasks that wait for the socket are woken right before it and get an error. Closing again
    /// closes nothing and calls `callback` all the same. If the loop ends before, `callback` is
    /// dropped.
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.socket.close_with(callback, Location::caller());
    }

    /// Closes the socket now; the promise is settled in the close phase of this turn (R62), where
    /// [`close_with`](UnixDatagram::close_with) would call back. Dropping the promise changes nothing.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn close(&self) -> Promise<()> {
        self.socket.close()
    }

    /// Lends the descriptor, for options that have no method here.
    ///
    /// # Errors
    ///
    /// If the socket was closed.
    pub fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        self.socket.descriptor()
    }

    /// Makes waits for this socket keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &UnixDatagram {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for this socket not keep the loop alive.
    pub fn unref(&self) -> &UnixDatagram {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for this socket keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixDatagram").field(&self.socket).finish()
    }
}
