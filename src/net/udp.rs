//! UDP sockets, and their methods beyond those of all datagram sockets.

mod options;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::Location;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

pub use options::UdpOptions;

use super::address::ToSocketAddrs;
use super::error::{FailedAttempt, NetError};
use super::kind::{Datagram, DatagramProtocol, Udp};
use super::os::{AsSocket2, OsDatagram, OsSocket};
use super::socket::{Socket, set_ttl, set_world_ttl, ttl, world_ttl};
use crate::event_loop::current::current;
use crate::io::Backed;
use crate::io::platform::{CUT_DATAGRAM_IS_ERROR, received};
use crate::reactor::journal::value::Value;
use crate::reactor::world::{Options, WorldSocket};

/// A UDP socket.
///
/// Any number of tasks may send and receive. At most 32 datagrams are received for one event, the
/// limit of libuv; the next poll phase receives more, so a flood starves neither timers nor
/// immediates. Sending is attempted immediately and waits only if the operating system accepts no
/// more. A datagram that is longer than the buffer is truncated.
///
/// A pending receive keeps the loop alive; a socket on which no task waits does not, unlike a bound
/// socket of Node's `dgram`. Dropping the socket closes it. [`Socket`] documents the errors of its
/// methods.
///
/// Node drains the microtask queues after each `'message'`. Here, datagrams that have already
/// arrived are received without a microtask between them, as the bytes of a stream are. Await
/// [`yield_now`](crate::yield_now) or a promise between them for the same effect.
///
/// # Examples
///
/// ```
/// use nodeloop::net::UdpSocket;
///
/// let text = nodeloop::block_on(async {
///     let (one, other) = (
///         UdpSocket::bind("127.0.0.1:0").await?,
///         UdpSocket::bind("127.0.0.1:0").await?,
///     );
///     one.send_to(b"hello", other.local_addr()?).await?;
///     let mut buffer = [0; 16];
///     let (length, from) = other.recv_from(&mut buffer).await?;
///     assert_eq!(from, one.local_addr()?);
///     std::io::Result::Ok(buffer[..length].to_vec())
/// });
/// assert_eq!(text.unwrap(), b"hello");
/// ```
#[doc(alias = "dgram")]
pub type UdpSocket = Socket<Datagram<Udp>>;

