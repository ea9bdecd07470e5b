//! Options that are set on a UDP socket before it is bound.

use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;

use futures::FutureExt;
use futures::future::FusedFuture;
use socket2::{Domain, Protocol, Socket, Type};

use super::UdpSocket;
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::Backed;
use crate::io::platform::set_reuse_port;
use crate::net::address::ToSocketAddrs;
use crate::net::error::{FailedAttempt, NetError};
use crate::phases::macrotask::SourceLocation;
use crate::reactor::journal::Operation;
use crate::reactor::world::{Options, WorldHost, WorldSocket};

/// Options for binding a UDP socket, as those of Node's `dgram.createSocket`.
///
/// # Examples
///
/// Two receivers of one multicast group on one machine:
///
/// ```
/// use nodeloop::net::UdpOptions;
///
/// let same = nodeloop::block_on(async {
///     let mut options = UdpOptions::new();
///     options.reuse_address(true);
///     let one = options.bind("0.0.0.0:0").await?;
///     let other = options.bind(one.local_addr()?).await?;
///     std::io::Result::Ok(one.local_addr()? == other.local_addr()?)
/// });
/// assert!(same.unwrap());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[doc(alias = "createSocket")]
pub struct UdpOptions {
    reuse_address: bool,
    pub(in crate::net) reuse_port: bool,
    only_v6: Option<bool>,
    recv_buffer_size: Option<usize>,
    send_buffer_size: Option<usize>,
}

impl UdpOptions {
    /// Creates the default options, which [`UdpSocket::bind`] uses.
    pub fn new() -> UdpOptions {
        UdpOptions::default()
    }

    /// Sets the `SO_REUSEADDR` option, which allows several sockets to have one address.
    ///
    /// Each of them has to set it. All of them receive the datagrams of a multicast group; other
    /// datagrams reach the socket that was bound last.
    #[doc(alias = "reuseAddr")]
    pub fn reuse_address(&mut self, reuse: bool) -> &mut UdpOptions {
        self.reuse_address = reuse;
        self
    }

    /// Sets the `IPV6_V6ONLY` option: whether a socket for IPv6 receives no datagrams over IPv4.
    ///
    /// The default depends on the operating system.
    #[doc(alias = "ipv6Only")]
    pub fn only_v6(&mut self, only_v6: bool) -> &mut UdpOptions {
        self.only_v6 = Some(only_v6);
        self
    }

    /// Sets the size of the receive buffer (`SO_RCVBUF`).
    ///
    /// Datagrams that do not fit are lost. The size is a hint: Linux doubles it.
    #[doc(alias = "recvBufferSize")]
    pub fn recv_buffer_size(&mut self, bytes: usize) -> &mut UdpOptions {
        self.recv_buffer_size = Some(bytes);
        self
    }

    /// Sets the size of the send buffer (`SO_SNDBUF`).
    ///
    /// Sending waits while it is full. The size is a hint: Linux doubles it.
    #[doc(alias = "sendBufferSize")]
    pub fn send_buffer_size(&mut self, bytes: usize) -> &mut UdpOptions {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// Creates a socket that is bound to `address`, with these options; see [`UdpSocket::bind`].
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`] that lists all attempts. Returns an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(
        &self,
        address: A,
    ) -> impl FusedFuture<Output = io::Result<UdpSocket>> + use<A> {
        let state = current("UdpOptions::bind");
        self.clone().bind_in(state, address, Location::caller())
    }

    pub(super) fn bind_in<A: ToSocketAddrs>(
        self,
        state: Rc<LoopState>,
        address: A,
        location: SourceLocation,
    ) -> impl FusedFuture<Output = io::Result<UdpSocket>> + use<A> {
        let target = address.target();
        async move {
            let mut failed = Vec::new();
            for address in target?.resolve(location).await? {
                let socket = match state.world() {
                    Some(host) => self.world_socket(host, address).map(Backed::World),
                    None => {
                        let socket = self.socket(&state, address, location);
                        socket.map(Backed::Real)
                    }
                };
                match socket {
                    Ok(socket) => {
                        let socket =
                            socket.map(|socket| mio::net::UdpSocket::from_std(socket.into()));
                        return UdpSocket::new(state, socket, location);
                    }
                    Err(error) => failed.push(FailedAttempt::at("bind", address, error)),
                }
            }
            Err(NetError::wrap(failed))
        }
        .fuse()
    }

    /// Creates a socket of a host of a simulated world.
    fn world_socket(&self, host: &WorldHost, address: SocketAddr) -> io::Result<WorldSocket> {
        let socket = WorldSocket::datagram(host)?;
        socket.options(|options| {
            options.reuse_address = self.reuse_address;
            options.reuse_port = self.reuse_port;
            options.only_v6 = self.only_v6.unwrap_or_default();
            options.recv_buffer = self
                .recv_buffer_size
                .map_or(options.recv_buffer, Options::buffer);
            options.send_buffer = self
                .send_buffer_size
                .map_or(options.send_buffer, Options::buffer);
        })?;
        socket.bind(address)?;
        Ok(socket)
    }

    fn socket(
        &self,
        state: &LoopState,
        address: SocketAddr,
        location: SourceLocation,
    ) -> io::Result<Socket> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        if self.reuse_port {
            set_reuse_port(&socket, true)?;
        }
        if let Some(only_v6) = self.only_v6.filter(|_| address.is_ipv6()) {
            socket.set_only_v6(only_v6)?;
        }
        if let Some(bytes) = self.recv_buffer_size {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer_size {
            socket.set_send_buffer_size(bytes)?;
        }
        let bind = || socket.bind(&address.into());
        state.call_system(Operation::Bind, location, bind)?;
        Ok(socket)
    }
}
