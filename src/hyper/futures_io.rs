//! Streams of hyper as streams with the `futures` traits: the reverse of `HyperIo`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBuf, Write};
use futures::io::{AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;

pin_project! {
    /// Adapts a stream that implements hyper's traits, such as `hyper::upgrade::Upgraded`, to
    /// `futures::io::{AsyncRead, AsyncWrite}`.
    ///
    /// It is the reverse of [`HyperIo`](super::HyperIo). It does not buffer, and copies nothing.
    ///
    /// # Cancel safety
    ///
    /// As the wrapped stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::{AsyncReadExt, io::Cursor};
    /// use nodeloop::hyper::{FuturesIo, HyperIo};
    ///
    /// nodeloop::run(async {
    ///     let mut io = FuturesIo::new(HyperIo::new(Cursor::new(b"hello".to_vec())));
    ///     let mut text = String::new();
    ///     io.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "hello");
    ///     Ok::<_, std::io::Error>(())
    /// }).unwrap();
    /// ```
    #[derive(Debug, Clone)]
    pub struct FuturesIo<T> {
        #[pin]
        stream: T,
    }
}

impl<T> FuturesIo<T> {
    /// Wraps a stream.
    pub fn new(stream: T) -> FuturesIo<T> {
        FuturesIo { stream }
    }

    /// Returns a reference to the stream.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    /// Returns a mutable reference to the stream.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Returns the inner stream, without any loss of data.
    pub fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: Read> AsyncRead for FuturesIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(self.project().stream.poll_read(cx, buffer.unfilled()))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<T: Write> AsyncWrite for FuturesIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}
