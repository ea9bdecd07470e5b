//! A TCP socket that neither listens nor is connected yet, on which options can be set.

use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::FusedFuture;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::connect::connect_socket;
use super::{TcpListener, TcpStream};
use crate::event_loop::current::{current, try_current};
use crate::event_loop::state::LoopState;
use crate::io::Backed;
use crate::net::error::FailedAttempt;
use crate::phases::macrotask::SourceLocation;
use crate::reactor::journal::Operation;
use crate::reactor::world::{Options, WorldSocket};

/// A TCP socket that has not yet been converted to a [`TcpListener`] or a [`TcpStream`].
///
/// It allows options to be set before the socket [listens](TcpSocket::listen) or
/// [connects](TcpSocket::connect). It is not registered with an event loop, so it can be created
/// outside of one. Dropping it closes it.
///
/// # Errors
///
/// Methods that return an [`io::Result`] return any error reported by the operating system.
///
/// # Examples
///
/// With `set_reuseport`, several loops, each on a thread of its own, can serve one port; the
/// operating system distributes the connections:
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use nodeloop::net::TcpSocket;
///
/// let shared = nodeloop::block_on(async {
///     let first = TcpSocket::new_v4()?;
///     first.set_reuseport(true)?;
///     first.bind("127.0.0.1:0".parse().unwrap())?;
///     let first = first.listen(1024)?;
///
///     let second = TcpSocket::new_v4()?;
///     second.set_reuseport(true)?;
///     second.bind(first.local_addr()?)?;
///     let second = second.listen(1024)?;
///     std::io::Result::Ok(first.local_addr()? == second.local_addr()?)
/// });
/// assert!(shared.unwrap());
/// # }
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    pub(in crate::net) socket: Backed<Socket>,
}

