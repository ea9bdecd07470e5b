//! Owned halves of a stream.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};

use super::kind::{Protocol, Stream};
use super::socket::Socket;
use crate::io::{Interest, Ready, UntilReady};

/// The read half of a stream, created by [`into_split`](Socket::into_split).
///
/// The stream itself is available through [`as_ref`](AsRef::as_ref). Dropping this half does not
/// affect the write half.
#[derive(Debug)]
pub struct OwnedReadHalf<P: Protocol> {
    stream: Rc<Socket<Stream<P>>>,
}

/// The write half of a stream, created by [`into_split`](Socket::into_split).
///
/// The stream itself is available through [`as_ref`](AsRef::as_ref). Dropping this half shuts down
/// the write direction, as [`poll_close`](AsyncWrite::poll_close) does, unless it was
/// [forgotten](OwnedWriteHalf::forget).
#[derive(Debug)]
pub struct OwnedWriteHalf<P: Protocol> {
    stream: Rc<Socket<Stream<P>>>,
    shutdown_on_drop: bool,
}

pub(super) fn into_split<P: Protocol>(
    stream: Socket<Stream<P>>,
) -> (OwnedReadHalf<P>, OwnedWriteHalf<P>) {
    let stream = Rc::new(stream);
    let reader = OwnedReadHalf {
        stream: stream.clone(),
    };
    let writer = OwnedWriteHalf {
        stream,
        shutdown_on_drop: true,
    };
    (reader, writer)
}

impl<P: Protocol> OwnedReadHalf<P> {
    /// Reunites the two halves of a stream.
    ///
    /// # Errors
    ///
    /// Returns both halves if they are not of the same stream.
    pub fn reunite(self, writer: OwnedWriteHalf<P>) -> Result<Socket<Stream<P>>, ReuniteError<P>> {
        if !Rc::ptr_eq(&self.stream, &writer.stream) {
            let reader = self;
            return Err(ReuniteError { reader, writer });
        }
        writer.forget();
        let stream = Rc::into_inner(self.stream);
        Ok(stream.expect("a stream has no owners but its two halves"))
    }

    /// Waits until the stream is readable; see [`readable`](Socket::readable).
    pub fn readable(&self) -> UntilReady<'_> {
        self.stream.readable()
    }

    /// Waits until the stream is ready in a direction of `interest`; see [`ready`](Socket::ready).
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.stream.ready(interest).await
    }

    /// Reads without waiting; see [`try_read`](Socket::try_read).
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }

    /// Reads into several buffers without waiting; see [`try_read`](Socket::try_read).
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.try_read_vectored(buffers)
    }

    /// Returns the address of the peer.
    pub fn peer_addr(&self) -> io::Result<P::Address> {
        self.stream.peer_addr()
    }

    /// Returns the local address of the stream.
    pub fn local_addr(&self) -> io::Result<P::Address> {
        self.stream.local_addr()
    }
}

impl<P: Protocol> OwnedWriteHalf<P> {
    /// Drops the half without shutting down the write direction.
    ///
    /// The socket is closed, which ends that direction, once the read half is dropped, too.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    /// Reunites the two halves of a stream; see [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// Returns both halves if they are not of the same stream.
    pub fn reunite(self, reader: OwnedReadHalf<P>) -> Result<Socket<Stream<P>>, ReuniteError<P>> {
        reader.reunite(self)
    }

    /// Waits until the stream is writable; see [`writable`](Socket::writable).
    pub fn writable(&self) -> UntilReady<'_> {
        self.stream.writable()
    }

    /// Waits until the stream is ready in a direction of `interest`; see [`ready`](Socket::ready).
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.stream.ready(interest).await
    }

    /// Writes without waiting; see [`try_write`](Socket::try_write).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.try_write(bytes)
    }

    /// Writes several buffers without waiting; see [`try_write`](Socket::try_write).
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.try_write_vectored(buffers)
    }

    /// Returns the address of the peer.
    pub fn peer_addr(&self) -> io::Result<P::Address> {
        self.stream.peer_addr()
    }

    /// Returns the local address of the stream.
    pub fn local_addr(&self) -> io::Result<P::Address> {
        self.stream.local_addr()
    }
}

impl<P: Protocol> Drop for OwnedWriteHalf<P> {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // An error means that the direction has ended already.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

impl<P: Protocol> AsRef<Socket<Stream<P>>> for OwnedReadHalf<P> {
    fn as_ref(&self) -> &Socket<Stream<P>> {
        &self.stream
    }
}

impl<P: Protocol> AsRef<Socket<Stream<P>>> for OwnedWriteHalf<P> {
    fn as_ref(&self) -> &Socket<Stream<P>> {
        &self.stream
    }
}

impl<P: Protocol> AsyncRead for OwnedReadHalf<P> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_read_vectored(cx, buffers)
    }
}

impl<P: Protocol> AsyncWrite for OwnedWriteHalf<P> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.stream).poll_close(cx)
    }
}

/// The error of [`OwnedReadHalf::reunite`]: the halves are not of the same stream.
#[derive(Debug)]
pub struct ReuniteError<P: Protocol> {
    /// The read half.
    pub reader: OwnedReadHalf<P>,
    /// The write half.
    pub writer: OwnedWriteHalf<P>,
}

impl<P: Protocol> fmt::Display for ReuniteError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of the same stream")
    }
}

impl<P: Protocol> Error for ReuniteError<P> {}
