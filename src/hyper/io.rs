//! Streams with the `futures` traits as streams of hyper.
//!
//! hyper's read buffer may be uninitialized. Without unsafe code, bytes must be copied into it, so
//! they are first read into a scratch buffer. That buffer belongs to the thread and is used by one
//! read at a time, so an idle connection needs no memory for it.
//!
//! Invariant: between two reads the scratch buffer is all zero, so that a stream that reports a
//! wrong number of bytes cannot expose bytes that another stream has received.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use futures::io::{AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;

/// The most bytes of one read, as in libuv (`unix/stream.c` `uv__read`).
const SCRATCH_LENGTH: usize = 64 * 1024;

thread_local! {
    static SCRATCH_OF_THREAD: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

pin_project! {
    /// Adapts a stream that implements `futures::io::{AsyncRead, AsyncWrite}` to hyper's traits.
    ///
    /// It does not buffer, so the stream can be taken out at any time.
    ///
    /// **Upgrades.** hyper's `with_upgrades` requires a stream that is `Send`: wrap this one in a
    /// [`Local`](super::Local). Or await the connection's `without_shutdown`: after a response that
    /// switches protocols it returns this stream and the bytes that were read ahead.
    ///
    /// **Cost.** Every byte that hyper reads is copied once, from a buffer that the streams of a
    /// thread share. Writes are not copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::io::Cursor;
    /// use hyper::rt::{Read, ReadBuf};
    /// use nodeloop::hyper::HyperIo;
    /// use std::{future::poll_fn, pin::Pin};
    ///
    /// nodeloop::run(async {
    ///     let mut io = HyperIo::new(Cursor::new(b"GET / HTTP/1.1".to_vec()));
    ///     let mut bytes = [0; 3];
    ///     let mut buffer = ReadBuf::new(&mut bytes);
    ///     poll_fn(|cx| Pin::new(&mut io).poll_read(cx, buffer.unfilled())).await?;
    ///     assert_eq!(buffer.filled(), b"GET");
    ///     Ok::<_, std::io::Error>(())
    /// }).unwrap();
    /// ```
    #[derive(Debug, Clone)]
    pub struct HyperIo<T> {
        #[pin]
        stream: T,
        is_vectored: bool,
    }
}

impl<T> HyperIo<T> {
    /// Wraps a stream.
    pub fn new(stream: T) -> HyperIo<T> {
        HyperIo {
            stream,
            is_vectored: false,
        }
    }

    /// Makes hyper use vectored writes, for streams that support them, as sockets do.
    ///
    /// hyper then passes the head and the body of a response as two buffers instead of copying them
    /// into one.
    pub fn vectored(mut self) -> HyperIo<T> {
        self.is_vectored = true;
        self
    }

    /// Returns a reference to the stream.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    /// Returns a mutable reference to the stream. hyper does not see bytes that are read from it or
    /// written to it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Returns the inner stream, without any loss of data.
    pub fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: AsyncRead> Read for HyperIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.project().stream;
        with_scratch(|scratch| {
            let limit = buffer.remaining().min(scratch.len());
            let length = ready!(stream.poll_read(cx, &mut scratch[..limit]))?;
            let filled = &mut scratch[..length];
            buffer.put_slice(filled);
            filled.fill(0);
            Poll::Ready(Ok(()))
        })
    }
}

impl<T: AsyncWrite> Write for HyperIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_close(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, buffers)
    }
}

/// Calls `read` with the thread's scratch buffer. A nested call, and one after the thread-local
/// values were dropped, get a new buffer.
fn with_scratch<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    let scratch = SCRATCH_OF_THREAD.try_with(Cell::take).ok().flatten();
    let mut scratch = scratch.unwrap_or_else(|| vec![0; SCRATCH_LENGTH].into_boxed_slice());
    let result = read(&mut scratch);
    // After the thread-local values were dropped, this drops the buffer.
    let _ = SCRATCH_OF_THREAD.try_with(|kept| kept.set(Some(scratch)));
    result
}
