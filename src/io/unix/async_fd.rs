//! `AsyncFd`: any descriptor of a Unix system that can be polled, awaited.
//!
//! It never reads or writes: that is the operation given to it.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::Location;
use std::task::{Context, Poll};

use mio::unix::SourceFd;
use socket2::SockRef;

use crate::event_loop::current::current;
use crate::io::Direction;
use crate::io::registration::{Ready, Registration};

/// Waits for the readiness of a descriptor: a pipe, a terminal, an `eventfd`, an `inotify`, or a
/// socket of another library.
///
/// The descriptor is made non-blocking (the flag belongs to the open file, so everyone who shares
/// it by `dup` or inheritance sees it) and stays so. A regular file is always ready and can't be
/// watched; take [`spawn_blocking`](crate::spawn_blocking) for it.
///
/// Dropping it watches the descriptor no more, and drops it. It is `!Send`: it belongs to its
/// loop's thread.
///
/// ```
/// # #[cfg(unix)] {
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
/// # }
/// ```
pub struct AsyncFd<T: AsFd> {
    /// `None` only while it is taken apart.
    inner: Option<T>,
    registration: Registration,
}

impl<T: AsFd> AsyncFd<T> {
    /// Watches `inner`, which must not change its descriptor from now on.
    ///
    /// # Errors
    ///
    /// The system's, as for a regular file or a descriptor that is watched already; and if the
    /// loop is ending. `inner` is dropped then.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn new(inner: T) -> io::Result<AsyncFd<T>> {
        let state = current("io::AsyncFd::new");
        let location = Location::caller();
        // It sets `O_NONBLOCK`, which all descriptors have, not only sockets.
        SockRef::from(&inner).set_nonblocking(true)?;
        let descriptor = inner.as_fd().as_raw_fd();
        let registration = Registration::new(state, &mut SourceFd(&descriptor), location)?;
        Ok(AsyncFd {
            inner: Some(inner),
            registration,
        })
    }

    /// Waits until a read may succeed, or fail with something else than `WouldBlock`.
    ///
    /// Any number of tasks may wait; an event wakes them all, in one macrotask, in the order in
    /// which they came. Readiness lasts until [`clear_read_ready`](AsyncFd::clear_read_ready): an
    /// operation of your own that would block must call it, or waiting ends at once for ever.
    /// [`read_with`](AsyncFd::read_with) does all of this. Cancel safe.
    ///
    /// # Errors
    ///
    /// If the loop has ended or is not the one that runs.
    pub fn readable(&self) -> Ready<'_> {
        self.registration.ready(Direction::Read)
    }

    /// Waits until a write may succeed, or fail with something else than `WouldBlock`: at once for
    /// a fresh source. Otherwise as [`readable`](AsyncFd::readable).
    ///
    /// # Errors
    ///
    /// If the loop has ended or is not the one that runs.
    pub fn writable(&self) -> Ready<'_> {
        self.registration.ready(Direction::Write)
    }

    /// As [`readable`](AsyncFd::readable) for `poll_*` methods: only the task of the latest call
    /// is woken.
    ///
    /// A wait that is abandoned, by not polling again, keeps the loop alive until the next event.
    ///
    /// # Errors
    ///
    /// If the loop has ended or is not the one that runs.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_ready(Direction::Read, cx)
    }

    /// As [`writable`](AsyncFd::writable) for `poll_*` methods: only the task of the latest call
    /// is woken, see [`poll_read_ready`](AsyncFd::poll_read_ready).
    ///
    /// # Errors
    ///
    /// If the loop has ended or is not the one that runs.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_ready(Direction::Write, cx)
    }

    /// Says that a read would have blocked: the next wait lasts until the next event.
    ///
    /// To be called only if that was so; otherwise the event that is waited for has been already.
    pub fn clear_read_ready(&self) {
        self.registration.would_block(Direction::Read);
    }

    /// Says that a write would have blocked; see [`clear_read_ready`](AsyncFd::clear_read_ready).
    pub fn clear_write_ready(&self) {
        self.registration.would_block(Direction::Write);
    }

    /// Waits until the source is readable and calls `operation`; again and again as long as that
    /// says `WouldBlock` or `Interrupted`. At most 32 operations are done for one event.
    ///
    /// Cancel safe: when it is dropped, the last `operation` has said `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `operation`; and if the loop has ended or is not the one that runs.
    pub async fn read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let read = || operation(self.get_ref());
        self.registration.async_io(Direction::Read, read).await
    }

    /// Calls `operation` at once, and, as long as that says `WouldBlock` or `Interrupted`, again
    /// when the source is writable.
    ///
    /// Cancel safe: when it is dropped, the last `operation` has said `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `operation`; and if the loop has ended or is not the one that runs.
    pub async fn write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let write = || operation(self.get_ref());
        self.registration.async_io(Direction::Write, write).await
    }

    /// The source itself. Closing its descriptor behind the loop's back loses events.
    pub fn get_ref(&self) -> &T {
        self.inner
            .as_ref()
            .expect("it is there until it is taken apart")
    }

    /// Watches the descriptor no more and gives it back. It is still non-blocking.
    pub fn into_inner(mut self) -> T {
        self.deregister()
            .expect("it is there until it is taken apart")
    }

    /// Makes waits keep the loop alive again (R6). It does at first.
    pub fn ref_(&self) -> &Self {
        self.registration.set_refed(true);
        self
    }

    /// Makes waits not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.registration.set_refed(false);
        self
    }

    /// Whether waits keep the loop alive.
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
