//! Pipes on Unix: descriptors that the poll phase watches.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::process::Stdio;
use std::rc::Rc;
use std::task::{Context, Poll};

use mio::unix::pipe;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use socket2::SockRef;

use super::{Pipe, PipeEnd, Receiver, Sender};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::{Backed, Descriptor, PollEvented};
use crate::phases::macrotask::SourceLocation;
use crate::reactor::registrations::Taken;
use crate::reactor::world::{WorldHost, WorldSocket};

pub(super) type OsReceiver = Backed<pipe::Receiver>;
pub(super) type OsSender = Backed<pipe::Sender>;

/// What the end of a pipe is made of.
#[allow(
    unreachable_pub,
    reason = "a bound of a public type; Rust 1.88 reports it"
)]
pub trait Os: Sized {
    fn from_descriptor(pipe: OwnedFd) -> Self;
    fn from_world(pipe: WorldSocket) -> Self;
    fn into_descriptor(self) -> io::Result<OwnedFd>;
}

impl<S: From<OwnedFd> + Into<OwnedFd>> Os for Backed<S> {
    fn from_descriptor(pipe: OwnedFd) -> Self {
        Backed::Real(pipe.into())
    }

    fn from_world(pipe: WorldSocket) -> Self {
        Backed::World(pipe)
    }

    fn into_descriptor(self) -> io::Result<OwnedFd> {
        self.into_real().map(Into::into)
    }
}

impl<E: PipeEnd> Pipe<E> {
    pub(crate) fn new(
        state: &Rc<LoopState>,
        pipe: impl Into<OwnedFd>,
        location: SourceLocation,
    ) -> io::Result<Self> {
        state.refuse_in_world(REFUSED)?;
        let pipe = pipe.into();
        set_nonblocking(&pipe, true)?;
        let source = E::Os::from_descriptor(pipe);
        let source = PollEvented::new(state.clone(), source, location)?;
        Ok(Pipe { source })
    }

    /// Creates an end of a pipe of a simulated host.
    pub(crate) fn of_world(
        state: &Rc<LoopState>,
        pipe: WorldSocket,
        location: SourceLocation,
    ) -> io::Result<Self> {
        let source = PollEvented::new(state.clone(), E::Os::from_world(pipe), location)?;
        Ok(Pipe { source })
    }

    /// Creates an end from a file (Unix only), which has to be a pipe that is open for this direction. It
    /// is set to non-blocking mode.
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

    /// Creates an end from a descriptor (Unix only); see [`from_file`](Pipe::from_file).
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
        let own_mode = match E::INTEREST.is_readable() {
            true => OFlags::RDONLY,
            false => OFlags::WRONLY,
        };
        if mode != OFlags::RDWR && mode != own_mode {
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

    /// Deregisters the pipe and returns its descriptor (Unix only), which is blocking again.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed, and any error reported by the operating system.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let pipe = self.into_nonblocking_fd()?;
        set_nonblocking(&pipe, false)?;
        Ok(pipe)
    }

    /// Deregisters the pipe and returns its descriptor (Unix only), which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        self.source.into_inner()?.into_descriptor()
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

    /// Borrows the descriptor of the pipe (Unix only), for options that this crate has no method for.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed.
    pub fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        self.source.descriptor()
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
        let operation = || Ok((operation()?, Taken::Some));
        self.source.registration().try_io(E::INTEREST, operation)
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
}

/// Creates a pipe of a simulated host.
pub(super) fn pair_in_world(
    state: &Rc<LoopState>,
    host: &WorldHost,
    location: SourceLocation,
) -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = WorldSocket::local_pair(host, false)?;
    let sender = Sender::of_world(state, sender, location)?;
    Ok((sender, Receiver::of_world(state, receiver, location)?))
}

const REFUSED: &str = "a host of a simulated world can't use a pipe or a file of the operating system: create \
    a pipe with `io::pipe::pipe`, or test this part outside of the world";

/// Prepares a wait for data. The poll phase watches the pipe in any case.
#[inline]
pub(super) fn begin(_: &PollEvented<OsReceiver>) {}

pub(super) fn begin_end(_: &OsReceiver) {}

/// Nothing is buffered.
#[inline]
pub(super) fn poll_flush(_: &PollEvented<OsSender>, _: &Context<'_>) -> Poll<io::Result<()>> {
    Poll::Ready(Ok(()))
}

/// Returns whether a descriptor is a pipe or a FIFO.
pub(super) fn is_pipe(pipe: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(pipe)?.st_mode) == FileType::Fifo)
}

pub(super) fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Sets `O_NONBLOCK`, which works on any descriptor, not only on sockets.
fn set_nonblocking(pipe: &OwnedFd, nonblocking: bool) -> io::Result<()> {
    SockRef::from(pipe).set_nonblocking(nonblocking)
}
