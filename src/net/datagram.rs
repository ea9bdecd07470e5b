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
        self.source.async_io(Direction::Write, send).await
    }

    /// Receives a datagram; see [`recv_from`](Socket::recv_from).
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let recv = |socket: &P::Datagram| socket.recv(buffer);
        self.source.async_io(Direction::Read, recv).await
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
        let recv_from = |socket: &P::Datagram| socket.recv_from(buffer);
        self.source.async_io(Direction::Read, recv_from).await
    }

    /// Receives a datagram as [`recv_from`](Socket::recv_from) does, for `poll_*` methods: only the
    /// task of the latest call is woken.
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, P::DatagramAddress)>> {
        let recv_from = |socket: &P::Datagram| socket.recv_from(buffer);
        self.source.poll_io(Direction::Read, cx, recv_from)
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
