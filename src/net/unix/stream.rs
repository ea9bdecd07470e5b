//! Unix domain connections.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};

use crate::event_loop::current::current;
use crate::io::{Descriptor, Direction, PollEvented, Ready, check_loop};
use crate::net::connect::{connected, report_in_pending_phase};
use crate::net::error::FailedAttempt;
use crate::net::halves::{
    EndWriting, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf, halves,
    into_split, reunite,
};
use crate::promise::Promise;

/// A Unix domain connection.
///
/// What is said of [`TcpStream`](crate::net::TcpStream) about reading and writing, about waits that are
/// abandoned and about closing and dropping holds for it, too.
///
/// Who is at the other end is not told in one way by all systems; the crate of your choice can ask
/// by the [`descriptor`](UnixStream::descriptor):
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use nodeloop::net::UnixStream;
///
/// let peer = nodeloop::block_on(async {
///     let (one, _other) = UnixStream::pair()?;
///     std::io::Result::Ok(rustix::net::sockopt::socket_peercred(one.descriptor()?)?)
/// });
/// assert_eq!(peer.unwrap().pid, rustix::process::getpid());
/// # }
/// ```
pub struct UnixStream {
    pub(super) socket: PollEvented<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at `path`.
    ///
    /// Success comes with an event of the poll phase. A failure is known at once, and reported by
    /// the pending phase (R63): that the path does not exist, that nobody listens there, or that
    /// too many connections wait there. The connection is made when the future is polled first;
    /// dropping it gives the attempt up.
    ///
    /// # Errors
    ///
    /// The system's, in a [`NetError`](crate::net::NetError) such as `connect ENOENT /tmp/socket`;
    /// and if the loop ends.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> impl Future<Output = io::Result<UnixStream>> {
        let state = current("UnixStream::connect");
        let location = Location::caller();
        async move {
            check_loop(&state)?;
            let path = path.as_ref();
            let failed = |error| FailedAttempt::at_path("connect", path, error).alone();
            let socket = match mio::net::UnixStream::connect(path) {
                Ok(socket) => PollEvented::new(state, socket, location)?,
                Err(error) => {
                    let error = report_in_pending_phase(&state, error, location).await;
                    check_loop(&state)?;
                    return Err(failed(error));
                }
            };
            let connecting = connected(&socket, |socket| socket.take_error());
            connecting.await.map_err(failed)?;
            Ok(UnixStream { socket })
        }
    }

    /// Makes two streams that are connected with each other.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let state = current("UnixStream::pair");
        let (one, other) = mio::net::UnixStream::pair()?;
        let one = PollEvented::new(state.clone(), one, Location::caller())?;
        let other = PollEvented::new(state, other, Location::caller())?;
        Ok((UnixStream { socket: one }, UnixStream { socket: other }))
    }

    /// Takes over a connected socket of `std`. It becomes non-blocking.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        let state = current("UnixStream::from_std");
        stream.set_nonblocking(true)?;
        let socket = mio::net::UnixStream::from_std(stream);
        let socket = PollEvented::new(state, socket, Location::caller())?;
        Ok(UnixStream { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking.
    ///
    /// # Errors
    ///
    /// If the stream was closed.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        self.socket.into_inner().map(Into::into)
    }

    /// Waits until there may be something to read, or the end, or an error. Any number of tasks
    /// may wait. Cancel safe, and dropping it ends the wait.
    ///
    /// # Errors
    ///
    /// If the stream was closed, or its loop has ended or is not the one that runs.
    pub fn readable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Read)
    }

    /// Waits until the system may take something, or an error is there; at once if no write was
    /// refused before. Otherwise as [`readable`](UnixStream::readable).
    ///
    /// # Errors
    ///
    /// If the stream was closed, or its loop has ended or is not the one that runs.
    pub fn writable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Write)
    }

    /// Lends the stream as a half that reads and a half that writes, for two futures of one task.
    ///
    /// It is not called `split` because the method of that name of `AsyncReadExt`, which takes the
    /// stream and puts a lock between the halves, would be called in its place.
    #[doc(alias = "split")]
    pub fn halves(&mut self) -> (ReadHalf<'_, UnixStream>, WriteHalf<'_, UnixStream>) {
        halves(self)
    }

    /// Takes the stream apart into a half that reads and a half that writes, for two tasks.
    ///
    /// Dropping the half that writes ends the writing direction, as
    /// [`poll_close`](AsyncWrite::poll_close) does; the socket is closed when both are gone.
    pub fn into_split(self) -> (OwnedReadHalf<UnixStream>, OwnedWriteHalf<UnixStream>) {
        into_split(self)
    }

    /// Puts two halves together again.
    ///
    /// # Errors
    ///
    /// If they are not of the same stream; both come back.
    pub fn reunite(
        reader: OwnedReadHalf<UnixStream>,
        writer: OwnedWriteHalf<UnixStream>,
    ) -> Result<UnixStream, ReuniteError<UnixStream>> {
        reunite(reader, writer)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.local_addr())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.peer_addr())
    }

    /// Ends one direction, or both. The peer reads the end of the stream behind what was written.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.with(|socket| socket.shutdown(how))
    }

    /// The error that is pending on the socket, if there is one; it is pending no more then.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.with(|socket| socket.take_error())
    }

    /// Closes the socket now and calls `callback` in the close phase of this turn (R62).
    ///
    /// Tasks that wait for the stream are woken right before it and get an error. Closing again
    /// closes nothing and calls `callback` all the same. If the loop ends before, `callback` is
    /// dropped.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.socket.close_with(callback, Location::caller());
    }

    /// Closes the socket now; the promise is settled in the close phase of this turn (R62), where
    /// [`close_with`](UnixStream::close_with) would call back. Dropping the promise changes nothing.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn close(&self) -> Promise<()> {
        self.socket.close()
    }

    /// Lends the descriptor, for options that have no method here.
    ///
    /// # Errors
    ///
    /// If the socket was closed.
    pub fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        self.socket.descriptor()
    }

    /// Makes waits for this stream keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &UnixStream {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for this stream not keep the loop alive.
    pub fn unref(&self) -> &UnixStream {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for this stream keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

impl EndWriting for UnixStream {
    fn end_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl AsyncRead for &UnixStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A read of a Unix stream stops behind a message that carried descriptors, so a short one
        // does not say that nothing is left.
        self.socket.poll_read(cx, buffer, false)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for &UnixStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is buffered
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            // The peer was faster; this end has nothing left to say, either.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

impl AsyncRead for UnixStream {
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

impl AsyncWrite for UnixStream {
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

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixStream").field(&self.socket).finish()
    }
}
