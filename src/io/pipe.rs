//! Pipes of the operating system: anonymous ones, FIFOs, and those to child processes (Unix only).
//!
//! Nothing is buffered here: a write is passed to the pipe immediately, and waits only while the pipe
//! is full. [`io`](super) documents when pipes become ready, how often, and what keeps the loop alive.
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

mod end;
mod open_options;

use std::fmt::{self, Debug};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::process::Stdio;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use socket2::SockRef;

pub use end::{PipeEnd, ReadEnd, WriteEnd};
pub use open_options::OpenOptions;

use super::{
    Closing, Descriptor, Direction, Interest, PollEvented, ReadSource, Ready, UntilReady,
    WriteSource,
};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;

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
    let (receiver, sender) = io::pipe()?;
    let sender = Pipe::new(&state, sender.into(), location)?;
    Ok((sender, Pipe::new(&state, receiver.into(), location)?))
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
/// when all senders are closed. A process that writes to a pipe without a receiver is terminated by
/// `SIGPIPE` unless it handles or ignores that signal.
///
/// A read that is no longer polled keeps the loop alive until the next event.
pub type Receiver = Pipe<ReadEnd>;

impl<E: PipeEnd> Pipe<E> {
    pub(crate) fn new(
        state: &Rc<LoopState>,
        pipe: OwnedFd,
        location: SourceLocation,
    ) -> io::Result<Self> {
        set_nonblocking(&pipe, true)?;
        let source = PollEvented::new(state.clone(), E::Os::from(pipe), location)?;
        Ok(Pipe { source })
    }

    /// Creates an end from a file, which has to be a pipe that is open for this direction. It is set
    /// to non-blocking mode.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the file is not a
    /// pipe or is not open for this direction, and an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn from_file(file: File) -> io::Result<Self> {
        Self::from_owned_fd(file.into())
    }

    /// Creates an end from a descriptor; see [`from_file`](Pipe::from_file).
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`from_file`](Pipe::from_file).
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn from_owned_fd(pipe: OwnedFd) -> io::Result<Self> {
        let (state, location) = (current(E::FROM_DESCRIPTOR), Location::caller());
        if !is_pipe(&pipe)? {
            return Err(invalid("the file is not a pipe: open it as a file"));
        }
        let mode = fcntl_getfl(&pipe)? & OFlags::RWMODE;
        if mode != OFlags::RDWR && mode != E::MODE {
            return Err(invalid(
                "the pipe is open for the other direction: create its other end",
            ));
        }
        Pipe::new(&state, pipe, location)
    }

    /// Creates an end from a file as [`from_file`](Pipe::from_file) does, but does not check what the file
    /// is: it can also be a terminal or another character device that can be polled.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn from_file_unchecked(file: File) -> io::Result<Self> {
        Self::from_owned_fd_unchecked(file.into())
    }

    /// Creates an end from a descriptor; see [`from_file_unchecked`](Pipe::from_file_unchecked).
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`from_file_unchecked`](Pipe::from_file_unchecked).
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn from_owned_fd_unchecked(pipe: OwnedFd) -> io::Result<Self> {
        let state = current(E::FROM_DESCRIPTOR);
        Pipe::new(&state, pipe, Location::caller())
    }

    /// Deregisters the pipe and returns its descriptor, which is blocking again.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed, and any error reported by the operating system.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let pipe = self.into_nonblocking_fd()?;
        set_nonblocking(&pipe, false)?;
        Ok(pipe)
    }

    /// Deregisters the pipe and returns its descriptor, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        self.source.into_inner().map(Into::into)
    }

    /// Turns the pipe into a standard stream of a child.
    ///
    /// It becomes blocking again.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed, and any error reported by the operating system.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        self.into_blocking_fd().map(Into::into)
    }

    /// Borrows the descriptor of the pipe, for options that this crate has no method for.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed.
    pub fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        self.source.descriptor()
    }

    /// Waits until the pipe is ready in a direction of `interest`, which has to be that of this end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.source.registration().ready_for(interest).await
    }

    /// Calls `operation` once if this end is known to be ready.
    ///
    /// `operation` performs a call on the pipe that this crate has no method for, usually through its
    /// [`descriptor`](Pipe::descriptor). If it returns [`WouldBlock`](io::ErrorKind::WouldBlock), the
    /// readiness is cleared: the next wait lasts until the next event. An operation that reads counts
    /// as one of the 32 of an event.
    ///
    /// # Errors
    ///
    /// Returns an error of kind `WouldBlock` if this end is not ready, and any error of `operation`.
    pub fn try_io<R>(&self, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.source.try_io(E::INTEREST, |_| operation())
    }

    /// Calls `operation` when this end is ready, until it returns something other than `WouldBlock`
    /// or `Interrupted`; see [`try_io`](Pipe::try_io).
    ///
    /// # Errors
    ///
    /// Returns any other error of `operation`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, `operation` has not completed.
    pub async fn async_io<R>(&self, operation: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        let registration = self.source.registration();
        registration.async_io_for(E::INTEREST, operation).await
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
            .try_io(Interest::WRITABLE, |pipe| pipe.write_by_ref(bytes))
    }

    /// Writes several buffers as [`try_write`](Sender::try_write) does.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::WRITABLE, |pipe| {
            pipe.write_vectored_by_ref(buffers)
        })
    }
}

impl Receiver {
    /// Waits until the pipe is readable: there is data, the end of the stream or an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn readable(&self) -> UntilReady<'_> {
        self.source.registration().ready(Direction::Read)
    }

    /// Polls for read readiness, for `poll_*` methods: only the task of the latest call is woken.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        self.source.try_read(buffer, false)
    }

    /// Reads into several buffers as [`try_read`](Receiver::try_read) does.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::READABLE, |pipe| {
            pipe.read_vectored_by_ref(buffers)
        })
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

/// Returns whether a descriptor is a pipe or a FIFO.
fn is_pipe(pipe: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(pipe)?.st_mode) == FileType::Fifo)
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Sets `O_NONBLOCK`, which works on any descriptor, not only on sockets.
fn set_nonblocking(pipe: &OwnedFd, nonblocking: bool) -> io::Result<()> {
    SockRef::from(pipe).set_nonblocking(nonblocking)
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

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is buffered
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.close_without_callback();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // The other process may put its end into packet mode; then a short read does not empty the
        // pipe.
        self.source.poll_read(cx, buffer, false)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_read_vectored(cx, buffers)
    }
}
