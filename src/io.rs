//! Sources of readiness: what the poll phase watches, and how a task waits for it.
//!
//! `AsyncFd` (Unix) makes any non-blocking descriptor awaitable; the sockets of
//! [`net`](crate::net) stand on the same ground:
//!
//! - A source is watched from the moment it is made until it is dropped or closed.
//! - **Reading and accepting become possible by an event of the poll phase only**, so that order
//!   does not hang on the kernel's timing: a fresh source is never readable before the next poll
//!   phase. One event allows at most 32 reads, libuv's bound; then the source is served again by
//!   the next poll phase, so a fast peer starves neither timers nor immediates.
//! - **Writing is tried at once**, and waits only if the system takes no more. It is not bounded:
//!   a task that writes to a peer that takes everything at once gives way to nobody, as in Node
//!   (R11).
//! - An event is a macrotask with a drain behind it (R12); one that wakes a reader and a writer
//!   is two of them, the reader's first.
//! - **A wait keeps the loop alive** (R6) unless its source is unref'd; a source that nobody waits
//!   for does not, unlike a listening server in Node.
//!
//! A source belongs to its loop: outside of it, and after its end, using it is an error.
//!
//! [`stdin`], [`stdout`] and [`stderr`] are the streams of the process, without changing anything
//! for others who have them.
//!
//! Nothing in here buffers, and nothing reads or writes on its own.
//!
//! Invariant: the table of sources is borrowed neither while an operation of the user's runs, nor
//! while a waker is woken or dropped.

#[cfg(unix)]
mod async_fd;
#[cfg(unix)]
mod descriptor;
pub(crate) mod platform;
mod stdio;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use mio::event::Source;

#[cfg(unix)]
pub use async_fd::AsyncFd;
#[cfg(unix)]
pub use descriptor::Descriptor;
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

use crate::async_local::bind;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};
use crate::promise::{Promise, with_resolver};
pub(crate) use crate::reactor::registrations::Direction;
use crate::reactor::registrations::{RegistrationKey, SourcePoll, WaiterId};

/// A place in the poll phase's table of sources. Whoever has it sees to deregistering.
pub(crate) struct Registration {
    state: Rc<LoopState>,
    key: RegistrationKey,
}

impl Registration {
    pub(crate) fn new(
        state: Rc<LoopState>,
        source: &mut impl Source,
        location: SourceLocation,
    ) -> io::Result<Registration> {
        if !state.is_open() {
            return Err(loop_ended());
        }
        let key = state
            .poll
            .registrations
            .borrow_mut()
            .register(source, location)?;
        Ok(Registration { state, key })
    }

    /// Whether waiting can come to an end; see [`check_loop`].
    pub(crate) fn check_loop(&self) -> io::Result<()> {
        check_loop(&self.state)
    }

