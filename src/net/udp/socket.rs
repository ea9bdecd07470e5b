//! UDP sockets.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::Location;
use std::task::{Context, Poll};

use socket2::SockRef;

use super::UdpOptions;
use crate::event_loop::current::current;
use crate::io::{Direction, PollEvented, Ready};
use crate::net::address::ToSocketAddrs;
use crate::net::error::{FailedAttempt, NetError};
use crate::net::ttl::{set_ttl, ttl};
use crate::promise::Promise;

/// A UDP socket.
///
/// Any number of tasks may send and receive by reference. At most 32 datagrams are received for
/// one event, libuv's bound; then the next poll phase goes on, so a flood starves neither timers
/// nor immediates. Sending is tried at once and waits only if the system takes no more. A datagram
/// that is longer than the buffer is cut off.
///
/// Waiting to receive keeps the loop alive; a socket that nobody waits for does not, unlike a bound
/// one of Node's `dgram`. Dropping the socket closes it.
///
/// Where Node drains the queues behind every `'message'`, datagrams that are here already are
/// received one after the other without a turn between them, as the bytes of a stream are; await
/// [`yield_now`](crate::yield_now) or a promise between them to have one.
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
pub struct UdpSocket {
    pub(super) socket: PollEvented<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Makes a socket with the address; if that stands for several, with the first that can be
    /// had. Port 0 lets the system choose one, see [`local_addr`](UdpSocket::local_addr).
    ///
    /// A name is looked up by a job of the pool, a literal address costs no wait. [`UdpOptions`]
    /// knows more.
    ///
    /// # Errors
    ///
    /// A [`NetError`] that lists what was tried, such as `bind EADDRINUSE 0.0.0.0:53`; and if the
    /// loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> impl Future<Output = io::Result<UdpSocket>> {
        let state = current("UdpSocket::bind");
        UdpOptions::new().bind_in(state, address, Location::caller())
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
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        let state = current("UdpSocket::from_std");
        socket.set_nonblocking(true)?;
        let socket = mio::net::UdpSocket::from_std(socket);
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(UdpSocket { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking.
    ///
    /// # Errors
    ///
    /// If the socket was closed.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        self.socket.into_inner().map(Into::into)
    }

    /// Chooses the other end: [`send`](UdpSocket::send) goes there, and nothing is received from
    /// anybody else. Of several addresses the first that will do is taken.
    ///
    /// # Errors
    ///
    /// A [`NetError`] that lists what was tried; and if the socket was closed.
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let mut failed = Vec::new();
        for address in address.target()?.resolve().await? {
            match self.socket.with(|socket| socket.connect(address)) {
                Ok(()) => return Ok(()),
                Err(error) => failed.push(FailedAttempt::at("connect", address, error)),
            }
        }
        Err(NetError::wrap(failed))
    }