impl Socket<Datagram<Udp>> {
    /// Creates a socket that is bound to `address`.
    ///
    /// A host name is looked up by a job of the blocking pool; a literal address needs no wait. If
    /// there are several addresses, the first that can be bound is used. With port 0, the operating
    /// system assigns a port, which [`local_addr`](UdpSocket::local_addr) returns. Use
    /// [`UdpOptions`] to set options before the socket is bound.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`] that lists all attempts, such as `bind EADDRINUSE 0.0.0.0:53`.
    /// Returns an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> impl FusedFuture<Output = io::Result<UdpSocket>> {
        let state = current("UdpSocket::bind");
        UdpOptions::new().bind_in(state, address, Location::caller())
    }

    /// Connects the socket to a peer, to which [`send`](UdpSocket::send) sends.
    ///
    /// Datagrams of other senders are not received. If there are several addresses, the first that
    /// succeeds is used.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`] that lists all attempts.
    #[track_caller]
    pub fn connect(&self, address: impl ToSocketAddrs) -> impl Future<Output = io::Result<()>> {
        let location = Location::caller();
        async move {
            let mut failed = Vec::new();
            for address in address.target()?.resolve(location).await? {
                let connect = |socket: &UdpSource| {
                    socket.either(|it| it.connect(address), |it| it.connect_datagram(address))
                };
                match self.source.with(connect) {
                    Ok(()) => return Ok(()),
                    Err(error) => failed.push(FailedAttempt::at("connect", address, error)),
                }
            }
            Err(NetError::wrap(failed))
        }
    }

    /// Sends a datagram to `address`.
    ///
    /// If there are several addresses, the first is used. A host name is looked up by a job of the
    /// blocking pool.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`] such as `send EMSGSIZE 127.0.0.1:53`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, the datagram was not sent.
    #[track_caller]
    pub fn send_to(
        &self,
        bytes: &[u8],
        address: impl ToSocketAddrs,
    ) -> impl Future<Output = io::Result<usize>> {
        let location = Location::caller();
        async move {
            let address = address.target()?.first(location).await?;
            let send_to = |socket: &UdpSource| send_to(socket, bytes, address);
            let failed = |error| FailedAttempt::at("send", address, error).into_error();
            let sending = self.source.async_write(bytes.len(), send_to);
            sending.await.map_err(failed)
        }
    }

    /// Sends a datagram as [`send_to`](UdpSocket::send_to) does, for `poll_*` methods: only the
    /// task of the latest call is woken.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        address: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let send_to = |socket: &UdpSource| send_to(socket, bytes, address);
        self.source.poll_write_io(|| bytes.len(), cx, send_to)
    }

    /// Sends a datagram to `address` without waiting.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if the operating system
    /// accepts no datagram now, and any other error that it reports.
    pub fn try_send_to(&self, bytes: &[u8], address: SocketAddr) -> io::Result<usize> {
        let send_to = |socket: &UdpSource| send_to(socket, bytes, address);
        self.source.try_write_io(|| bytes.len(), send_to)
    }

    /// Receives a datagram without removing it from the queue.
    ///
    /// It counts as one of the 32 datagrams of an event.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.async_read(buffer, peek).await
    }

    /// Receives a datagram and the address of its sender without removing it from the queue.
    ///
    /// It counts as one of the 32 datagrams of an event.
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.source.async_read(buffer, peek_from).await
    }

    /// Peeks as [`peek_from`](UdpSocket::peek_from) does, for `poll_*` methods: only the task of the
    /// latest call is woken.
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.source.poll_read_io(cx, buffer, peek_from)
    }

    /// Peeks as [`peek`](UdpSocket::peek) does, without waiting; see
    /// [`try_recv`](UdpSocket::try_recv).
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_read_io(buffer, peek)
    }

    /// Peeks as [`peek_from`](UdpSocket::peek_from) does, without waiting; see
    /// [`try_recv`](UdpSocket::try_recv).
    pub fn try_peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.source.try_read_io(buffer, peek_from)
    }

    /// Returns the value of the `SO_BROADCAST` option.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.option(mio::net::UdpSocket::broadcast, |it| it.broadcast)
    }

    /// Sets the value of the `SO_BROADCAST` option, which allows sending to broadcast addresses.
    ///
    /// It is off by default.
    #[doc(alias = "setBroadcast")]
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.option(
            |it| it.set_broadcast(broadcast),
            |it| it.broadcast = broadcast,
        )
    }

    /// Returns the hop limit of outgoing packets (`IP_TTL`, or `IPV6_UNICAST_HOPS` for IPv6).
    pub fn ttl(&self) -> io::Result<u32> {
        self.with_options(ttl, world_ttl)
    }

    /// Sets the hop limit of outgoing packets (`IP_TTL`, or `IPV6_UNICAST_HOPS` for IPv6).
    #[doc(alias = "setTTL")]
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.with_options(
            |socket| set_ttl(socket, hops),
            |socket| set_world_ttl(socket, hops),
        )
    }

    /// Returns the value of the `IP_MULTICAST_TTL` option.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.option(mio::net::UdpSocket::multicast_ttl_v4, |it| it.multicast_ttl)
    }

    /// Sets the value of the `IP_MULTICAST_TTL` option: the hop limit of multicast packets, which
    /// is 1 by default.
    #[doc(alias = "setMulticastTTL")]
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> io::Result<()> {
        self.option(
            |it| it.set_multicast_ttl_v4(hops),
            |it| it.multicast_ttl = hops,
        )
    }

    /// Returns the value of the `IP_MULTICAST_LOOP` option.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.option(mio::net::UdpSocket::multicast_loop_v4, |it| {
            it.multicast_loop
        })
    }

    /// Sets the value of the `IP_MULTICAST_LOOP` option: whether multicast packets are also
    /// received on this machine, which is the default.
    #[doc(alias = "setMulticastLoopback")]
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.option(
            |it| it.set_multicast_loop_v4(on),
            |it| it.multicast_loop = on,
        )
    }

    /// Returns the value of the `IPV6_MULTICAST_LOOP` option.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.option(mio::net::UdpSocket::multicast_loop_v6, |it| {
            it.multicast_loop
        })
    }

    /// Sets the value of the `IPV6_MULTICAST_LOOP` option: whether multicast packets are also
    /// received on this machine, which is the default.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.option(
            |it| it.set_multicast_loop_v6(on),
            |it| it.multicast_loop = on,
        )
    }

    /// Sets the interface for outgoing multicast packets by its address (`IP_MULTICAST_IF`).
    #[doc(alias = "setMulticastInterface")]
    pub fn set_multicast_if_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        self.with_options(|socket| socket.set_multicast_if_v4(&interface), |_| Ok(()))
    }

    /// Sets the interface for outgoing multicast packets by its index (`IPV6_MULTICAST_IF`).
    pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
        self.with_options(|socket| socket.set_multicast_if_v6(interface), |_| Ok(()))
    }

    /// Joins a multicast group on the interface with the given address.
    ///
    /// With `0.0.0.0`, the operating system chooses the interface.
    #[doc(alias = "addMembership")]
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let real = |socket: &mio::net::UdpSocket| socket.join_multicast_v4(&group, &interface);
        let world = |socket: &WorldSocket| socket.set_member(group.into(), true);
        self.source.with(|socket| socket.either(real, world))
    }

    /// Leaves a multicast group that was joined on the same interface.
    #[doc(alias = "dropMembership")]
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let real = |socket: &mio::net::UdpSocket| socket.leave_multicast_v4(&group, &interface);
        let world = |socket: &WorldSocket| socket.set_member(group.into(), false);
        self.source.with(|socket| socket.either(real, world))
    }

    /// Joins a multicast group on the interface with the given index.
    ///
    /// With 0, the operating system chooses the interface.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        let real = |socket: &mio::net::UdpSocket| socket.join_multicast_v6(&group, interface);
        let world = |socket: &WorldSocket| socket.set_member(group.into(), true);
        self.source.with(|socket| socket.either(real, world))
    }

    /// Leaves a multicast group that was joined on the same interface.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        let real = |socket: &mio::net::UdpSocket| socket.leave_multicast_v6(&group, interface);
        let world = |socket: &WorldSocket| socket.set_member(group.into(), false);
        self.source.with(|socket| socket.either(real, world))
    }

    /// Calls `real`, or `world` with the options that a simulated world stores.
    fn option<R: Value>(
        &self,
        real: impl FnOnce(&mio::net::UdpSocket) -> io::Result<R>,
        world: impl FnOnce(&mut Options) -> R,
    ) -> io::Result<R> {
        let world = |socket: &WorldSocket| socket.options(world);
        self.source.with(|socket| socket.either(real, world))
    }
}

