//! TCP streams and listeners, and their methods beyond those of all sockets.

mod connect;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::FusedFuture;

pub use connect::ConnectOptions;
pub use socket::TcpSocket;
use socket::{set_keepalive, set_world_linger, world_keepalive, world_linger};

use super::address::ToSocketAddrs;
use super::error::{FailedAttempt, NetError};
use super::kind::{Listener, Protocol, Stream, Tcp};
use super::os::{OsListener, OsSocket, OsStream};
use super::socket::{Socket, set_ttl, set_world_ttl, ttl, world_ttl};
use super::split::OwnedReadHalf;
use crate::event_loop::current::current;
use crate::io::platform::{REUSE_ADDRESS, SHORT_READ_DRAINS};
use crate::io::{Backed, check_loop};
use crate::reactor::world::WorldSocket;

/// The length of the queue of connections to accept, as in Node (`lib/net.js`, `server.listen`).
const BACKLOG: u32 = 511;

/// A TCP connection.
///
/// A stream is created by [connecting](TcpStream::connect), or by
/// [accepting](TcpListener::accept) a connection. It is read and written through the traits
/// [`AsyncRead`] and [`AsyncWrite`] of `futures`, which references to a stream implement, too: one
/// task may read while another one writes.
///
/// In each direction, one task at a time may use these traits: if several tasks wait, only the
/// latest is woken. Any number of tasks may wait for [`readable`](TcpStream::readable) and
/// [`writable`](TcpStream::writable).
///
/// A pending read or write keeps the loop alive. The traits do not report that a task has stopped
/// waiting, for example because another branch of a `select!` has won: the abandoned read keeps the
/// loop alive until the next event, or until the stream is [unref'd](TcpStream::unref), closed or
/// dropped.
///
/// Nothing is buffered. [`AsyncWriteExt::close`] only shuts down the write direction, as
/// [`shutdown`](TcpStream::shutdown) does. Dropping the stream closes the socket, and so does
/// [`close_with`](TcpStream::close_with). If received bytes were not read by then, the connection is
/// reset.
///
/// # Errors
///
/// [`Socket`] documents the errors of its methods.
///
/// # Cancel safety
///
/// Abandoning a read or write loses no data: bytes are read or written only when the operation
/// completes.
///
/// # Examples
///
/// ```
/// use futures::io::{AsyncReadExt, AsyncWriteExt};
/// use nodeloop::net::{TcpListener, TcpStream};
///
/// nodeloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     client.write_all(b"hello").await?;
///     client.close().await?; // ends the write direction: the server reads the end
///
///     let (mut server, _) = listener.accept().await?;
///     let mut text = String::new();
///     server.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// [`AsyncRead`]: futures::io::AsyncRead
/// [`AsyncWrite`]: futures::io::AsyncWrite
/// [`AsyncWriteExt::close`]: futures::io::AsyncWriteExt::close
pub type TcpStream = Socket<Stream<Tcp>>;

/// A TCP socket that accepts connections.
///
/// A pending [`accept`](TcpListener::accept) keeps the loop alive; a listener on which no task
/// waits does not. Dropping the listener closes it. The operating system resets the connections
/// that were not accepted by then. [`Socket`] documents the errors of its methods.
///
/// # Examples
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
///     })
///     .detach();
///     let mut stream = TcpStream::connect(address).await?;
///     stream.write_all(b"hello").await?;
///     let mut buffer = [0; 5];
///     stream.read_exact(&mut buffer).await?;
///     std::io::Result::Ok(buffer)
/// });
/// assert_eq!(&echoed.unwrap(), b"hello");
/// ```
pub type TcpListener = Socket<Listener<Tcp>>;

impl Socket<Stream<Tcp>> {
    /// Opens a TCP connection to `address`.
    ///
    /// A host name is looked up by a job of the blocking pool. If there are several addresses, they
    /// are tried one after the other, the families in turn, each for at most 250 ms, as in Node.
    /// [`ConnectOptions`] can change that.
    ///
    /// The outcome is reported by an event of the poll phase, or by the pending phase if the
    /// connection is refused immediately (R63). An error of the call itself, such as an unreachable
    /// network, is returned without a wait, whereas Node reports it in a tick.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`] that lists all attempts, such as `connect ECONNREFUSED 127.0.0.1:80`.
    /// Its kind is that of the first attempt. Returns an error if the loop ends.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the attempt.
    #[track_caller]
    pub fn connect(
        address: impl ToSocketAddrs,
    ) -> impl FusedFuture<Output = io::Result<TcpStream>> {
        let state = current("TcpStream::connect");
        ConnectOptions::new().connect_in(state, address, Location::caller())
    }

