//! The pipes between a parent and its child.

use std::fmt::{self, Debug};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::process::Stdio;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use mio::unix::pipe::{Receiver, Sender};
use socket2::SockRef;

use crate::event_loop::state::LoopState;
use crate::io::platform::PlatformSource;
use crate::io::{Closing, PollEvented};
use crate::phases::macrotask::SourceLocation;

/// The parent's end of a pipe to a child.
///
/// Programs use its aliases [`ChildStdin`], [`ChildStdout`] and [`ChildStderr`].
///
/// Dropping it closes the pipe.
pub struct ChildPipe<E: PipeEnd> {
    pipe: PollEvented<E::Os>,
}

/// The standard input of a child.
///
/// A write is passed to the pipe immediately and waits only while the pipe is full. `AsyncWriteExt::close`
/// closes the pipe, as dropping it does, and the child reads the end of its input. When the child has closed
/// its end, a write fails with an error of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// A write that is no longer polled keeps the loop alive until the next event.
pub type ChildStdin = ChildPipe<WriteEnd>;

/// The standard output of a child.
///
/// A read completes by an event of the poll phase, as documented in [`io`](crate::io). Dropping it
/// closes the pipe, and a child that continues to write is terminated by `SIGPIPE` unless it
/// handles or ignores that signal.
///
/// A read that is no longer polled keeps the loop alive until the next event.
pub type ChildStdout = ChildPipe<ReadEnd>;

/// The standard error of a child; see [`ChildStdout`].
pub type ChildStderr = ChildPipe<ReadEnd>;

/// The kind of a [`ChildPipe`] that the parent writes to.
#[derive(Debug)]
pub enum WriteEnd {}

/// The kind of a [`ChildPipe`] that the parent reads from.
#[derive(Debug)]
pub enum ReadEnd {}

pub trait PipeEnd {
    type Os: PlatformSource + Debug + From<OwnedFd> + Into<OwnedFd>;
    const NAME: &'static str;
}

impl PipeEnd for WriteEnd {
    type Os = Sender;
    const NAME: &'static str = "ChildStdin";
}

impl PipeEnd for ReadEnd {
    type Os = Receiver;
    const NAME: &'static str = "ChildOutput";
}

impl<E: PipeEnd> ChildPipe<E> {
    pub(super) fn new(
        state: &Rc<LoopState>,
        pipe: OwnedFd,
        location: SourceLocation,
    ) -> io::Result<Self> {
        set_nonblocking(&pipe, true)?;
        let pipe = PollEvented::new(state.clone(), E::Os::from(pipe), location)?;
        Ok(ChildPipe { pipe })
    }

    /// Turns the pipe into a standard stream of another child.
    ///
    /// It becomes blocking again.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed, and any error reported by the operating system.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        let pipe: OwnedFd = self.pipe.into_inner()?.into();
        set_nonblocking(&pipe, false)?;
        Ok(pipe.into())
    }

    /// Closes the pipe now and calls `callback` in the next close phase (R62).
    ///
    /// A task that waits for the pipe is woken right before `callback` is called, and receives an
    /// error. If the loop ends before the close phase, `callback` is dropped.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.pipe.close_with(callback);
    }

    /// Makes pending operations keep the loop alive again (R6), which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        self.pipe.registration().set_refed(true);
        self
    }

    /// Makes pending operations not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.pipe.registration().set_refed(false);
        self
    }

    /// Returns whether pending operations keep the loop alive.
    ///
    /// Returns `false` after the pipe was closed.
    pub fn has_ref(&self) -> bool {
        self.pipe.registration().has_ref()
    }
}

/// Sets `O_NONBLOCK`, which works on any descriptor, not only on sockets.
fn set_nonblocking(pipe: &OwnedFd, nonblocking: bool) -> io::Result<()> {
    SockRef::from(pipe).set_nonblocking(nonblocking)
}

impl<E: PipeEnd> Debug for ChildPipe<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(E::NAME).field(&self.pipe).finish()
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pipe.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pipe.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is buffered
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.close_without_callback();
        Poll::Ready(Ok(()))
    }
}

impl ChildStdout {
    /// Closes the pipe now.
    ///
    /// The future that it returns resolves in the next close phase (R62), when
    /// [`close_with`](ChildPipe::close_with) would call its callback. It need not be awaited.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn close(&self) -> Closing {
        self.pipe.close()
    }
}

impl AsyncRead for ChildStdout {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A child may put its end into packet mode; then a short read does not empty the pipe.
        self.pipe.poll_read(cx, buffer, false)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pipe.poll_read_vectored(cx, buffers)
    }
}

/// Reads until the end of the pipe, closes it, and returns in the close phase.
pub(super) async fn read_to_close(pipe: Option<ChildStdout>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let read = pipe.read_to_end(&mut bytes).await;
        let (closed, is_closed) = oneshot::channel();
        pipe.close_with(move || {
            let _ = closed.send(()); // the receiver waits
        });
        let _ = is_closed.await; // an error means that the loop has ended
        read?;
    }
    Ok(bytes)
}