    /// For `poll_*` methods: the task of the latest call is woken.
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_loop()?;
        let (answer, replaced) = self.state.poll.poll_ready(self.key, direction, cx);
        drop(replaced);
        answer_to_poll(answer)
    }

    /// For futures, any number of them.
    pub(crate) fn poll_waiter(
        &self,
        direction: Direction,
        id: &mut WaiterId,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_loop()?;
        let poll = &self.state.poll;
        let (answer, replaced) = poll.poll_waiter(self.key, direction, id, cx);
        drop(replaced);
        answer_to_poll(answer)
    }

    pub(crate) fn forget_waiter(&self, direction: Direction, id: &mut WaiterId) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        let waker = registrations.forget_waiter(self.key, direction, id);
        drop(registrations);
        drop(waker);
    }

    /// Waits until the source is ready.
    pub(crate) fn ready(&self, direction: Direction) -> Ready<'_> {
        Ready {
            registration: self,
            direction,
            id: None,
        }
    }

    /// Does `operation` as soon as it does not block, for `poll_*` methods. What it returns says
    /// also whether it has drained the source.
    pub(crate) fn poll_io<R>(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        mut operation: impl FnMut() -> io::Result<(R, bool)>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.poll_ready(direction, cx))?;
            if let Some(result) = self.attempt(direction, &mut operation) {
                return Poll::Ready(result);
            }
        }
    }

    /// Does `operation` as soon as it does not block, for any number of tasks.
    pub(crate) async fn async_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready(direction).await?;
            let done = || operation().map(|result| (result, false));
            if let Some(result) = self.attempt(direction, done) {
                return result;
            }
        }
    }

    /// One attempt; nothing comes back if it is to be made again.
    fn attempt<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<(R, bool)>,
    ) -> Option<io::Result<R>> {
        match operation() {
            Ok((result, drained)) => {
                self.done(direction, drained);
                Some(Ok(result))
            }
            Err(error) => self.failed(direction, error).map(Err),
        }
    }

    /// The error to report; none if the operation is to be done again.
    #[cold]
    fn failed(&self, direction: Direction, error: io::Error) -> Option<io::Error> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.would_block(direction),
            io::ErrorKind::Interrupted => {}
            _ => {
                self.done(direction, false);
                return Some(error);
            }
        }
        None
    }

    pub(crate) fn would_block(&self, direction: Direction) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        registrations.would_block(self.key, direction);
    }

    /// An operation was done; see [`Registrations::consume_budget`](crate::reactor::registrations::Registrations::consume_budget).
    pub(crate) fn done(&self, direction: Direction, drained: bool) {
        if direction == Direction::Read {
            self.state
                .poll
                .registrations
                .borrow_mut()
                .consume_budget(self.key, drained);
        }
    }

    pub(crate) fn set_refed(&self, refed: bool) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        registrations.set_refed(self.key, refed);
    }

    pub(crate) fn has_ref(&self) -> bool {
        self.state.poll.registrations.borrow_mut().has_ref(self.key)
    }

    /// Watches the source no more. What comes back waited for it, and is to be woken or dropped.
    #[must_use]
    pub(crate) fn deregister(&self, source: &mut impl Source) -> Vec<Waker> {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        // An error says that the system has forgotten the source already.
        let (_, wakers) = registrations.deregister(self.key, source);
        wakers
    }
}

fn answer_to_poll(answer: SourcePoll) -> Poll<io::Result<()>> {
    match answer {
        SourcePoll::Ready => Poll::Ready(Ok(())),
        SourcePoll::Waiting => Poll::Pending,
        SourcePoll::Gone => Poll::Ready(Err(source_closed())),
    }
}

/// The future of `readable` and `writable`.
///
/// Dropping it ends the wait, which then keeps nothing alive any more. It is cancel safe.
///
/// # Errors
///
/// If the source was closed, if its loop has ended, and if its loop is not the one that runs.
#[must_use = "futures do nothing unless polled"]
pub struct Ready<'a> {
    registration: &'a Registration,
    direction: Direction,
    id: WaiterId,
}

impl Future for Ready<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.registration
            .poll_waiter(this.direction, &mut this.id, cx)
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.registration
            .forget_waiter(self.direction, &mut self.id);
    }
}

impl fmt::Debug for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}

/// A source of mio's that can be closed while others wait for it.
pub(crate) struct PollEvented<S: Source> {
    registration: Registration,
    /// `None` when it was closed. Borrowed for the length of one system call at most.
    source: RefCell<Option<S>>,
}

impl<S: Source> PollEvented<S> {
    pub(crate) fn new(
        state: Rc<LoopState>,
        mut source: S,
        location: SourceLocation,
    ) -> io::Result<PollEvented<S>> {
        Ok(PollEvented {
            registration: Registration::new(state, &mut source, location)?,
            source: RefCell::new(Some(source)),
        })
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    pub(crate) fn state(&self) -> &Rc<LoopState> {
        &self.registration.state
    }

    /// Looks at the source; an error if it was closed. `look` must be nothing of the user's.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&S) -> io::Result<R>) -> io::Result<R> {
        look(self.source.borrow().as_ref().ok_or_else(source_closed)?)
    }

