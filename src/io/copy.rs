//! Copying between streams.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};

/// The size of the buffer of each direction.
const BUFFER_BYTES: usize = 8 * 1024;

/// Copies in both directions between `a` and `b` until both have ended, and returns how many bytes were
/// copied from `a` to `b` and from `b` to `a`.
///
/// At the end of one stream, the write direction of the other one is closed, and the other direction
/// continues. [`copy`](super::copy) copies in one direction.
///
/// # Errors
///
/// Returns the first error of either stream. Both directions then stop, and what was read and not
/// written yet is lost.
///
/// # Cancel safety
///
/// It is not cancel safe: if the future is dropped, what was read and not written yet is lost.
///
/// # Examples
///
/// A proxy for one connection:
///
/// ```
/// use futures::{AsyncReadExt, AsyncWriteExt};
/// use nodeloop::io::copy_bidirectional;
/// use nodeloop::net::{TcpListener, TcpStream};
///
/// nodeloop::run(async {
///     let server = TcpListener::bind("127.0.0.1:0").await?;
///     let proxy = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(proxy.local_addr()?).await?;
///     let (mut one, _) = proxy.accept().await?;
///     let mut other = TcpStream::connect(server.local_addr()?).await?;
///     let (mut served, _) = server.accept().await?;
///
///     let conversation = async {
///         client.write_all(b"ping").await?;
///         client.close().await?;
///         served.read_to_end(&mut Vec::new()).await?;
///         served.write_all(b"pong!").await?;
///         served.close().await
///     };
///     let copying = copy_bidirectional(&mut one, &mut other);
///     let (copied, conversation) = futures::join!(copying, conversation);
///     conversation?;
///     assert_eq!(copied?, (4, 5));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_bidirectional_with_sizes(a, b, BUFFER_BYTES, BUFFER_BYTES).await
}

/// Copies in both directions as [`copy_bidirectional`] does, with buffers of the given sizes in bytes.
///
/// # Errors
///
/// Returns an error in the same cases as [`copy_bidirectional`].
///
/// # Panics
///
/// Panics if a size is 0.
///
/// # Cancel safety
///
/// It is not cancel safe, as [`copy_bidirectional`].
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    assert!(
        a_to_b_buf_size > 0 && b_to_a_buf_size > 0,
        "the size of a buffer is 0: `copy_bidirectional_with_sizes` needs at least 1"
    );
    let mut a_to_b = Direction::new(a_to_b_buf_size);
    let mut b_to_a = Direction::new(b_to_a_buf_size);
    poll_fn(|cx| {
        let there = a_to_b.poll(cx, Pin::new(&mut *a), Pin::new(&mut *b))?;
        let back = b_to_a.poll(cx, Pin::new(&mut *b), Pin::new(&mut *a))?;
        Poll::Ready(Ok((ready!(there), ready!(back))))
    })
    .await
}

/// The copy in one direction.
struct Direction {
    buffer: Box<[u8]>,
    /// The part of the buffer that was read and not written yet.
    unwritten: std::ops::Range<usize>,
    copied: u64,
    has_unflushed: bool,
    progress: Progress,
}

#[derive(PartialEq)]
enum Progress {
    Copying,
    /// The reader has ended.
    Closing,
    Closed,
}

impl Direction {
    fn new(size: usize) -> Direction {
        Direction {
            buffer: vec![0; size].into(),
            unwritten: 0..0,
            copied: 0,
            has_unflushed: false,
            progress: Progress::Copying,
        }
    }

    /// Polls for the number of bytes, after the writer was closed.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        while self.progress == Progress::Copying {
            ready!(self.poll_write(cx, writer.as_mut()))?;
            match reader.as_mut().poll_read(cx, &mut self.buffer) {
                Poll::Ready(Ok(0)) => self.progress = Progress::Closing,
                Poll::Ready(Ok(length)) => self.unwritten = 0..length,
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // The peer may wait for what the writer has buffered before it answers.
                    if self.has_unflushed {
                        ready!(writer.as_mut().poll_flush(cx))?;
                        self.has_unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
        if self.progress == Progress::Closing {
            ready!(writer.poll_close(cx))?;
            self.progress = Progress::Closed;
        }
        Poll::Ready(Ok(self.copied))
    }

    /// Writes what was read.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut writer: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let bytes = &self.buffer[self.unwritten.clone()];
            let length = match ready!(writer.as_mut().poll_write(cx, bytes)) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            };
            self.unwritten.start += length;
            self.copied += length as u64;
            self.has_unflushed = true;
        }
        Poll::Ready(Ok(()))
    }
}
