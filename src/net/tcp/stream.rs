//! TCP connections.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

use super::socket::set_keepalive;
use crate::event_loop::current::current;
use crate::io::platform::SHORT_READ_DRAINS;
use crate::io::{Direction, PollEvented, Ready};
use crate::net::address::ToSocketAddrs;
use crate::net::halves::{
    EndWriting, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf, halves,
    into_split, reunite,
};
use crate::net::options::ConnectOptions;
use crate::net::ttl::{set_ttl, ttl};
use crate::promise::Promise;

/// A TCP connection.
///
/// It reads and writes by `futures`' [`AsyncRead`] and [`AsyncWrite`], also by reference. In each
/// direction one task at a time may use them: of several that wait, only the latest is woken
/// ([`readable`](TcpStream::readable) and [`writable`](TcpStream::writable) are for any number).
///
/// A read or write that is pending keeps the loop alive. These traits don't tell when it is
/// abandoned (as by the loser of a `select!`): it then keeps the loop alive until the next event,
/// or until the stream is [unref'd](TcpStream::unref), closed or dropped. Nothing is lost by
/// abandoning a read or write: bytes are taken or sent only when it is ready.
///
/// Writing is tried at once and never buffered. `poll_close` (the `close` of `AsyncWriteExt`)
/// ends the writing direction and leaves the reading one open, as [`shutdown`](TcpStream::shutdown)
/// does; [`close_with`](TcpStream::close_with) closes the socket. Dropping the stream closes it: in order,
/// or with a reset if there were bytes nobody has read.
pub struct TcpStream {
    pub(super) socket: PollEvented<mio::net::TcpStream>,
}

impl TcpStream {
    pub(in crate::net) fn new(socket: PollEvented<mio::net::TcpStream>) -> TcpStream {
        TcpStream { socket }
    }

