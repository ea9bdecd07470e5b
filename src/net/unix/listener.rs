//! Unix domain listeners.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;

use super::UnixStream;
use crate::event_loop::current::current;
use crate::io::{Descriptor, PollEvented};
use crate::net::accept::Accepting;
use crate::net::error::FailedAttempt;
use crate::phases::macrotask::SourceLocation;
use crate::promise::Promise;

/// A Unix domain socket that accepts connections.
///
/// Waiting for a connection keeps the loop alive; a listener that nobody waits for does not.
/// Dropping it closes the socket, and so does [`close_with`](UnixListener::close_with); connections that
/// were not accepted by then are ended by the system. The path it was bound to stays in the file
/// system, where Node would unlink it.
pub struct UnixListener {
    pub(super) socket: PollEvented<mio::net::UnixListener>,
}

impl UnixListener {
    /// Listens on `path`, which must not exist. As many connections wait for being accepted as the
    /// system allows.
    ///
    /// # Errors
    ///
    /// The system's, as when the path exists, in a [`NetError`](crate::net::NetError) such as
    /// `listen EADDRINUSE: address already in use /tmp/socket`; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let state = current("UnixListener::bind");
        let path = path.as_ref();
        let socket = mio::net::UnixListener::bind(path)
            .map_err(|error| FailedAttempt::at_path("listen", path, error).alone())?;
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(UnixListener { socket })
    }

    /// Takes over a listening socket of `std`. It becomes non-blocking.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
        let state = current("UnixListener::from_std");
        listener.set_nonblocking(true)?;
        let socket = mio::net::UnixListener::from_std(listener);
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(UnixListener { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking. Waits that are pending are not told.
    ///
    /// # Errors
    ///
    /// If the listener was closed.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        self.socket.into_inner().map(Into::into)
    }

    /// Waits for the next connection.
    ///
    /// Any number of tasks may accept at once; they are woken in the order in which they came. At
    /// most 32 connections are accepted for one event, then the next poll phase goes on. A
    /// connection that its peer has given up is passed over. When the process is out of
    /// descriptors, connections stay in the system's queue and accepting is tried again every
    /// 100 ms.
    ///
    /// Cancel safe: no connection is lost by dropping the future.
    ///
    /// # Errors
    ///
    /// The system's; and if the listener was closed, or its loop has ended or is not the one that
    /// runs.
    #[track_caller]
    pub fn accept(&self) -> UnixAccept<'_> {
        UnixAccept {
            accepting: Accepting::new(&self.socket),
            location: Location::caller(),
        }
    }

    /// The connections as a stream without end. It is [`accept`](UnixListener::accept) again and
    /// again, without the addresses (a stream tells its own by `peer_addr`); behind an error it can
    /// be asked for the next one.
    #[track_caller]
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming {
            accept: self.accept(),
        }
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// The system's; and if it was closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.local_addr())
    }

    /// Closes the socket now and calls `callback` in the close phase of this turn (R62).
    ///
    /// Tasks that wait for a connection are woken right before it and get an error. Connections
    /// that were accepted live on; `callback` does not wait for them, unlike that of Node's
    /// `server.close()`. Closing again closes nothing and calls `callback` all the same. If the
    /// loop ends before, `callback` is dropped.
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.socket.close_with(callback, Location::caller());
    }

    /// Closes the socket now; the promise is settled in the close phase of this turn (R62), where
    /// [`close_with`](UnixListener::close_with) would call back. Dropping the promise changes nothing.
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

    /// Makes waits for a connection keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &UnixListener {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for a connection not keep the loop alive.
    pub fn unref(&self) -> &UnixListener {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for a connection keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixListener").field(&self.socket).finish()
    }
}

/// The future of [`UnixListener::accept`]. Dropping it ends the wait and loses no connection.
#[must_use = "futures do nothing unless polled"]
pub struct UnixAccept<'a> {
    accepting: Accepting<'a, mio::net::UnixListener>,
    location: SourceLocation,
}

impl Future for UnixAccept<'_> {
    type Output = io::Result<(UnixStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = self.accepting.poll(cx, |socket| socket.accept());
        accepted.map_ok(|(socket, address)| {
            let state = self.accepting.listener().state().clone();
            let socket = PollEvented::new(state, socket, self.location)?;
            Ok((UnixStream { socket }, address))
        })?
    }
}

impl fmt::Debug for UnixAccept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixAccept")
            .field(self.accepting.listener())
            .finish()
    }
}

/// The stream of [`UnixListener::incoming`]. Dropping it loses no connection.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct UnixIncoming<'a> {
    accept: UnixAccept<'a>,
}

impl Stream for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = Pin::new(&mut self.accept).poll(cx);
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}
