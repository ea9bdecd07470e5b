//! The two halves of a stream, lent for two futures of one task, or owned for two tasks.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};

/// The half of a stream that reads, from its `halves`.
///
/// It borrows the stream; dropping it does nothing.
pub struct ReadHalf<'a, S> {
    stream: &'a S,
}

/// The half of a stream that writes, from its `halves`.
///
/// It borrows the stream. Dropping it does not end the writing direction:
/// [`poll_close`](AsyncWrite::poll_close) does.
pub struct WriteHalf<'a, S> {
    stream: &'a S,
}

pub(super) fn halves<S>(stream: &S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf { stream }, WriteHalf { stream })
}

impl<S> AsRef<S> for ReadHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.stream
    }
}

impl<S> AsRef<S> for WriteHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.stream
    }
}

impl<'a, S> AsyncRead for ReadHalf<'a, S>
where
    &'a S: AsyncRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read_vectored(cx, buffers)
    }
}

impl<'a, S> AsyncWrite for WriteHalf<'a, S>
where
    &'a S: AsyncWrite + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl<S: fmt::Debug> fmt::Debug for ReadHalf<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadHalf").field(&self.stream).finish()
    }
}

impl<S: fmt::Debug> fmt::Debug for WriteHalf<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteHalf").field(&self.stream).finish()
    }
}

/// The half of a stream that reads, from its `into_split`. The stream itself is `as_ref()`.
///
/// Dropping it leaves the half that writes as it is; what arrives then is read by nobody.
pub struct OwnedReadHalf<S> {
    stream: Rc<S>,
}

/// The half of a stream that writes, from its `into_split`. The stream itself is `as_ref()`.
///
/// Dropping it ends the writing direction, as [`poll_close`](AsyncWrite::poll_close) does, unless
/// it was [forgotten](OwnedWriteHalf::forget).
pub struct OwnedWriteHalf<S: EndWriting> {
    stream: Rc<S>,
    ends_writing: bool,
}

/// Streams whose writing direction can be ended alone.
pub trait EndWriting {
    #[doc(hidden)]
    fn end_writing(&self) -> io::Result<()>;
}

pub(super) fn into_split<S: EndWriting>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let reading = Rc::new(stream);
    let stream = reading.clone();
    let ends_writing = true;
    (
        OwnedReadHalf { stream: reading },
        OwnedWriteHalf {
            stream,
            ends_writing,
        },
    )
}

pub(super) fn reunite<S: EndWriting>(
    reader: OwnedReadHalf<S>,
    writer: OwnedWriteHalf<S>,
) -> Result<S, ReuniteError<S>> {
    if !Rc::ptr_eq(&reader.stream, &writer.stream) {
        return Err(ReuniteError { reader, writer });
    }
    writer.forget();
    let stream = Rc::into_inner(reader.stream);
    Ok(stream.expect("nobody but its halves has the stream"))
}

impl<S: EndWriting> OwnedWriteHalf<S> {
    /// Drops the half without ending the writing direction: that ends when the stream is closed,
    /// which it is when the half that reads has been dropped, too.
    pub fn forget(mut self) {
        self.ends_writing = false;
    }
}

impl<S: EndWriting> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.ends_writing {
            // An error says that it has ended already.
            let _ = self.stream.end_writing();
        }
    }
}

impl<S> AsRef<S> for OwnedReadHalf<S> {
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: EndWriting> AsRef<S> for OwnedWriteHalf<S> {
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

impl<S> AsyncRead for OwnedReadHalf<S>
where
    for<'a> &'a S: AsyncRead + Unpin,
{
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

impl<S: EndWriting> AsyncWrite for OwnedWriteHalf<S>
where
    for<'a> &'a S: AsyncWrite + Unpin,
{
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

impl<S: fmt::Debug> fmt::Debug for OwnedReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReadHalf").field(&self.stream).finish()
    }
}

impl<S: EndWriting + fmt::Debug> fmt::Debug for OwnedWriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedWriteHalf").field(&self.stream).finish()
    }
}

/// The halves given to `reunite` are not of one stream. Here they are again.
pub struct ReuniteError<S: EndWriting> {
    /// The half that reads.
    pub reader: OwnedReadHalf<S>,
    /// The half that writes.
    pub writer: OwnedWriteHalf<S>,
}

impl<S: EndWriting> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<S: EndWriting> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of the same stream")
    }
}

impl<S: EndWriting> Error for ReuniteError<S> {}
