//! Connected streams: reading, writing, and waiting for a connection to be established.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};

use super::kind::{Protocol, Stream};
use super::os::OsStream;
use super::socket::Socket;
use super::split::{OwnedReadHalf, OwnedWriteHalf, into_split};
use crate::event_loop::state::LoopState;
use crate::io::{Direction, WriteSource, check_loop, total_length};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind};
use crate::promise::with_resolver;

impl<P: Protocol> Socket<Stream<P>> {
    /// Splits the stream into an owned read half and a write half, which can be moved to two tasks.
    ///
    /// Dropping the write half shuts down the write direction, as
    /// [`poll_close`](AsyncWrite::poll_close) does. The socket is closed when both halves are
    /// dropped.
    ///
    /// Two futures of one task need no owned halves, because a reference to a stream reads and writes,
    /// too: `let (mut reader, mut writer) = (&stream, &stream);`. This is what `split` of tokio is for.
    /// `split` of `futures::AsyncReadExt` works, too, but its halves share a lock.
    pub fn into_split(self) -> (OwnedReadHalf<P>, OwnedWriteHalf<P>) {
        into_split(self)
    }

    /// Reads if the stream is known to be readable, without waiting.
    ///
    /// It counts as one of the 32 reads of an event. Wait for [`readable`](Socket::readable) first: a
    /// stream becomes readable only by an event of the poll phase.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if the stream is not
    /// readable.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_read(buffer, P::Stream::SHORT_READ_DRAINS)
    }

    /// Reads into several buffers as [`try_read`](Socket::try_read) does.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.source.try_read_vectored(buffers)
    }

    /// Writes what the operating system accepts, without waiting.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if it accepts nothing now.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let write = |socket: &P::Stream| socket.write_by_ref(bytes);
        self.source.try_write_io(|| bytes.len(), write)
    }

    /// Writes several buffers as [`try_write`](Socket::try_write) does.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let write = |socket: &P::Stream| socket.write_vectored_by_ref(buffers);
        self.source.try_write_io(|| total_length(buffers), write)
    }

    /// Polls for read readiness, for `poll_*` methods: only the task of the latest call is woken,
    /// including calls of [`poll_read`](AsyncRead::poll_read).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.registration().poll_ready(Direction::Read, cx)
    }

    /// Polls for write readiness, for `poll_*` methods: only the task of the latest call is woken,
    /// including calls of [`poll_write`](AsyncWrite::poll_write).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.registration().poll_ready(Direction::Write, cx)
    }

    /// Returns the address of the peer.
    pub fn peer_addr(&self) -> io::Result<P::Address> {
        self.source.with(|socket| socket.peer_addr())
    }

    /// Shuts down the read direction, the write direction, or both.
    ///
    /// After the write direction was shut down, the peer reads the end of the stream once it has
    /// read everything that was written.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.with_options(|socket| socket.shutdown(how), |socket| socket.shutdown(how))
    }

    /// Waits for the first event of a socket that is being connected, and returns its error, if
    /// any.
    pub(super) async fn connected(self) -> io::Result<Self> {
        // A new source counts as writable until it reports that it would block.
        self.source.registration().would_block(Direction::Write);
        self.writable().await?;
        match self.take_error()? {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

/// Returns `error` in the pending phase (R63), which reports a connection that failed immediately,
/// as in libuv (`tcp.c` `uv__tcp_connect`, `pipe.c` `uv_pipe_connect`).
pub(super) async fn report_in_pending_phase(
    state: &Rc<LoopState>,
    error: io::Error,
    location: SourceLocation,
) -> io::Error {
    if let Err(error) = check_loop(state) {
        return error;
    }
    let (promise, resolver) = with_resolver();
    let origin = Origin::new(StepKind::Pending, location);
    state.push_pending(Macrotask::callback(move || resolver.resolve(()), origin));
    promise.await;
    error
}

impl<P: Protocol> AsyncRead for &Socket<Stream<P>> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.source
            .poll_read(cx, buffer, P::Stream::SHORT_READ_DRAINS)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_read_vectored(cx, buffers)
    }
}

impl<P: Protocol> AsyncWrite for &Socket<Stream<P>> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is buffered
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            // The peer has reset the connection, or the socket was closed: nothing to shut down.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

impl<P: Protocol> AsyncRead for Socket<Stream<P>> {
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

impl<P: Protocol> AsyncWrite for Socket<Stream<P>> {
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
