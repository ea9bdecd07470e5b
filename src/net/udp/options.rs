//! The options with which a UDP socket is made.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;

use socket2::{Domain, Protocol, Socket, Type};

use super::UdpSocket;
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::PollEvented;
use crate::net::address::ToSocketAddrs;
use crate::net::error::{FailedAttempt, NetError};
use crate::phases::macrotask::SourceLocation;

/// How a UDP socket is made: the options of Node's `dgram.createSocket`.
///
/// ```
/// use nodeloop::net::UdpOptions;
///
/// let same = nodeloop::block_on(async {
///     // Two receivers of one group, on one machine.
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
    reuse_port: bool,
    only_v6: Option<bool>,
    recv_buffer_size: Option<usize>,
    send_buffer_size: Option<usize>,
}

impl UdpOptions {
    /// The options of [`UdpSocket::bind`].
    pub fn new() -> UdpOptions {
        UdpOptions::default()
    }

    /// Lets several sockets have one address (`SO_REUSEADDR`); each has to say so. A datagram for
    /// a group reaches all of them, any other the one that was bound last.
    #[doc(alias = "reuseAddr")]
    pub fn reuse_address(&mut self, reuse: bool) -> &mut UdpOptions {
        self.reuse_address = reuse;
        self
    }

    /// Lets several sockets share the datagrams of one address (`SO_REUSEPORT`); each has to say
    /// so. Linux chooses by a hash of the sender's address.
    #[cfg(unix)]
    #[doc(alias = "reusePort")]
    pub fn reuse_port(&mut self, reuse: bool) -> &mut UdpOptions {
        self.reuse_port = reuse;
        self
    }

    /// Whether a socket for IPv6 takes IPv6 alone (`IPV6_V6ONLY`); the system's choice if nothing
    /// is said.
    #[doc(alias = "ipv6Only")]
    pub fn only_v6(&mut self, only_v6: bool) -> &mut UdpOptions {
        self.only_v6 = Some(only_v6);
        self
    }

    /// How many bytes of datagrams the system keeps that were not received; beyond it, they are
    /// lost. A hint: Linux doubles it.
    #[doc(alias = "recvBufferSize")]
    pub fn recv_buffer_size(&mut self, bytes: usize) -> &mut UdpOptions {
        self.recv_buffer_size = Some(bytes);
        self
    }

    /// How many bytes of datagrams the system keeps that were not sent; then sending waits. A hint:
    /// Linux doubles it.
    #[doc(alias = "sendBufferSize")]
    pub fn send_buffer_size(&mut self, bytes: usize) -> &mut UdpOptions {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// Makes a socket with the address, as [`UdpSocket::bind`] does.
    ///
    /// # Errors
    ///
    /// A [`NetError`] that lists what was tried; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(
        &self,
        address: A,
    ) -> impl Future<Output = io::Result<UdpSocket>> + use<A> {
        let state = current("UdpOptions::bind");
        self.clone().bind_in(state, address, Location::caller())
    }

    pub(super) fn bind_in<A: ToSocketAddrs>(
        self,
        state: Rc<LoopState>,
        address: A,
        location: SourceLocation,
    ) -> impl Future<Output = io::Result<UdpSocket>> + use<A> {
        let target = address.target();
        async move {
            let mut failed = Vec::new();
            for address in target?.resolve().await? {
                match self.socket(address) {
                    Ok(socket) => {
                        let socket = mio::net::UdpSocket::from_std(socket.into());
                        let socket = PollEvented::new(state, socket, location)?;
                        return Ok(UdpSocket { socket });
                    }
                    Err(error) => failed.push(FailedAttempt::at("bind", address, error)),
                }
            }
            Err(NetError::wrap(failed))
        }
    }

    fn socket(&self, address: SocketAddr) -> io::Result<Socket> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        #[cfg(unix)]
        if self.reuse_port {
            socket.set_reuse_port(true)?;
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
        socket.bind(&address.into())?;
        Ok(socket)
    }
}
