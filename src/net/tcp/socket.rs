//! A TCP socket that is neither listening nor connected yet: the options that come before.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::{TcpListener, TcpStream};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::PollEvented;
use crate::net::connect::connect_socket;
use crate::net::error::FailedAttempt;
use crate::phases::macrotask::SourceLocation;

/// A TCP socket to set options on before it [listens](TcpSocket::listen) or
/// [connects](TcpSocket::connect).
///
/// It is not watched by any loop: making one and setting its options is possible everywhere.
/// Dropping it closes it.
///
/// Several loops, each on a thread of its own, can serve one port with
/// [`set_reuse_port`](TcpSocket::set_reuse_port): the system shares the connections out.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use nodeloop::net::TcpSocket;
///
/// let shared = nodeloop::block_on(async {
///     let first = TcpSocket::new_v4()?;
///     first.set_reuse_port(true)?;
///     first.bind("127.0.0.1:0".parse().unwrap())?;
///     let first = first.listen(1024)?;
///
///     let second = TcpSocket::new_v4()?;
///     second.set_reuse_port(true)?;
///     second.bind(first.local_addr()?)?;
///     let second = second.listen(1024)?;
///     std::io::Result::Ok(first.local_addr()? == second.local_addr()?)
/// });
/// assert!(shared.unwrap());
/// # }
/// ```
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// The system's, as when it is out of descriptors.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// A socket for IPv6. Whether it serves IPv4, too, is [`set_only_v6`](TcpSocket::set_only_v6).
    ///
    /// # Errors
    ///
    /// The system's, as when it is out of descriptors or has no IPv6.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    /// A socket of the family of `address`, which it is not bound to.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new_for(address: SocketAddr) -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::for_address(address))
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        Ok(TcpSocket { socket })
    }

    /// Takes over a socket of `std`, which must be neither listening nor connected.
    pub fn from_std(socket: std::net::TcpStream) -> TcpSocket {
        TcpSocket {
            socket: socket.into(),
        }
    }

    /// Binds to the address of a socket that was closed a moment ago (`SO_REUSEADDR`; on Windows
    /// this would let two sockets have the same address at the same time).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_reuse_address(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuse)
    }

    /// Whether `SO_REUSEADDR` is set.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn reuse_address(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Lets several sockets listen at one address (`SO_REUSEPORT`); each of them has to say so
    /// before it is bound. Linux shares new connections out among them, by a hash of the address
    /// of the peer; other systems may give them all to one.
    ///
    /// # Errors
    ///
    /// The system's.
    #[cfg(unix)]
    pub fn set_reuse_port(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuse)
    }

    /// Whether `SO_REUSEPORT` is set.
    ///
    /// # Errors
    ///
    /// The system's.
    #[cfg(unix)]
    pub fn reuse_port(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Whether a socket for IPv6 serves IPv6 alone (`IPV6_V6ONLY`).
    ///
    /// # Errors
    ///
    /// The system's.
    #[doc(alias = "ipv6Only")]
    pub fn set_only_v6(&self, only_v6: bool) -> io::Result<()> {
        self.socket.set_only_v6(only_v6)
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`). Connections that a
    /// listener accepts inherit it on Linux.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// Asks a silent peer now and then whether it is still there (`SO_KEEPALIVE`), the first time
    /// when nothing came for `idle` (whole seconds); `None` for never.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        set_keepalive(&self.socket, idle)
    }

    /// How long the system goes on sending when the socket was closed (`SO_LINGER`), in whole
    /// seconds. With zero, closing throws away what is not sent and resets the connection.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger)
    }

    /// How many bytes the system keeps that were written and have not arrived (`SO_SNDBUF`). A
    /// hint: Linux doubles it.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// The size of the send buffer, in bytes.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.socket.send_buffer_size()
    }

    /// How many bytes the system keeps that have arrived and were not read (`SO_RCVBUF`). A hint:
    /// Linux doubles it. Accepted connections inherit it.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// The size of the receive buffer, in bytes.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Gives the socket its own address.
    ///
    /// # Errors
    ///
    /// The system's, as when the address is in use.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.bind(&address.into())
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address
            .as_socket()
            .ok_or_else(|| io::Error::other("the socket has no address of the internet"))
    }

    /// Listens. At most `backlog` connections, and no more than the system allows, wait for being
    /// accepted.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending. The socket is closed then.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
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
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        self.socket.listen(backlog)?;
        self.socket.set_nonblocking(true)?;
        let socket = mio::net::TcpListener::from_std(self.socket.into());
        let socket = PollEvented::new(state, socket, location)?;
        Ok(TcpListener { socket })
    }

    /// Connects to `address`. The outcome comes as that of [`TcpStream::connect`] for one address;
    /// dropping the future gives the attempt up and closes the socket.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop ends.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn connect(self, address: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> {
        let state = current("TcpSocket::connect");
        let location = Location::caller();
        async move {
            let connecting = connect_socket(&state, self.socket, address, location);
            let failed = |error| FailedAttempt::at("connect", address, error).alone();
            connecting.await.map_err(failed)
        }
    }
}

impl From<TcpSocket> for Socket {
    fn from(socket: TcpSocket) -> Socket {
        socket.socket
    }
}

impl From<Socket> for TcpSocket {
    /// Takes over a TCP socket that is neither listening nor connected.
    fn from(socket: Socket) -> TcpSocket {
        TcpSocket { socket }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpSocket").field(&self.socket).finish()
    }
}

pub(super) fn set_keepalive(socket: &Socket, idle: Option<Duration>) -> io::Result<()> {
    match idle {
        Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
        None => socket.set_keepalive(false),
    }
}