/// A socket of mio, or one of a simulated world.
type UdpSource = Backed<mio::net::UdpSocket>;

impl DatagramProtocol for Udp {
    type DatagramAddress = SocketAddr;
    type Datagram = UdpSource;
}

impl OsSocket for UdpSource {
    type Std = std::net::UdpSocket;
    type Address = SocketAddr;
    const NAME: &'static str = "UdpSocket";
    const FROM_STD: &'static str = "UdpSocket::from_std";

    fn from_std(socket: std::net::UdpSocket) -> Self {
        Backed::Real(mio::net::UdpSocket::from_std(socket))
    }

    fn into_std(self) -> io::Result<std::net::UdpSocket> {
        self.into_real().map(Into::into)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::UdpSocket::local_addr, WorldSocket::local_addr)
    }
}

impl OsDatagram for UdpSource {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::UdpSocket::peer_addr, WorldSocket::peer_addr)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.either(|it| it.send(bytes), |it| it.send(bytes, None))
    }

    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Backed::Real(socket) => {
                let length = buffer.len();
                received(socket.recv(buffer), length)
            }
            Backed::World(socket) => Ok(socket.receive(buffer, false)?.0),
        }
    }

    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Backed::Real(socket) => with_sender(socket, buffer, mio::net::UdpSocket::recv_from),
            Backed::World(socket) => socket.receive(buffer, false),
        }
    }
}

fn send_to(socket: &UdpSource, bytes: &[u8], address: SocketAddr) -> io::Result<usize> {
    socket.either(
        |it| it.send_to(bytes, address),
        |it| it.send(bytes, Some(address)),
    )
}

fn peek(socket: &UdpSource, buffer: &mut [u8]) -> io::Result<usize> {
    match socket {
        Backed::Real(socket) => {
            let length = buffer.len();
            received(socket.peek(buffer), length)
        }
        Backed::World(socket) => Ok(socket.receive(buffer, true)?.0),
    }
}

fn peek_from(socket: &UdpSource, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Backed::Real(socket) => with_sender(socket, buffer, mio::net::UdpSocket::peek_from),
        Backed::World(socket) => socket.receive(buffer, true),
    }
}

type ReceiveFrom = fn(&mio::net::UdpSocket, &mut [u8]) -> io::Result<(usize, SocketAddr)>;

/// Receives a datagram and its sender. Where a datagram that is too long is an error without a sender,
/// asks for the sender first, unless no datagram can be too long.
fn with_sender(
    socket: &mio::net::UdpSocket,
    buffer: &mut [u8],
    receive_from: ReceiveFrom,
) -> io::Result<(usize, SocketAddr)> {
    let length = buffer.len();
    if !CUT_DATAGRAM_IS_ERROR || length >= LONGEST_DATAGRAM {
        return receive_from(socket, buffer);
    }
    // By mio, so that it polls the socket again after an operation that would block.
    let sender = socket.try_io(|| socket.as_socket2().peek_sender())?;
    match receive_from(socket, buffer) {
        Ok(received) => Ok(received),
        Err(error) => {
            let received = received(Err(error), length)?;
            let sender = sender.as_socket();
            Ok((received, sender.expect("the sender has an IP address")))
        }
    }
}

/// The longest payload of a UDP datagram.
const LONGEST_DATAGRAM: usize = 65_535;