impl TcpSocket {
    /// Creates a socket for IPv4.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// Creates a socket for IPv6.
    ///
    /// [`set_only_v6`](TcpSocket::set_only_v6) sets whether it also serves IPv4.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    /// Creates a socket for the address family of `address`, to which it is not bound.
    pub fn new_for(address: SocketAddr) -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::for_address(address))
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let world = try_current().and_then(|state| state.world().cloned());
        let socket = match world {
            Some(host) => Backed::World(WorldSocket::stream(&host)?),
            None => Backed::Real(Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?),
        };
        Ok(TcpSocket { socket })
    }

    /// Creates a socket from one of the standard library, which must be neither listening nor
    /// connected.
    ///
    /// Sockets of other crates can be converted through it.
    pub fn from_std(socket: std::net::TcpStream) -> TcpSocket {
        TcpSocket {
            socket: Backed::Real(socket.into()),
        }
    }

    /// Turns the socket into one of the standard library, which is not connected.
    ///
    /// # Panics
    ///
    /// Panics if the socket belongs to a host of a [simulated world](crate::test::World).
    #[track_caller]
    pub fn into_std(self) -> std::net::TcpStream {
        match self.socket.into_real() {
            Ok(socket) => socket.into(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `real`, or `world` with the options that a simulated world stores.
    pub(in crate::net) fn either<R>(
        &self,
        real: impl FnOnce(&Socket) -> io::Result<R>,
        world: impl FnOnce(&mut Options) -> R,
    ) -> io::Result<R> {
        self.socket.either(real, |socket| socket.options(world))
    }

    /// Sets the `SO_REUSEADDR` option, which allows binding to the address of a socket that was
    /// closed recently.
    ///
    /// On Windows, it lets two sockets have the same address at the same time.
    pub fn set_reuseaddr(&self, reuse: bool) -> io::Result<()> {
        self.either(
            |it| it.set_reuse_address(reuse),
            |it| it.reuse_address = reuse,
        )
    }

    /// Returns the value of the `SO_REUSEADDR` option.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.either(Socket::reuse_address, |it| it.reuse_address)
    }

    /// Sets the `IPV6_V6ONLY` option: whether a socket for IPv6 accepts no connections over IPv4.
    #[doc(alias = "ipv6Only")]
    pub fn set_only_v6(&self, only_v6: bool) -> io::Result<()> {
        self.either(|it| it.set_only_v6(only_v6), |it| it.only_v6 = only_v6)
    }

    /// Returns the value of the `IPV6_V6ONLY` option.
    pub fn only_v6(&self) -> io::Result<bool> {
        self.either(Socket::only_v6, |it| it.only_v6)
    }

    /// Sets the value of the `TCP_NODELAY` option, which disables the Nagle algorithm.
    ///
    /// On Linux, accepted connections inherit it.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.either(|it| it.set_tcp_nodelay(nodelay), |it| it.nodelay = nodelay)
    }

    /// Returns the value of the `TCP_NODELAY` option.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.either(Socket::tcp_nodelay, |it| it.nodelay)
    }

    /// Enables TCP keepalive after `idle`, in whole seconds, or disables it.
    ///
    /// A dead peer surfaces as a read error.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        self.either(|it| set_keepalive(it, idle), |it| it.keepalive = idle)
    }

    /// Returns whether TCP keepalive is enabled (`SO_KEEPALIVE`).
    pub fn keepalive(&self) -> io::Result<bool> {
        self.either(Socket::keepalive, |it| it.keepalive.is_some())
    }

    /// Sets the value of the `SO_LINGER` option; see [`TcpStream::set_linger`].
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.either(
            |it| it.set_linger(linger),
            |it| it.linger = linger.map(whole_seconds),
        )
    }

    /// Returns the value of the `SO_LINGER` option.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.either(Socket::linger, |it| it.linger)
    }

    /// Returns the value of the `SO_ERROR` option and clears it.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket
            .either(Socket::take_error, WorldSocket::take_error)
    }

    /// Sets the size of the send buffer (`SO_SNDBUF`).
    ///
    /// The size is a hint: Linux doubles it.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.either(
            |it| it.set_send_buffer_size(bytes),
            |it| it.send_buffer = Options::buffer(bytes),
        )
    }

    /// Returns the size of the send buffer, in bytes.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.either(Socket::send_buffer_size, |it| it.send_buffer)
    }

    /// Sets the size of the receive buffer (`SO_RCVBUF`), which accepted connections inherit.
    ///
    /// The size is a hint: Linux doubles it.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.either(
            |it| it.set_recv_buffer_size(bytes),
            |it| it.recv_buffer = Options::buffer(bytes),
        )
    }

    /// Returns the size of the receive buffer, in bytes.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.either(Socket::recv_buffer_size, |it| it.recv_buffer)
    }

    /// Binds the socket to `address`.
    #[track_caller]
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        let real = |socket: &Socket| {
            let bind = || socket.bind(&address.into());
            match try_current() {
                Some(state) => state.call_system(Operation::Bind, Location::caller(), bind),
                None => bind(),
            }
        };
        self.socket.either(real, |it| it.bind(address))
    }

    /// Returns the local address of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let real = |socket: &Socket| {
            let address = socket.local_addr()?.as_socket();
            address.ok_or_else(|| io::Error::other("the socket has no internet address"))
        };
        self.socket.either(real, WorldSocket::local_addr)
    }

    /// Converts the socket into a listener.
    ///
    /// Its queue holds up to `backlog` connections that were not accepted yet, and no more than the
    /// operating system allows.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if the loop is ending. In
    /// both cases, the socket is closed.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let state = current("TcpSocket::listen");
        self.listen_in(state, backlog, Location::caller())
    }

    pub(super) fn listen_in(
        self,
        state: Rc<LoopState>,
        backlog: u32,
        location: SourceLocation,
    ) -> io::Result<TcpListener> {
        let real = |socket: &Socket| {
            let listen = || socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX));
            state.call_system(Operation::Bind, location, listen)?;
            socket.set_nonblocking(true)
        };
        self.socket.either(real, |socket| socket.listen(backlog))?;
        let socket = self.socket;
        let socket = socket.map(|socket| mio::net::TcpListener::from_std(socket.into()));
        TcpListener::new(state, socket, location)
    }

    /// Connects the socket to `address`.
    ///
    /// The outcome is reported as by [`TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`](crate::net::NetError). Returns an error if the loop ends.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the attempt and closes the socket.
    #[track_caller]
    pub fn connect(self, address: SocketAddr) -> impl FusedFuture<Output = io::Result<TcpStream>> {
        let state = current("TcpSocket::connect");
        let location = Location::caller();
        async move {
            let connecting = connect_socket(&state, self.socket, address, location);
            let failed = |error| FailedAttempt::at("connect", address, error).into_error();
            connecting.await.map_err(failed)
        }
        .fuse()
    }
}

pub(super) fn set_keepalive(socket: &Socket, idle: Option<Duration>) -> io::Result<()> {
    match idle {
        Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
        None => socket.set_keepalive(false),
    }
}

/// Returns whether keepalive is enabled for a socket of a simulated world.
pub(super) fn world_keepalive(socket: &WorldSocket) -> io::Result<bool> {
    socket.options(|options| options.keepalive.is_some())
}

pub(super) fn world_linger(socket: &WorldSocket) -> io::Result<Option<Duration>> {
    socket.options(|options| options.linger)
}

pub(super) fn set_world_linger(socket: &WorldSocket, linger: Option<Duration>) -> io::Result<()> {
    socket.options(|options| options.linger = linger.map(whole_seconds))
}

/// Cuts a duration as `SO_LINGER` does.
fn whole_seconds(linger: Duration) -> Duration {
    Duration::from_secs(linger.as_secs())
}