    /// Receives data without removing it from the queue: the next read returns the same bytes.
    ///
    /// It counts as one of the 32 reads of an event.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.async_read(buffer, peek).await
    }

    /// Peeks as [`peek`](TcpStream::peek) does, for `poll_*` methods: only the task of the latest call
    /// is woken, including calls of `poll_read`.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.source.poll_read_io(cx, buffer, peek)
    }

    /// Returns the value of the `TCP_NODELAY` option.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.source.with(|socket| {
            let world = |socket: &WorldSocket| socket.options(|options| options.nodelay);
            socket.either(mio::net::TcpStream::nodelay, world)
        })
    }

    /// Sets the value of the `TCP_NODELAY` option, which disables the Nagle algorithm: small writes
    /// are sent immediately.
    ///
    /// It is off by default.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.source.with(|socket| {
            let world = |socket: &WorldSocket| socket.options(|options| options.nodelay = nodelay);
            socket.either(|socket| socket.set_nodelay(nodelay), world)
        })
    }

    /// Returns the value of the `SO_LINGER` option.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.with_options(socket2::Socket::linger, world_linger)
    }

    /// Sets the value of the `SO_LINGER` option, in whole seconds: for how long the operating
    /// system tries to send pending data after the socket was closed.
    ///
    /// With a duration of zero, closing the socket discards pending data and resets the connection.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        let world = |socket: &WorldSocket| set_world_linger(socket, linger);
        self.with_options(|socket| socket.set_linger(linger), world)
    }

    /// Enables TCP keepalive after `idle`, in whole seconds, or disables it, which is the default.
    ///
    /// A dead peer surfaces as a read error.
    #[doc(alias = "setKeepAlive")]
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        let world = |socket: &WorldSocket| socket.set_keepalive(idle);
        self.with_options(|socket| set_keepalive(socket, idle), world)
    }

    /// Returns whether TCP keepalive is enabled (`SO_KEEPALIVE`).
    pub fn keepalive(&self) -> io::Result<bool> {
        self.with_options(socket2::Socket::keepalive, world_keepalive)
    }

    /// Returns the hop limit of outgoing packets (`IP_TTL`, or `IPV6_UNICAST_HOPS` for IPv6).
    pub fn ttl(&self) -> io::Result<u32> {
        self.with_options(ttl, world_ttl)
    }

    /// Sets the hop limit of outgoing packets (`IP_TTL`, or `IPV6_UNICAST_HOPS` for IPv6).
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.with_options(
            |socket| set_ttl(socket, hops),
            |socket| set_world_ttl(socket, hops),
        )
    }

    /// Closes the socket as [`close_with`](TcpStream::close_with) does, but discards pending data
    /// and resets the connection (libuv's `uv_tcp_close_reset`).
    ///
    /// # Errors
    ///
    /// Returns an error if the socket was closed, and any error reported by the operating system.
    /// In both cases nothing is closed, and `callback` is dropped.
    #[doc(alias = "resetAndDestroy")]
    #[track_caller]
    pub fn reset(&self, callback: impl FnOnce() + 'static) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))?;
        self.close_with(callback);
        Ok(())
    }
}

impl OwnedReadHalf<Tcp> {
    /// Reads without consuming; see [`TcpStream::peek`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_ref().peek(buffer).await
    }

    /// Peeks as [`peek`](OwnedReadHalf::peek) does, for `poll_*` methods; see
    /// [`TcpStream::poll_peek`].
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.as_ref().poll_peek(cx, buffer)
    }
}