    /// Sends a datagram to the other end. Cancel safe: a dropped one was not sent.
    ///
    /// # Errors
    ///
    /// The system's: there is no other end, the datagram is too long, or an earlier one was
    /// refused (`ConnectionRefused`); and if the socket was closed.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write_with(|socket| socket.send(bytes)).await
    }

    /// Sends a datagram to an address; if it stands for several, to the first. A name is looked up
    /// by a job of the pool. Cancel safe: a dropped one was not sent.
    ///
    /// # Errors
    ///
    /// A [`NetError`] such as `send EMSGSIZE 127.0.0.1:53`; and if the socket was closed.
    pub async fn send_to(&self, bytes: &[u8], address: impl ToSocketAddrs) -> io::Result<usize> {
        let address = address.target()?.first().await?;
        let sent = self.write_with(|socket| socket.send_to(bytes, address));
        let failed = |error| FailedAttempt::at("send", address, error).alone();
        sent.await.map_err(failed)
    }

    /// Receives a datagram; see [`recv_from`](UdpSocket::recv_from).
    ///
    /// # Errors
    ///
    /// The system's, `ConnectionRefused` if the other end has refused what was sent; and if the
    /// socket was closed.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_with(|socket| socket.recv(buffer)).await
    }

    /// Receives a datagram and the address it came from. What does not fit into the buffer is
    /// lost. Cancel safe: a dropped one has received nothing.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "message")]
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.read_with(|socket| socket.recv_from(buffer)).await
    }

    /// Looks at the next datagram without taking it. It counts among the 32 of one event.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_with(|socket| socket.peek(buffer)).await
    }

    /// Looks at the next datagram, and where it came from, without taking it. It counts among the
    /// 32 of one event.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.read_with(|socket| socket.peek_from(buffer)).await
    }

    /// [`send_to`](UdpSocket::send_to) for `poll_*` methods: only the task of the latest call is
    /// woken.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        address: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let registration = self.socket.registration();
        registration.poll_io(Direction::Write, cx, || {
            let length = self.socket.with(|socket| socket.send_to(bytes, address))?;
            Ok((length, false))
        })
    }

    /// [`recv_from`](UdpSocket::recv_from) for `poll_*` methods: only the task of the latest call
    /// is woken.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let registration = self.socket.registration();
        registration.poll_io(Direction::Read, cx, || {
            let received = self.socket.with(|socket| socket.recv_from(buffer))?;
            Ok((received, false))
        })
    }

    async fn read_with<R>(
        &self,
        mut read: impl FnMut(&mio::net::UdpSocket) -> io::Result<R>,
    ) -> io::Result<R> {
        let read = || self.socket.with(&mut read);
        let registration = self.socket.registration();
        registration.async_io(Direction::Read, read).await
    }

    async fn write_with<R>(
        &self,
        mut write: impl FnMut(&mio::net::UdpSocket) -> io::Result<R>,
    ) -> io::Result<R> {
        let write = || self.socket.with(&mut write);
        let registration = self.socket.registration();
        registration.async_io(Direction::Write, write).await
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
    /// as [`readable`](UdpSocket::readable).
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

    /// The other end, if one was [chosen](UdpSocket::connect).
    ///
    /// # Errors
    ///
    /// `NotConnected`, or the system's; and if the socket was closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.peer_addr())
    }

    /// Whether it may send to broadcast addresses.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket.with(|socket| socket.broadcast())
    }

    /// Allows to send to broadcast addresses (`SO_BROADCAST`). It is not allowed at first.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "setBroadcast")]
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_broadcast(broadcast))
    }

    /// Over how many hops a datagram may go (`IP_TTL`, for IPv6 `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.with(|socket| ttl(&SockRef::from(socket)))
    }

    /// Sets over how many hops a datagram may go, [`ttl`](UdpSocket::ttl).
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "setTTL")]
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.socket
            .with(|socket| set_ttl(&SockRef::from(socket), hops))
    }

    /// Over how many hops a datagram to a group may go (`IP_MULTICAST_TTL`); 1 at first.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.socket.with(|socket| socket.multicast_ttl_v4())
    }

    /// Sets over how many hops a datagram to a group may go.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "setMulticastTTL")]
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> io::Result<()> {
        self.socket.with(|socket| socket.set_multicast_ttl_v4(hops))
    }

    /// Whether what is sent to a group comes back to this machine; it does at first.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.socket.with(|socket| socket.multicast_loop_v4())
    }

    /// Sets whether what is sent to a group comes back to this machine.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "setMulticastLoopback")]
    pub fn set_multicast_loop_v4(&self, comes_back: bool) -> io::Result<()> {
        self.socket
            .with(|socket| socket.set_multicast_loop_v4(comes_back))
    }

    /// Whether what is sent to a group comes back to this machine; it does at first.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.socket.with(|socket| socket.multicast_loop_v6())
    }

    /// Sets whether what is sent to a group comes back to this machine.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn set_multicast_loop_v6(&self, comes_back: bool) -> io::Result<()> {
        self.socket
            .with(|socket| socket.set_multicast_loop_v6(comes_back))
    }

    /// The address of the interface by which datagrams to a group leave (`IP_MULTICAST_IF`).
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "setMulticastInterface")]
    pub fn set_multicast_if_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        self.socket
            .with(|socket| SockRef::from(socket).set_multicast_if_v4(&interface))
    }

    /// The index of the interface by which datagrams to a group leave (`IPV6_MULTICAST_IF`).
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
        self.socket
            .with(|socket| SockRef::from(socket).set_multicast_if_v6(interface))
    }

    /// Joins a group, on the interface with the given address; `0.0.0.0` lets the system choose.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "addMembership")]
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket
            .with(|socket| socket.join_multicast_v4(&group, &interface))
    }

    /// Leaves a group that was joined with the same interface.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    #[doc(alias = "dropMembership")]
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket
            .with(|socket| socket.leave_multicast_v4(&group, &interface))
    }

    /// Joins a group, on the interface with the given index; 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket
            .with(|socket| socket.join_multicast_v6(&group, interface))
    }

    /// Leaves a group that was joined with the same interface.
    ///
    /// # Errors
    ///
    /// The system's; and if the socket was closed.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket
            .with(|socket| socket.leave_multicast_v6(&group, interface))
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
    /// [`close_with`](UdpSocket::close_with) would call back. Dropping the promise changes nothing.
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

    /// Makes waits for this socket keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &UdpSocket {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for this socket not keep the loop alive.
    pub fn unref(&self) -> &UdpSocket {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for this socket keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UdpSocket").field(&self.socket).finish()
    }
}
