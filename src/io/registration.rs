//! The registration of a source with the poll phase, and waiting for its readiness.
//!
//! A registration performs no I/O itself: it calls an operation of its owner whenever the source is
//! ready.
//!
//! Invariant: the table of registrations is not borrowed while an operation runs, nor while a waker
//! is woken or dropped.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::FusedFuture;
use mio::event::Source;

use super::{Direction, Interest, Ready};
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{SourceLocation, Waiter};
use crate::reactor::journal::{Journal, Operation, Reader, Recorder, SourceName, Subject};
use crate::reactor::registrations::{
    Forgotten, RegistrationKey, SourcePoll, Taken, WaiterId, WaiterOf,
};

/// The entry of a source in the table of the poll phase. The owner has to deregister it.
pub(crate) struct Registration {
    state: Rc<LoopState>,
    key: RegistrationKey,
    /// What a journal calls the source.
    name: SourceName,
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
        let mut register = || {
            let mut registrations = state.poll.registrations.borrow_mut();
            registrations.register(source, location)
        };
        let (key, name) = match state.journal() {
            None => (register()?, SourceName::default()),
            Some(journal) => {
                let key = register_journaled(journal, location, register)?;
                let number = state.poll.registrations.borrow().last_number();
                (key, journal.name_of(number, key.parts().0))
            }
        };
        Ok(Registration { state, key, name })
    }

    /// Returns what records the results of operations, if the loop is recorded.
    #[inline]
    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        self.state.poll.delivery.recorder()
    }

    /// Returns the recording that the results of operations come from, in a replay.
    #[inline]
    pub(crate) fn replayed(&self) -> Option<&Reader> {
        self.state.poll.delivery.reader()
    }

    /// Returns what a journal calls the source.
    #[inline]
    pub(crate) fn name(&self) -> &SourceName {
        &self.name
    }

    pub(crate) fn key(&self) -> RegistrationKey {
        self.key
    }

    pub(crate) fn state(&self) -> &Rc<LoopState> {
        &self.state
    }

    /// Returns an error if a wait could not end; see [`check_loop`].
    pub(crate) fn check_loop(&self) -> io::Result<()> {
        check_loop(&self.state)
    }

    /// Polls for readiness, for `poll_*` methods: only the task of the latest call is woken.
    #[inline]
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_loop()?;
        match self.state.poll.is_known_as_ready(self.key, direction) {
            true => Poll::Ready(Ok(())), // the usual case, kept short
            false => self.wait_until_ready(direction, cx),
        }
    }

    #[inline(never)]
    fn wait_until_ready(&self, direction: Direction, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let waiter = self.waiter_of(cx);
        let (state, replaced) = self.state.poll.poll_ready(self.key, direction, waiter);
        drop(replaced);
        to_poll(state)
    }

    /// Polls for readiness, for any number of futures, each with an `id` of its own.
    pub(crate) fn poll_waiter(
        &self,
        direction: Direction,
        id: &mut WaiterId,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_loop()?;
        let poll = &self.state.poll;
        let (state, replaced) = poll.poll_waiter(self.key, direction, id, self.waiter_of(cx));
        drop(replaced);
        to_poll(state)
    }

    /// Returns what waits if it is polled with `cx`.
    #[inline]
    fn waiter_of<'a>(&self, cx: &Context<'a>) -> WaiterOf<'a> {
        match self.state.polled_task(cx) {
            Some(task) => WaiterOf::Task(task),
            None => WaiterOf::Waker(cx.waker()),
        }
    }

    pub(crate) fn forget_waiter(&self, direction: Direction, id: &mut WaiterId) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        let forgotten = registrations.forget_waiter(self.key, direction, id);
        drop(registrations);
        match forgotten {
            Forgotten::Nothing => {}
            Forgotten::Drop(waiter) => drop(waiter),
            Forgotten::PassOn(next) => self.state.wake_waiter(next),
        }
    }

    /// Wakes the next future that waits for its turn, because the running one does not use the
    /// readiness.
    pub(crate) fn pass_on(&self, direction: Direction) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        let next = registrations.take_next(self.key, direction);
        drop(registrations);
        if let Some(next) = next {
            self.state.wake_waiter(next);
        }
    }

    /// Waits until the source is ready.
    pub(crate) fn ready(&self, direction: Direction) -> UntilReady<'_> {
        UntilReady::new(self, direction, WaiterId::of_readiness())
    }

    /// Waits until the source is ready in at least one direction of `interest`.
    pub(crate) async fn ready_for(&self, interest: Interest) -> io::Result<Ready> {
        let wait = |direction| self.ready(direction);
        let mut read = interest.is_readable().then(|| wait(Direction::Read));
        let mut write = interest.is_writable().then(|| wait(Direction::Write));
        let first = poll_fn(|cx| {
            // Both are polled, so that an event in either direction wakes the task.
            let polls = [&mut read, &mut write].map(|wait| match wait {
                Some(wait) => wait.poll_unpin(cx),
                None => Poll::Pending,
            });
            let ready = polls.into_iter().find(Poll::is_ready);
            ready.unwrap_or(Poll::Pending)
        });
        first.await?;
        self.readiness(interest)
    }

    /// Returns the known readiness, without waiting.
    fn readiness(&self, interest: Interest) -> io::Result<Ready> {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        let readiness = registrations.readiness(self.key);
        drop(registrations);
        let readiness = readiness.ok_or_else(source_closed)?;
        Ok(Ready::of(readiness, interest))
    }

    /// Calls `operation` once if the source is ready in a direction of `interest`; otherwise returns
    /// an error of kind `WouldBlock`.
    ///
    /// `operation` also returns what it reveals about the rest of the source.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<(R, Taken)>,
    ) -> io::Result<R> {
        let ready = self.readiness(interest)?;
        if !ready.is_readable() && !ready.is_writable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match operation() {
            Ok((result, taken)) => {
                if ready.is_readable() {
                    self.done(Direction::Read, taken);
                }
                Ok(result)
            }
            Err(error) => {
                for direction in interest.directions() {
                    match error.kind() {
                        io::ErrorKind::WouldBlock => self.would_block(direction),
                        io::ErrorKind::Interrupted => {}
                        _ => self.done(direction, Taken::Some),
                    }
                }
                Err(error)
            }
        }
    }

    /// Calls `operation` when the source is ready in a direction of `interest`, again each time it
    /// would block, and returns its first other result.
    pub(crate) async fn async_io_for<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready_for(interest).await?;
            match self.try_io(interest, || Ok((operation()?, Taken::Some))) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Calls `operation` when the source is ready, again each time it would block, and returns its
    /// first other result. Only the task of the latest call is woken.
    ///
    /// `operation` receives the recording that is replayed, and also returns what it reveals about the rest
    /// of the source. It records what it returns, but not its errors. It is not called for a closed source.
    pub(crate) fn poll_io<R>(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        mut operation: impl FnMut(Option<&Reader>) -> io::Result<(R, Taken)>,
    ) -> Poll<io::Result<R>> {
        loop {
            self.check_loop()?;
            let replayed = match self.state.poll.is_known_as_ready(self.key, direction) {
                true => None, // the usual case, kept short
                false => {
                    ready!(self.wait_until_ready(direction, cx))?;
                    self.replayed()
                }
            };
            match operation(replayed) {
                Ok((result, taken)) => {
                    self.done(direction, taken);
                    return Poll::Ready(Ok(result));
                }
                Err(error) => {
                    if let Some(error) = self.failed_in_poll(direction, error) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }

    /// Calls `operation` when the source is ready, again each time it would block, and returns its
    /// first other result. Any number of tasks may wait; those that read are woken in turn.
    pub(crate) async fn async_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let id = WaiterId::of_operation(direction);
            UntilReady::new(self, direction, id).await?;
            let counted = || operation().map(|result| (result, Taken::Some));
            if let Some(result) = self.attempt(direction, counted) {
                return result;
            }
        }
    }

    /// Calls `operation` once; returns `None` if it has to be called again.
    fn attempt<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<(R, Taken)>,
    ) -> Option<io::Result<R>> {
        match operation() {
            Ok((result, taken)) => {
                self.done(direction, taken);
                Some(Ok(result))
            }
            Err(error) => self.failed(direction, error).map(Err),
        }
    }

    /// Records an error, and continues as [`failed`](Registration::failed) does.
    #[cold]
    fn failed_in_poll(&self, direction: Direction, error: io::Error) -> Option<io::Error> {
        if error.kind() == io::ErrorKind::WouldBlock {
            if let Some(recorder) = self.recorder() {
                recorder.would_block(operation_of(direction), &self.name);
            }
            self.would_block(direction);
            return None;
        }
        if let Some(recorder) = self.recorder() {
            recorder.error(operation_of(direction), &self.name, &error);
        }
        self.failed(direction, error)
    }

    /// Returns the error to report, or `None` if the operation has to be called again.
    #[cold]
    fn failed(&self, direction: Direction, error: io::Error) -> Option<io::Error> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.would_block(direction),
            io::ErrorKind::Interrupted => {}
            _ => {
                self.done(direction, Taken::Some);
                return Some(error);
            }
        }
        None
    }

    /// Clears the readiness, after an operation that would have blocked.
    pub(crate) fn would_block(&self, direction: Direction) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        registrations.would_block(self.key, direction);
    }

    /// Counts an operation that did not block, and wakes the next future that waits for its turn if
    /// the source is still ready.
    #[inline]
    pub(crate) fn done(&self, direction: Direction, taken: Taken) {
        if direction == Direction::Read {
            self.done_reading(taken);
        }
    }

    fn done_reading(&self, taken: Taken) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        let next = registrations.consume_budget(self.key, taken);
        drop(registrations);
        if let Some(next) = next {
            self.state.wake_waiter(next);
        }
    }

    pub(crate) fn set_refed(&self, refed: bool) {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        registrations.set_refed(self.key, refed);
    }

    pub(crate) fn has_ref(&self) -> bool {
        self.state.poll.registrations.borrow_mut().has_ref(self.key)
    }

    /// Removes the source from the table. Returns what waits for the pending operations, for the caller
    /// to wake or drop.
    #[must_use]
    pub(crate) fn deregister(&self, source: &mut impl Source) -> Vec<Waiter> {
        let mut registrations = self.state.poll.registrations.borrow_mut();
        // An error means that the operating system no longer knows the source.
        let (_, waiters) = registrations.deregister(self.key, source);
        waiters
    }
}

