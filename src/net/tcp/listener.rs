//! TCP listeners.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;

use super::{TcpSocket, TcpStream};
use crate::event_loop::current::current;
use crate::io::{PollEvented, check_loop};
use crate::net::accept::Accepting;
use crate::net::address::ToSocketAddrs;
use crate::net::error::{FailedAttempt, NetError};
use crate::phases::macrotask::SourceLocation;
use crate::promise::Promise;

/// How many connections wait for being accepted: Node's `server.listen` (`lib/net.js`).
const BACKLOG: u32 = 511;

/// A TCP socket that accepts connections.
///
/// Waiting for a connection keeps the loop alive; a listener that nobody waits for does not.
/// Dropping it closes the socket, and so does [`close_with`](TcpListener::close_with); connections that
/// were not accepted by then are reset by the system.
///
/// ```
/// use futures::io::{AsyncReadExt, AsyncWriteExt};
/// use nodeloop::net::{TcpListener, TcpStream};
///
/// let echoed = nodeloop::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     nodeloop::spawn(async move {
///         let (stream, _) = listener.accept().await.unwrap();
///         futures::io::copy(&stream, &mut &stream).await.unwrap();
///     });
///     let mut stream = TcpStream::connect(address).await?;
///     stream.write_all(b"hello").await?;
///     let mut buffer = [0; 5];
///     stream.read_exact(&mut buffer).await?;
///     std::io::Result::Ok(buffer)
/// });
/// assert_eq!(&echoed.unwrap(), b"hello");
/// ```
pub struct TcpListener {
    pub(super) socket: PollEvented<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens on `address`; if it stands for several, on the first that can be had. Port 0 lets
    /// the system choose one, see [`local_addr`](TcpListener::local_addr).
    ///
    /// A name is looked up by a job of the pool, a literal address costs no wait. As Node does, it
    /// sets `SO_REUSEADDR` on Unix; up to 511 connections wait for being accepted (Node's number too;
    /// [`TcpSocket::listen`] takes another). Dropping the future before it is done leaves nothing
    /// behind.
    ///
    /// # Errors
    ///
    /// A [`NetError`] that lists what was tried, such as `listen EADDRINUSE: address already in
    /// use 127.0.0.1:80`, with the kind of the first; that of looking up the name.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> impl Future<Output = io::Result<TcpListener>> {
        let state = current("TcpListener::bind");
        let (target, location) = (address.target(), Location::caller());
        async move {
            let mut failed = Vec::new();
            for address in target?.resolve().await? {
                let listening =
                    |socket: TcpSocket| socket.listen_in(state.clone(), BACKLOG, location);
                match bound(address).and_then(listening) {
                    Ok(listener) => return Ok(listener),
                    Err(error) => failed.push(FailedAttempt::at("listen", address, error)),
                }
            }
            check_loop(&state)?; // its end is no fault of any address
            Err(NetError::wrap(failed))
        }
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
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let state = current("TcpListener::from_std");
        listener.set_nonblocking(true)?;
        let socket = mio::net::TcpListener::from_std(listener);
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(TcpListener { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking. Waits that are pending are not told.
    ///
    /// # Errors
    ///
    /// If the listener was closed.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
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
    pub fn accept(&self) -> Accept<'_> {
        Accept {
            accepting: Accepting::new(&self.socket),
            location: Location::caller(),
        }
    }

    /// The connections as a stream without end. It is [`accept`](TcpListener::accept) again and
    /// again, without the addresses (a stream tells its own by `peer_addr`); behind an error it can
    /// be asked for the next one.
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming {
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
    /// [`close_with`](TcpListener::close_with) would call back. Dropping the promise changes nothing.
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
    #[cfg(unix)]
    pub fn descriptor(&self) -> io::Result<crate::io::Descriptor<'_>> {
        self.socket.descriptor()
    }

    /// Makes waits for a connection keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &TcpListener {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for a connection not keep the loop alive.
    pub fn unref(&self) -> &TcpListener {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for a connection keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

/// A socket with that address, and the options that Node gives it.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_for(address)?;
    // On Windows it would let two sockets have the same address at the same time.
    socket.set_reuse_address(cfg!(unix))?;
    socket.bind(address)?;
    Ok(socket)
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener").field(&self.socket).finish()
    }
}

/// The future of [`TcpListener::accept`]. Dropping it ends the wait and loses no connection.
#[must_use = "futures do nothing unless polled"]
pub struct Accept<'a> {
    accepting: Accepting<'a, mio::net::TcpListener>,
    location: SourceLocation,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = self.accepting.poll(cx, |socket| socket.accept());
        accepted.map_ok(|(socket, address)| {
            let state = self.accepting.listener().state().clone();
            let socket = PollEvented::new(state, socket, self.location)?;
            Ok((TcpStream { socket }, address))
        })?
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accept")
            .field(self.accepting.listener())
            .finish()
    }
}

/// The stream of [`TcpListener::incoming`]. Dropping it loses no connection.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    accept: Accept<'a>,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = Pin::new(&mut self.accept).poll(cx);
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}
