//! Sockets for datagrams: the methods that UDP and Unix domain sockets have in common.

use std::io;
use std::task::{Context, Poll};

use super::kind::{Datagram, DatagramProtocol};
use super::os::OsDatagram;
use super::socket::Socket;
use crate::io::{Closing, Direction};

impl<P: DatagramProtocol> Socket<Datagram<P>> {
    /// Sends a datagram to the peer to which the socket is connected.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system: the socket is not connected, the
    /// datagram is too long, or the peer has refused an earlier one (`ConnectionRefused`).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, the datagram was not sent.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let send = |socket: &P::Datagram| socket.send(bytes);
        self.source.async_write(bytes.len(), send).await
    }

    /// Receives a datagram; see [`recv_from`](Socket::recv_from).
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.async_read(buffer, P::Datagram::recv).await
    }

    /// Receives a datagram, and returns its length and the address of its sender.
    ///
    /// If the datagram is longer than `buffer`, the rest of it is lost.
    ///
    /// Any number of tasks may receive at the same time. A datagram wakes one of them, in the order
    /// in which they started to wait.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, no datagram was received. If a datagram has woken
    /// it already, the next task that waits is woken instead.
    #[doc(alias = "message")]
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, P::DatagramAddress)> {
        self.source.async_read(buffer, P::Datagram::recv_from).await
    }

    /// Receives a datagram as [`recv_from`](Socket::recv_from) does, for `poll_*` methods: only the
    /// task of the latest call is woken.
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, P::DatagramAddress)>> {
        self.source.poll_read_io(cx, buffer, P::Datagram::recv_from)
    }

    /// Sends a datagram as [`send`](Socket::send) does, for `poll_*` methods: only the task of the
    /// latest call is woken.
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let send = |socket: &P::Datagram| socket.send(bytes);
        self.source.poll_write_io(|| bytes.len(), cx, send)
    }

    /// Receives a datagram as [`recv`](Socket::recv) does, for `poll_*` methods: only the task of the
    /// latest call is woken.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.source.poll_read_io(cx, buffer, P::Datagram::recv)
    }

    /// Polls until a datagram can be sent, for `poll_*` methods: only the task of the latest call is
    /// woken.
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.registration().poll_ready(Direction::Write, cx)
    }

    /// Polls until a datagram can be received, for `poll_*` methods: only the task of the latest call
    /// is woken.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.registration().poll_ready(Direction::Read, cx)
    }

    /// Sends a datagram to the peer to which the socket is connected, without waiting.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if the operating system
    /// accepts no datagram now, and those of [`send`](Socket::send).
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.source
            .try_write_io(|| bytes.len(), |socket| socket.send(bytes))
    }

    /// Receives a datagram if the socket is known to be readable, without waiting.
    ///
    /// It counts as one of the 32 datagrams of an event. Wait for [`readable`](Socket::readable)
    /// first: a socket becomes readable only by an event of the poll phase.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if the socket is not
    /// readable.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_read_io(buffer, P::Datagram::recv)
    }

    /// Receives a datagram as [`try_recv`](Socket::try_recv) does, and returns its length and the
    /// address of its sender.
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, P::DatagramAddress)> {
        self.source.try_read_io(buffer, P::Datagram::recv_from)
    }

    /// Closes the socket now.
    ///
    /// The future that it returns resolves in the next close phase (R62), when
    /// [`close_with`](Socket::close_with) would call its callback. It need not be awaited. Tasks that
    /// wait for the socket receive an error.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn close(&self) -> Closing {
        self.source.close()
    }

    /// Returns the address of the peer to which the socket is connected.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`NotConnected`](io::ErrorKind::NotConnected) if the socket is not
    /// connected.
    pub fn peer_addr(&self) -> io::Result<P::DatagramAddress> {
        self.source.with(|socket| socket.peer_addr())
    }
}
