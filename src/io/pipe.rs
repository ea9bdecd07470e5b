//! Pipes of the operating system: anonymous ones, those to child processes, and FIFOs (Unix only).
//!
//! On Unix nothing is buffered here: a write is passed to the pipe immediately, and waits only while the
//! pipe is full. [`io`](super) documents when pipes become ready, how often, and what keeps the loop
//! alive.
//!
//! # Examples
//!
//! ```
//! use futures::{AsyncReadExt, AsyncWriteExt};
//! use nodeloop::io::pipe;
//!
//! let text = nodeloop::block_on(async {
//!     let (mut sender, mut receiver) = pipe::pipe()?;
//!     sender.write_all(b"hello").await?;
//!     sender.close().await?;
//!     let mut text = String::new();
//!     receiver.read_to_string(&mut text).await?;
//!     std::io::Result::Ok(text)
//! });
//! assert_eq!(text.unwrap(), "hello");
//! ```
//!
//! # Windows
//!
//! The operating system can't report when an anonymous pipe is ready, so each end that is used has a
//! thread, which performs the calls that block. This has the following effects:
//!
//! - A read asks the thread for at most 64 KiB. Nothing is read before the first read or wait, and no more
//!   than one such part ahead of the reader, so a process that writes to a pipe that is not read blocks.
//! - A write is copied, at most 64 KiB at a time, and completes before the thread has passed it to the
//!   pipe. The next write, flush or close waits for that, and returns the error if it has failed. Bytes are
//!   lost if this process ends first: flush or close the pipe before. Dropping a sender loses nothing while
//!   the process runs.
//! - A receiver that is closed or dropped during a read stays open until that read has returned, at the
//!   next write to the pipe or the end of its senders. A sender is open until its last write has returned.
//! - The threads delay neither the end of the loop nor that of the process.

mod end;
#[cfg(unix)]
mod open_options;
#[cfg_attr(unix, path = "pipe/unix.rs")]
#[cfg_attr(not(unix), path = "pipe/windows/system.rs")]
mod system;

use std::fmt::{self, Debug};
use std::io::{self, IoSlice, IoSliceMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};

pub use end::{PipeEnd, ReadEnd, WriteEnd};
#[cfg(unix)]
pub use open_options::OpenOptions;

use super::{
    Closing, Direction, Interest, PollEvented, Ready, UntilReady, WriteSource, total_length,
};
use crate::event_loop::current::current;
#[cfg(not(unix))]
pub(in crate::io) use system::OsReceiver as ThreadReader;

/// Creates an anonymous pipe: what is written to the sender is read from the receiver.
///
/// # Errors
///
/// Returns any error reported by the operating system, and an error if the loop is ending.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (state, location) = (current("io::pipe::pipe"), Location::caller());
    if let Some(host) = state.world() {
        return system::pair_in_world(&state, host, location);
    }
    let (receiver, sender) = io::pipe()?;
    let sender = Sender::new(&state, sender, location)?;
    Ok((sender, Receiver::new(&state, receiver, location)?))
}

/// One end of a pipe that is registered with the event loop.
///
/// Programs use its aliases [`Sender`] and [`Receiver`], and for the pipes to a child process
/// `ChildStdin`, `ChildStdout` and `ChildStderr`.
///
/// Dropping it closes it.
///
/// # Errors
///
/// Methods that return an [`io::Result`] return any error reported by the operating system. After the
/// pipe was closed, they return an error of kind [`NotConnected`](io::ErrorKind::NotConnected).
/// Methods that wait also return an error if the loop of the pipe has ended, or if it is not the loop
/// that runs on this thread.
pub struct Pipe<E: PipeEnd> {
    source: PollEvented<E::Os>,
}

/// The end of a pipe that is written to.
///
/// `AsyncWriteExt::close` closes it, and so does dropping it: the reader then reads the end. When all
/// readers have gone, a write fails with an error of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// A write that is no longer polled keeps the loop alive until the next event.
pub type Sender = Pipe<WriteEnd>;