/// Returns what an operation in this direction is in a journal.
pub(super) fn operation_of(direction: Direction) -> Operation {
    match direction {
        Direction::Read => Operation::Read,
        Direction::Write => Operation::Write,
    }
}

/// Registers a source in a loop with a journal.
#[cold]
fn register_journaled(
    journal: &Journal,
    location: SourceLocation,
    mut register: impl FnMut() -> io::Result<RegistrationKey>,
) -> io::Result<RegistrationKey> {
    let mut registered = None;
    let slot = |key: RegistrationKey| {
        let (slot, generation) = key.parts();
        (slot as u64, generation as u64)
    };
    journal.call(Operation::Register, Subject::Place(location), || {
        let key = register()?;
        registered = Some(key);
        Ok(slot(key))
    })?;
    match registered {
        Some(key) => Ok(key),
        None => register(), // a replay
    }
}

fn to_poll(state: SourcePoll) -> Poll<io::Result<()>> {
    match state {
        SourcePoll::Ready => Poll::Ready(Ok(())),
        SourcePoll::Waiting => Poll::Pending,
        SourcePoll::Gone => Poll::Ready(Err(source_closed())),
    }
}

/// The future returned by `readable` and `writable`.
///
/// # Errors
///
/// Resolves to an error if the source is closed, if its loop has ended, or if its loop is not the
/// one that runs on this thread.
///
/// # Cancel safety
///
/// Dropping the future ends the wait, which then no longer keeps the loop alive.
#[must_use = "futures do nothing unless polled"]
pub struct UntilReady<'a> {
    registration: &'a Registration,
    direction: Direction,
    id: WaiterId,
    is_done: bool,
}