impl Socket<Listener<Tcp>> {
    /// Creates a listener that is bound to `address`.
    ///
    /// A host name is looked up by a job of the blocking pool; a literal address needs no wait. If
    /// there are several addresses, the first that can be bound is used. With port 0, the operating
    /// system assigns a port, which [`local_addr`](TcpListener::local_addr) returns.
    ///
    /// As in Node, `SO_REUSEADDR` is set on Unix, and the queue holds up to 511 connections. Use a
    /// [`TcpSocket`] for other options.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`] that lists all attempts, such as `listen EADDRINUSE: address already
    /// in use 127.0.0.1:80`. Its kind is that of the first attempt.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> impl FusedFuture<Output = io::Result<TcpListener>> {
        let state = current("TcpListener::bind");
        let (target, location) = (address.target(), Location::caller());
        async move {
            let mut failed = Vec::new();
            for address in target?.resolve(location).await? {
                let listening =
                    |socket: TcpSocket| socket.listen_in(state.clone(), BACKLOG, location);
                match bind_socket(address).and_then(listening) {
                    Ok(listener) => return Ok(listener),
                    Err(error) => failed.push(FailedAttempt::at("listen", address, error)),
                }
            }
            check_loop(&state)?; // the end of the loop is not an error of any address
            Err(NetError::wrap(failed))
        }
        .fuse()
    }
}

impl Socket<Listener<Tcp>> {
    /// Returns the hop limit of the packets of accepted connections (`IP_TTL`, or `IPV6_UNICAST_HOPS`
    /// for IPv6).
    pub fn ttl(&self) -> io::Result<u32> {
        self.with_options(ttl, world_ttl)
    }

    /// Sets the hop limit of the packets of accepted connections (`IP_TTL`, or `IPV6_UNICAST_HOPS` for
    /// IPv6).
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.with_options(
            |socket| set_ttl(socket, hops),
            |socket| set_world_ttl(socket, hops),
        )
    }
}

/// Creates a socket that is bound to `address`, with the options that libuv sets.
fn bind_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_for(address)?;
    socket.set_reuseaddr(REUSE_ADDRESS)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A stream of mio, or one of a simulated world.
type TcpSource = Backed<mio::net::TcpStream>;

fn peek(socket: &TcpSource, buffer: &mut [u8]) -> io::Result<usize> {
    match socket {
        Backed::Real(socket) => socket.peek(buffer),
        Backed::World(socket) => socket.peek(buffer),
    }
}

impl Protocol for Tcp {
    type Address = SocketAddr;
    type Stream = TcpSource;
    type Listener = Backed<mio::net::TcpListener>;
}

impl OsSocket for Backed<mio::net::TcpStream> {
    type Std = std::net::TcpStream;
    type Address = SocketAddr;
    const NAME: &'static str = "TcpStream";
    const FROM_STD: &'static str = "TcpStream::from_std";

    fn from_std(socket: std::net::TcpStream) -> Self {
        Backed::Real(mio::net::TcpStream::from_std(socket))
    }

    fn into_std(self) -> io::Result<Self::Std> {
        self.into_real().map(Into::into)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::TcpStream::local_addr, WorldSocket::local_addr)
    }
}

impl OsStream for TcpSource {
    const SHORT_READ_DRAINS: bool = SHORT_READ_DRAINS;

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::TcpStream::peer_addr, WorldSocket::peer_addr)
    }
}

impl OsSocket for Backed<mio::net::TcpListener> {
    type Std = std::net::TcpListener;
    type Address = SocketAddr;
    const NAME: &'static str = "TcpListener";
    const FROM_STD: &'static str = "TcpListener::from_std";

    fn from_std(socket: std::net::TcpListener) -> Self {
        Backed::Real(mio::net::TcpListener::from_std(socket))
    }

    fn into_std(self) -> io::Result<Self::Std> {
        self.into_real().map(Into::into)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::TcpListener::local_addr, WorldSocket::local_addr)
    }
}

impl OsListener for Backed<mio::net::TcpListener> {
    type Stream = TcpSource;

    fn accept(&self) -> io::Result<(TcpSource, SocketAddr)> {
        match self {
            Backed::Real(socket) => socket
                .accept()
                .map(|(socket, peer)| (Backed::Real(socket), peer)),
            Backed::World(socket) => socket
                .accept()
                .map(|(socket, peer)| (Backed::World(socket), peer)),
        }
    }
}
