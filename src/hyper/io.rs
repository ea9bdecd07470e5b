//! Streams for hyper: the `futures` traits as hyper's.
//!
//! hyper lends a buffer that need not be initialized, and to say how much of it was filled
//! without unsafe code the bytes have to be copied into it. They are read into a scratch buffer
//! that belongs to the thread and is used by one read at a time, so that a connection that waits
//! costs no memory for it.
//!
//! Invariant: between two reads the scratch buffer is all zero, so that no stream, however wrong
//! it is about the number of bytes it has read, can be given what another one has received.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use futures::io::{AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;

/// The most that one read gives hyper. libuv reads as much.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static SCRATCH_OF_THREAD: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

pin_project! {
    /// A stream of the `futures` traits, `AsyncRead + AsyncWrite`, as one of hyper's.
    ///
    /// It buffers nothing, so it can be taken off at any time.
    ///
    /// **Upgrades:** hyper's `with_upgrades` asks for a stream that is `Send`, and the loop's are
    /// not. Await `without_shutdown` of the connection instead: behind an answer that switches
    /// protocols it hands back this stream and what was read too much.
    ///
    /// **What it costs:** every byte that hyper reads is copied once, from a buffer that the streams
    /// of a thread share. Writes are handed on as they are.
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

    /// Says that the stream takes several buffers in one write, as sockets do. hyper then hands
    /// over the head and the body of an answer as two buffers instead of copying them into one,
    /// which saves a copy of the body and costs a longer list for the system.
    pub fn vectored(mut self) -> HyperIo<T> {
        self.is_vectored = true;
        self
    }

    /// The stream.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    /// The stream. What is read from it or written to it hyper does not see.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Takes the stream out; nothing is lost.
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
            let most = buffer.remaining().min(scratch.len());
            let length = ready!(stream.poll_read(cx, &mut scratch[..most]))?;
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

/// Lends the thread's scratch buffer. A read inside of a read, and one behind the end of the
/// thread's locals, get a buffer of their own.
fn with_scratch<R>(use_it: impl FnOnce(&mut [u8]) -> R) -> R {
    let scratch = SCRATCH_OF_THREAD.try_with(Cell::take).ok().flatten();
    let mut scratch = scratch.unwrap_or_else(|| vec![0; SCRATCH].into_boxed_slice());
    let result = use_it(&mut scratch);
    // If it can't be kept it is dropped.
    let _ = SCRATCH_OF_THREAD.try_with(|kept| kept.set(Some(scratch)));
    result
}