    /// Closes the source at once and queues `callback` for the close phase (R62).
    #[track_caller]
    pub(crate) fn close_with(&self, callback: impl FnOnce() + 'static, location: SourceLocation) {
        let (source, waiting) = self.take();
        drop(source);
        let state = self.state();
        let callback = Work::Once(Some(bind(state, callback)));
        let origin = Origin::new(StepKind::Close, location);
        state.push_close(Macrotask::new(callback, origin));
        if !waiting.is_empty() {
            // As libuv does (`core.c` `uv__finish_close`), what was pending on the source ends
            // right before its close callback. The phase is a stack: pushed last, called first.
            state.push_close(Macrotask::wake_all(waiting, origin));
        }
    }

    /// The same as a promise of the callback: it is settled in the close phase.
    #[track_caller]
    pub(crate) fn close(&self) -> Promise<()> {
        let (promise, resolver) = with_resolver();
        self.close_with(move || resolver.resolve(()), Location::caller());
        promise
    }

    /// Closes the source at once, if it is open; whoever waits for it is woken and sees an error.
    pub(crate) fn close_without_callback(&self) {
        let (source, waiting) = self.take();
        drop(source);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Takes the source out and watches it no more; an error if it was closed.
    pub(crate) fn into_inner(self) -> io::Result<S> {
        let (source, waiting) = self.take();
        drop(waiting); // abandoned: a wait that goes on borrows the source
        source.ok_or_else(source_closed)
    }

    #[must_use]
    #[track_caller]
    fn take(&self) -> (Option<S>, Vec<Waker>) {
        let Ok(mut source) = self.source.try_borrow_mut() else {
            panic!("a socket was closed while its `Descriptor` was lent: drop that first");
        };
        let mut source = source.take();
        let wakers = source
            .as_mut()
            .map_or_else(Vec::new, |source| self.registration.deregister(source));
        (source, wakers)
    }
}

/// Streams. Their errors are the system's, and those of [`Registration::check_loop`].
impl<S: Source> PollEvented<S>
where
    for<'a> &'a S: Read,
{
    /// `short_read_drains` says whether a read that fills only a part of the buffer leaves
    /// nothing behind.
    pub(crate) fn poll_read(
        &self,
        cx: &Context<'_>,
        buffer: &mut [u8],
        short_read_drains: bool,
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Read, cx, || {
            let length = self.with(|mut source| source.read(buffer))?;
            let drained = short_read_drains && 0 < length && length < buffer.len();
            Ok((length, drained))
        })
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Read, cx, || {
            let length = self.with(|mut source| source.read_vectored(buffers))?;
            Ok((length, false))
        })
    }
}

impl<S: Source> PollEvented<S>
where
    for<'a> &'a S: Write,
{
    pub(crate) fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, || {
            let length = self.with(|mut source| source.write(bytes))?;
            Ok((length, false))
        })
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, || {
            let length = self.with(|mut source| source.write_vectored(buffers))?;
            Ok((length, false))
        })
    }
}

impl<S: Source> Drop for PollEvented<S> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<S: Source + fmt::Debug> fmt::Debug for PollEvented<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.source.borrow() {
            Some(source) => source.fmt(f),
            None => f.write_str("closed"),
        }
    }
}

/// Whether waiting can come to an end: the loop runs on this thread, now.
pub(crate) fn check_loop(state: &Rc<LoopState>) -> io::Result<()> {
    let is_current = state.is_current();
    if is_current && state.is_open() {
        Ok(())
    } else if is_current || state.remote_queue.is_closed() {
        Err(loop_ended())
    } else {
        Err(io::Error::other(
            "the event loop of this source does not run: use a source inside of its own loop",
        ))
    }
}

pub(crate) fn source_closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the source was closed")
}

pub(crate) fn loop_ended() -> io::Error {
    io::Error::other("the event loop of this source has ended")
}