/// The end of a pipe that is read from.
///
/// A read completes by an event of the poll phase, as documented in [`io`](super), and returns the end
/// when all senders are closed. A process that writes to a pipe without a receiver gets an error, and on
/// Unix is terminated by `SIGPIPE` unless it handles or ignores that signal.
///
/// A read that is no longer polled keeps the loop alive until the next event.
pub type Receiver = Pipe<ReadEnd>;

impl<E: PipeEnd> Pipe<E> {
    /// Waits until the pipe is ready in a direction of `interest`, which has to be that of this end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.source.with(|end| {
            E::begin(end);
            Ok(())
        })?;
        self.source.registration().ready_for(interest).await
    }

    /// Closes the pipe now and calls `callback` in the next close phase (R62).
    ///
    /// A task that waits for the pipe is woken right before `callback` is called, and receives an
    /// error. If the loop ends before the close phase, `callback` is dropped.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.source.close_with(callback);
    }

    /// Makes pending operations keep the loop alive again (R6), which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        self.source.registration().set_refed(true);
        self
    }

    /// Makes pending operations not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.source.registration().set_refed(false);
        self
    }

    /// Returns whether pending operations keep the loop alive.
    ///
    /// Returns `false` after the pipe was closed.
    pub fn has_ref(&self) -> bool {
        self.source.registration().has_ref()
    }
}

impl Sender {
    /// Waits until the pipe is writable or has an error.
    ///
    /// A pipe counts as writable until a write would have blocked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn writable(&self) -> UntilReady<'_> {
        self.source.registration().ready(Direction::Write)
    }

    /// Polls for write readiness, for `poll_*` methods: only the task of the latest call is woken.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.registration().poll_ready(Direction::Write, cx)
    }

    /// Writes what the pipe accepts, without waiting.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if the pipe is full.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.source
            .try_write_io(|| bytes.len(), |pipe| pipe.write_by_ref(bytes))
    }

    /// Writes several buffers as [`try_write`](Sender::try_write) does.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source.try_write_io(
            || total_length(buffers),
            |pipe| pipe.write_vectored_by_ref(buffers),
        )
    }
}

impl Receiver {
    /// Waits until the pipe is readable: there is data, the end of the stream or an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn readable(&self) -> UntilReady<'_> {
        system::begin(&self.source);
        self.source.registration().ready(Direction::Read)
    }

    /// Polls for read readiness, for `poll_*` methods: only the task of the latest call is woken.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        system::begin(&self.source);
        self.source.registration().poll_ready(Direction::Read, cx)
    }

    /// Reads if the pipe is known to be readable, without waiting.
    ///
    /// It counts as one of the 32 reads of an event.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if the pipe is not readable.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        system::begin(&self.source);
        self.source.try_read(buffer, false)
    }

    /// Reads into several buffers as [`try_read`](Receiver::try_read) does.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        system::begin(&self.source);
        self.source.try_read_vectored(buffers)
    }

    /// Closes the pipe now.
    ///
    /// The future that it returns resolves in the next close phase (R62), when
    /// [`close_with`](Pipe::close_with) would call its callback. It need not be awaited.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn close(&self) -> Closing {
        self.source.close()
    }
}

impl<E: PipeEnd> Debug for Pipe<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(E::NAME).field(&self.source).finish()
    }
}

impl AsyncWrite for Sender {
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

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        system::poll_flush(&self.source, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(system::poll_flush(&self.source, cx));
        self.source.close_without_callback();
        Poll::Ready(flushed)
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        system::begin(&self.source);
        // The other process may put its end into packet mode; then a short read does not empty the
        // pipe.
        self.source.poll_read(cx, buffer, false)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        system::begin(&self.source);
        self.source.poll_read_vectored(cx, buffers)
    }
}