    /// Connects to `address`; if it stands for several, one after the other until it succeeds,
    /// the families in turn, each for 250 ms at most, as Node does. [`ConnectOptions`] can change
    /// that.
    ///
    /// A name is looked up by a job of the pool. The outcome comes with an event of the poll
    /// phase, a refusal that is known at once with the pending phase (R63). What the system
    /// refuses to try (an unreachable network, as a rule) fails without a wait, where Node reports
    /// it by a tick. Dropping the future gives the attempt up.
    ///
    /// # Errors
    ///
    /// A [`NetError`](crate::net::NetError) that lists what was tried, such as `connect
    /// ECONNREFUSED 127.0.0.1:80`, with the kind of the first; and if the loop ends.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn connect(address: impl ToSocketAddrs) -> impl Future<Output = io::Result<TcpStream>> {
        let state = current("TcpStream::connect");
        ConnectOptions::new().connect_in(state, address, Location::caller())
    }

    /// Takes over a connected socket of `std`. It becomes non-blocking.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        let state = current("TcpStream::from_std");
        stream.set_nonblocking(true)?;
        let socket = mio::net::TcpStream::from_std(stream);
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(TcpStream { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking.
    ///
    /// # Errors
    ///
    /// If the stream was closed.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.socket.into_inner().map(Into::into)
    }

    /// Waits until there may be something to read, or the end, or an error. Any number of tasks
    /// may wait. Cancel safe, and dropping it ends the wait.
    ///
    /// # Errors
    ///
    /// If the stream was closed, or its loop has ended or is not the one that runs.
    pub fn readable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Read)
    }

    /// Waits until the system may take something, or an error is there; at once if no write was
    /// refused before. Otherwise as [`readable`](TcpStream::readable).
    ///
    /// # Errors
    ///
    /// If the stream was closed, or its loop has ended or is not the one that runs.
    pub fn writable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Write)
    }

    /// Reads without taking: the next read gives the same bytes. Cancel safe. It counts among the
    /// 32 reads of one event.
    ///
    /// # Errors
    ///
    /// As for reading.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = || self.socket.with(|socket| socket.peek(buffer));
        self.socket
            .registration()
            .async_io(Direction::Read, peek)
            .await
    }

    /// Lends the stream as a half that reads and a half that writes, for two futures of one task.
    ///
    /// It is not called `split` because the method of that name of `AsyncReadExt`, which takes the
    /// stream and puts a lock between the halves, would be called in its place.
    #[doc(alias = "split")]
    pub fn halves(&mut self) -> (ReadHalf<'_, TcpStream>, WriteHalf<'_, TcpStream>) {
        halves(self)
    }

    /// Takes the stream apart into a half that reads and a half that writes, for two tasks.
    ///
    /// Dropping the half that writes ends the writing direction, as
    /// [`poll_close`](AsyncWrite::poll_close) does; the socket is closed when both are gone.
    pub fn into_split(self) -> (OwnedReadHalf<TcpStream>, OwnedWriteHalf<TcpStream>) {
        into_split(self)
    }

    /// Puts two halves together again.
    ///
    /// # Errors
    ///
    /// If they are not of the same stream; both come back.
    pub fn reunite(
        reader: OwnedReadHalf<TcpStream>,
        writer: OwnedWriteHalf<TcpStream>,
    ) -> Result<TcpStream, ReuniteError<TcpStream>> {
        reunite(reader, writer)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.local_addr())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.peer_addr())
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`). They are not at first.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.with(|socket| socket.nodelay())
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_nodelay(nodelay))
    }

    /// How long the system goes on sending when the socket was closed (`SO_LINGER`), in whole
    /// seconds; `None` for as long as it likes.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.with(|socket| SockRef::from(socket).linger())
    }

    /// How long the system goes on sending when the socket was closed (`SO_LINGER`), in whole
    /// seconds. With zero, closing throws away what is not sent and resets the connection.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket
            .with(|socket| SockRef::from(socket).set_linger(linger))
    }

    /// Asks a silent peer now and then whether it is still there (`SO_KEEPALIVE`), the first time
    /// when nothing came for `idle` (whole seconds); `None` for never, which is so at first. A peer
    /// that does not answer is an error of reading, by and by.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    #[doc(alias = "setKeepAlive")]
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        self.socket
            .with(|socket| set_keepalive(&SockRef::from(socket), idle))
    }

    /// Whether the system asks a silent peer now and then whether it is still there.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.socket.with(|socket| SockRef::from(socket).keepalive())
    }

    /// Over how many hops what is sent may go (`IP_TTL`, for IPv6 `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.with(|socket| ttl(&SockRef::from(socket)))
    }

    /// Over how many hops what is sent may go (`IP_TTL`, for IPv6 `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.socket
            .with(|socket| set_ttl(&SockRef::from(socket), hops))
    }

    /// Ends one direction, or both. The peer reads the end of the stream behind what was written.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.with(|socket| socket.shutdown(how))
    }

    /// The error that is pending on the socket, if there is one; it is pending no more then.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.with(|socket| socket.take_error())
    }

    /// Closes the socket now and calls `callback` in the close phase of this turn (R62).
    ///
    /// Tasks that wait for the stream are woken right before it and get an error. Closing again
    /// closes nothing and calls `callback` all the same. If the loop ends before, `callback` is
    /// dropped.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.socket.close_with(callback, Location::caller());
    }

    /// Closes the socket now; the promise is settled in the close phase of this turn (R62), where
    /// [`close_with`](TcpStream::close_with) would call back. Dropping the promise changes nothing.
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

    /// Like [`close_with`](TcpStream::close_with), but what was not sent is thrown away and the peer gets a
    /// reset (libuv's `uv_tcp_close_reset`).
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed. Nothing is closed then, and `callback` is
    /// dropped.
    #[doc(alias = "resetAndDestroy")]
    #[track_caller]
    pub fn reset(&self, callback: impl FnOnce() + 'static) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))?;
        self.socket.close_with(callback, Location::caller());
        Ok(())
    }

    /// Makes waits for this stream keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &TcpStream {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for this stream not keep the loop alive.
    pub fn unref(&self) -> &TcpStream {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for this stream keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

impl EndWriting for TcpStream {
    fn end_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl AsyncRead for &TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_read(cx, buffer, SHORT_READ_DRAINS)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for &TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is buffered
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            // The peer was faster; this end has nothing left to say, either.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpStream").field(&self.socket).finish()
    }
}
