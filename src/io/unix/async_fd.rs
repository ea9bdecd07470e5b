//! `AsyncFd`: readiness of any descriptor that can be polled.
//!
//! It never reads or writes itself: the operations of the caller do.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::Location;
use std::task::{Context, Poll};

use mio::unix::SourceFd;
use socket2::SockRef;

use crate::event_loop::current::current;
use crate::io::registration::{Registration, UntilReady};
use crate::io::{Direction, Interest, Ready};
use crate::reactor::registrations::Taken;

/// Associates a file descriptor with the event loop, to wait for its readiness: a pipe, a terminal,
/// an `eventfd`, an `inotify` instance, or a socket of another crate.
///
/// The descriptor is set to non-blocking mode and stays in it. The mode belongs to the open file,
/// so it also applies to descriptors that share the file through `dup` or inheritance. A regular
/// file is always ready and can't be registered; use [`spawn_blocking`](crate::spawn_blocking) for
/// it.
///
/// Dropping an `AsyncFd` deregisters the descriptor and drops the inner value.
///
/// # Errors
///
/// Methods that wait return an error if the loop of the descriptor has ended, or if it is not the
/// loop that runs on this thread.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// let greeting = nodeloop::block_on(async {
///     let (ours, mut theirs) = UnixStream::pair()?;
///     let ours = nodeloop::io::AsyncFd::new(ours)?;
///     nodeloop::set_immediate(move || theirs.write_all(b"hello").unwrap());
///     let mut buffer = [0; 16];
///     let length = ours.read_with(|mut ours| ours.read(&mut buffer)).await?;
///     std::io::Result::Ok(buffer[..length].to_vec())
/// });
/// assert_eq!(greeting.unwrap(), b"hello");
/// ```
pub struct AsyncFd<T: AsFd> {
    /// `None` only while it is being deregistered.
    inner: Option<T>,
    registration: Registration,
}

impl<T: AsFd> AsyncFd<T> {
    /// Registers the descriptor of `inner`, which must not change while it is registered.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, for example for a regular file or for a
    /// descriptor that is already registered, and an error if the loop is ending. In both cases
    /// `inner` is dropped.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn new(inner: T) -> io::Result<AsyncFd<T>> {
        let state = current("io::AsyncFd::new");
        state.refuse_in_world(
            "a host of a simulated world can't watch a descriptor of the operating system: use the sources \
             of `nodeloop::net` and `nodeloop::io`, or test this part outside of the world",
        )?;
        let location = Location::caller();
        // It sets `O_NONBLOCK`, which works on any descriptor, not only on sockets.
        SockRef::from(&inner).set_nonblocking(true)?;
        let descriptor = inner.as_fd().as_raw_fd();
        let registration = Registration::new(state, &mut SourceFd(&descriptor), location)?;
        Ok(AsyncFd {
            inner: Some(inner),
            registration,
        })
    }

    /// Waits until the descriptor is readable: a read does not fail with `WouldBlock`.
    ///
    /// Any number of tasks may wait. An event wakes all of them in one macrotask, in the order in
    /// which they started to wait.
    ///
    /// The descriptor counts as readable until
    /// [`clear_read_ready`](AsyncFd::clear_read_ready) is called, which is necessary after an
    /// operation that would have blocked. [`read_with`](AsyncFd::read_with) does so.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn readable(&self) -> UntilReady<'_> {
        self.registration.ready(Direction::Read)
    }

    /// Waits until the descriptor is writable; see [`readable`](AsyncFd::readable).
    ///
    /// A new descriptor counts as writable.
    pub fn writable(&self) -> UntilReady<'_> {
        self.registration.ready(Direction::Write)
    }

    /// Waits until the descriptor is ready in at least one direction of `interest`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.registration.ready_for(interest).await
    }

    /// Polls for read readiness, for `poll_*` methods: only the task of the latest call is woken.
    ///
    /// A wait that is no longer polled keeps the loop alive until the next event.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_ready(Direction::Read, cx)
    }

    /// Polls for write readiness; see [`poll_read_ready`](AsyncFd::poll_read_ready).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_ready(Direction::Write, cx)
    }

    /// Clears the read readiness: the next wait lasts until the next event.
    ///
    /// Call it only after an operation that would have blocked. Otherwise the next wait may not
    /// end, because its event was reported before.
    pub fn clear_read_ready(&self) {
        self.registration.would_block(Direction::Read);
    }

    /// Clears the write readiness; see [`clear_read_ready`](AsyncFd::clear_read_ready).
    pub fn clear_write_ready(&self) {
        self.registration.would_block(Direction::Write);
    }

    /// Calls `operation` when the descriptor is readable, until it returns something other than
    /// `WouldBlock` or `Interrupted`.
    ///
    /// At most 32 operations complete for one event.
    ///
    /// # Errors
    ///
    /// Returns any other error of `operation`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, `operation` has not completed.
    pub async fn read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let read = || operation(self.get_ref());
        self.registration.async_io(Direction::Read, read).await
    }

    /// Calls `operation` when the descriptor is writable, until it returns something other than
    /// `WouldBlock` or `Interrupted`.
    ///
    /// # Errors
    ///
    /// Returns any other error of `operation`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, `operation` has not completed.
    pub async fn write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let write = || operation(self.get_ref());
        self.registration.async_io(Direction::Write, write).await
    }

    /// Calls `operation` once if the descriptor is ready in a direction of `interest`.
    ///
    /// An `operation` that returns `WouldBlock` clears the readiness.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if the descriptor is not
    /// ready, and any error of `operation`.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let operation = || Ok((operation(self.get_ref())?, Taken::Some));
        self.registration.try_io(interest, operation)
    }

    /// Calls `operation` when the descriptor is ready in a direction of `interest`, until it returns
    /// something other than `WouldBlock` or `Interrupted`.
    ///
    /// [`read_with`](AsyncFd::read_with) and [`write_with`](AsyncFd::write_with) are for one direction:
    /// tasks that read are then woken in turn, while here an event wakes all of them.
    ///
    /// # Errors
    ///
    /// Returns any other error of `operation`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, `operation` has not completed.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let operation = || operation(self.get_ref());
        self.registration.async_io_for(interest, operation).await
    }

    /// Returns a reference to the inner value.
    ///
    /// Its descriptor must not be closed.
    pub fn get_ref(&self) -> &T {
        self.inner
            .as_ref()
            .expect("an `AsyncFd` has its inner value until it is consumed")
    }

    /// Deregisters the descriptor and returns the inner value, which stays in non-blocking mode.
    pub fn into_inner(mut self) -> T {
        self.deregister()
            .expect("an `AsyncFd` has its inner value until it is consumed")
    }

    /// Makes pending waits keep the loop alive again (R6), which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        self.registration.set_refed(true);
        self
    }

    /// Makes pending waits not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.registration.set_refed(false);
        self
    }

    /// Returns whether pending waits keep the loop alive.
    pub fn has_ref(&self) -> bool {
        self.registration.has_ref()
    }

    fn deregister(&mut self) -> Option<T> {
        let inner = self.inner.take()?;
        let descriptor = inner.as_fd().as_raw_fd();
        drop(self.registration.deregister(&mut SourceFd(&descriptor)));
        Some(inner)
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        drop(self.deregister());
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncFd").field(&self.inner).finish()
    }
}
