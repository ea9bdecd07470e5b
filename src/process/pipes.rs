//! The pipes between a child and its parent.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::process::Stdio;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use mio::unix::pipe::{Receiver, Sender};

use crate::event_loop::state::LoopState;
use crate::io::PollEvented;
use crate::phases::macrotask::SourceLocation;

/// Where a child reads from.
///
/// A write goes to the pipe at once, as much as it takes, and waits only if the pipe is full.
/// Closing and dropping it let the child read the end. When the child has closed its end, a write
/// fails with `BrokenPipe`. A wait that is abandoned, by not polling again, keeps the loop alive
/// until the next event.
pub struct ChildStdin {
    pipe: PollEvented<Sender>,
}

/// What a child writes, as output or as errors.
///
/// A read completes by an event of the poll phase; see [`io`](crate::io). Dropping it closes it,
/// and a child that goes on writing is ended by `SIGPIPE`, if it has not said otherwise. A wait
/// that is abandoned, by not polling again, keeps the loop alive until the next event.
pub struct ChildOutput {
    pipe: PollEvented<Receiver>,
}

/// What a child writes as output.
pub type ChildStdout = ChildOutput;

/// What a child writes as errors.
pub type ChildStderr = ChildOutput;

impl ChildStdin {
    pub(super) fn new(
        state: &Rc<LoopState>,
        pipe: OwnedFd,
        location: SourceLocation,
    ) -> io::Result<Self> {
        let pipe = Sender::from(pipe);
        pipe.set_nonblocking(true)?;
        let pipe = PollEvented::new(state.clone(), pipe, location)?;
        Ok(ChildStdin { pipe })
    }

    /// Gives the pipe to another child as its output. It is blocking again.
    ///
    /// # Errors
    ///
    /// The system's; and if the pipe was closed.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        let pipe = self.pipe.into_inner()?;
        pipe.set_nonblocking(false)?;
        Ok(OwnedFd::from(pipe).into())
    }

    /// Makes waits for the pipe keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        self.pipe.registration().set_refed(true);
        self
    }

    /// Makes waits for the pipe not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.pipe.registration().set_refed(false);
        self
    }

    /// Whether waits for the pipe keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.pipe.registration().has_ref()
    }
}

impl AsyncWrite for &ChildStdin {
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

impl AsyncWrite for ChildStdin {
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

impl fmt::Debug for ChildStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildStdin").field(&self.pipe).finish()
    }
}

impl ChildOutput {
    pub(super) fn new(
        state: &Rc<LoopState>,
        pipe: OwnedFd,
        location: SourceLocation,
    ) -> io::Result<Self> {
        let pipe = Receiver::from(pipe);
        pipe.set_nonblocking(true)?;
        let pipe = PollEvented::new(state.clone(), pipe, location)?;
        Ok(ChildOutput { pipe })
    }

    /// Closes the pipe now and calls `callback` in the close phase of this turn (R62). A task that
    /// waits for it is woken right before, and gets an error. If the loop ends before, `callback`
    /// is dropped.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.pipe.close_with(callback, Location::caller());
    }

    /// Gives the pipe to another child as its input. It is blocking again.
    ///
    /// # Errors
    ///
    /// The system's; and if the pipe was closed.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        let pipe = self.pipe.into_inner()?;
        pipe.set_nonblocking(false)?;
        Ok(OwnedFd::from(pipe).into())
    }

    /// Makes waits for the pipe keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        self.pipe.registration().set_refed(true);
        self
    }

    /// Makes waits for the pipe not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.pipe.registration().set_refed(false);
        self
    }

    /// Whether waits for the pipe keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.pipe.registration().has_ref()
    }
}

impl AsyncRead for &ChildOutput {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A child may make its end tell packets apart, and a short read leaves the next one then.
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

impl AsyncRead for ChildOutput {
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

impl fmt::Debug for ChildOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildOutput").field(&self.pipe).finish()
    }
}

/// All that comes until the end, once the pipe is closed in the close phase.
pub(super) async fn read_to_close(pipe: Option<ChildOutput>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(mut pipe) = pipe {
        let read = pipe.read_to_end(&mut all).await;
        let (closed, is_closed) = oneshot::channel();
        pipe.close_with(move || {
            let _ = closed.send(()); // it is waited for
        });
        let _ = is_closed.await; // or the loop has cancelled everything
        read?;
    }
    Ok(all)
}