impl<'a> UntilReady<'a> {
    fn new(registration: &'a Registration, direction: Direction, id: WaiterId) -> UntilReady<'a> {
        UntilReady {
            registration,
            direction,
            id,
            is_done: false,
        }
    }
}

impl Future for UntilReady<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let poll = this
            .registration
            .poll_waiter(this.direction, &mut this.id, cx);
        this.is_done = poll.is_ready();
        poll
    }
}

impl FusedFuture for UntilReady<'_> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl Drop for UntilReady<'_> {
    fn drop(&mut self) {
        self.registration
            .forget_waiter(self.direction, &mut self.id);
    }
}

impl fmt::Debug for UntilReady<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilReady")
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}

/// Returns an error unless the loop runs on this thread now: otherwise a wait could not end.
#[inline]
pub(crate) fn check_loop(state: &Rc<LoopState>) -> io::Result<()> {
    if state.is_current() && state.is_open() {
        Ok(())
    } else {
        Err(refused_wait(state))
    }
}

#[cold]
fn refused_wait(state: &LoopState) -> io::Error {
    if state.is_current() || state.remote_queue.is_closed() {
        return loop_ended();
    }
    io::Error::other(
        "the event loop of this source is not running: use a source inside of its own loop",
    )
}

pub(in crate::io) fn source_closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the source was closed")
}

pub(crate) fn loop_ended() -> io::Error {
    io::Error::other("the event loop of this source has ended")
}
