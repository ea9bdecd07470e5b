//! A source that is registered with the poll phase and can be closed by reference.
//!
//! It performs I/O only when its owner calls a method.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use mio::event::Source;

use super::Direction;
use super::closing::Closing;
use super::interest::Interest;
use super::registration::{Registration, operation_of, source_closed};
use crate::async_local::bind;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Waiter, Work};
use crate::promise::with_resolver;
use crate::reactor::journal::value::Value;
use crate::reactor::journal::{self, Operation, Reader, SourceName, Subject};
use crate::reactor::registrations::Taken;

/// A source of mio that can be closed while tasks wait for it.
pub(crate) struct PollEvented<S: Source> {
    registration: Registration,
    /// `None` after it was closed. Borrowed for at most one system call.
    pub(in crate::io) source: RefCell<Option<S>>,
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

    /// Calls `operation` with the source. It must not call user code.
    pub(crate) fn with<R: Value>(
        &self,
        operation: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let replayed = self.registration.replayed();
        self.with_journal(Call::of(Operation::Query), replayed, operation)
    }

    /// Calls `operation` with the source, or returns its result in the recording that is replayed.
    #[inline]
    fn with_journal<R: Value>(
        &self,
        call: Call<impl Fn() -> usize>,
        replayed: Option<&Reader>,
        operation: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.source.borrow();
        let source = source.as_ref().ok_or_else(source_closed)?;
        let name = self.registration.name();
        if let Some(reader) = replayed {
            return replayed_result(reader, &call, name);
        }
        let result = operation(source);
        if result.is_err() && !call.records_errors {
            return result;
        }
        match self.registration.recorder() {
            None => result,
            Some(recorder) => recorder.operation(call.kind, name, result),
        }
    }

    /// Calls `read`, or fills `buffer` with what it has read in the recording that is replayed.
    #[inline]
    fn read_with_journal<R: Value + ReadLength>(
        &self,
        buffer: &mut [u8],
        records_errors: bool,
        replayed: Option<&Reader>,
        read: impl FnOnce(&S, &mut [u8]) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.source.borrow();
        let source = source.as_ref().ok_or_else(source_closed)?;
        let name = self.registration.name();
        if let Some(reader) = replayed {
            return replayed_read(reader, name, &mut [IoSliceMut::new(buffer)]);
        }
        let result = read(source, buffer);
        if result.is_err() && !records_errors {
            return result;
        }
        match self.registration.recorder() {
            None => result,
            Some(recorder) => recorder.read(name, result, buffer, R::read_length),
        }
    }

    /// Accepts a connection. The caller counts it.
    pub(crate) fn accept<R: Value>(
        &self,
        accept: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let replayed = self.registration.replayed();
        self.with_journal(Call::of(Operation::Accept), replayed, accept)
    }

    /// Calls `write`, which writes at most `length` bytes, whenever the source is ready, until it does not
    /// block. Any number of tasks may wait.
    pub(crate) async fn async_write(
        &self,
        length: usize,
        mut write: impl FnMut(&S) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let write = || {
            let call = Call::of_write(|| length);
            self.with_journal(call, self.registration.replayed(), &mut write)
        };
        self.registration.async_io(Direction::Write, write).await
    }

    /// Reads into `buffer` as [`async_write`](PollEvented::async_write) writes.
    pub(crate) async fn async_read<R: Value + ReadLength>(
        &self,
        buffer: &mut [u8],
        mut read: impl FnMut(&S, &mut [u8]) -> io::Result<R>,
    ) -> io::Result<R> {
        let read = || self.read_with_journal(buffer, true, self.registration.replayed(), &mut read);
        self.registration.async_io(Direction::Read, read).await
    }

    /// Calls `operation` whenever the source is ready, until it does not block. Only the task of
    /// the latest call is woken.
    pub(crate) fn poll_io<R: Value>(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.registration.poll_io(direction, cx, |replayed| {
            let call = Call::of(operation_of(direction)).without_errors();
            let result = self.with_journal(call, replayed, &mut operation)?;
            Ok((result, Taken::Some))
        })
    }

    /// Calls `write`, which writes at most `length` bytes, as [`poll_io`](PollEvented::poll_io) does.
    pub(crate) fn poll_write_io(
        &self,
        length: impl Fn() -> usize,
        cx: &Context<'_>,
        mut write: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |replayed| {
            let call = Call::of_write(&length).without_errors();
            let length = self.with_journal(call, replayed, &mut write)?;
            Ok((length, Taken::Some))
        })
    }

    /// Reads into `buffer` as [`poll_io`](PollEvented::poll_io) does.
    pub(crate) fn poll_read_io<R: Value + ReadLength>(
        &self,
        cx: &Context<'_>,
        buffer: &mut [u8],
        mut read: impl FnMut(&S, &mut [u8]) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.registration.poll_io(Direction::Read, cx, |replayed| {
            let result = self.read_with_journal(buffer, false, replayed, &mut read)?;
            Ok((result, Taken::Some))
        })
    }

    /// Calls `write`, which writes at most `length` bytes, once if the source is ready.
    pub(crate) fn try_write_io(
        &self,
        length: impl Fn() -> usize,
        write: impl FnOnce(&S) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let (call, replayed) = (Call::of_write(length), self.registration.replayed());
        let write = || Ok((self.with_journal(call, replayed, write)?, Taken::Some));
        self.registration.try_io(Interest::WRITABLE, write)
    }

    /// Reads into `buffer` if the source is ready to be read.
    pub(crate) fn try_read_io<R: Value + ReadLength>(
        &self,
        buffer: &mut [u8],
        read: impl FnOnce(&S, &mut [u8]) -> io::Result<R>,
    ) -> io::Result<R> {
        let replayed = self.registration.replayed();
        self.registration.try_io(Interest::READABLE, || {
            let result = self.read_with_journal(buffer, true, replayed, read)?;
            Ok((result, Taken::Some))
        })
    }

    /// Closes the source and queues `callback` for the close phase (R62).
    #[track_caller]
    pub(crate) fn close_with(&self, callback: impl FnOnce() + 'static) {
        let (source, waiting) = self.take();
        drop(source);
        let state = self.registration.state();
        let callback = Work::Once(Some(bind(state, callback)));
        let origin = Origin::new(StepKind::Close, Location::caller());
        state.push_close(Macrotask::new(callback, origin));
        if !waiting.is_empty() {
            // As in libuv (`core.c` `uv__finish_close`), pending operations end right before the
            // close callback. The phase is a stack, so this is pushed last to be called first.
            state.push_close(Macrotask::new(Work::WakeAll(waiting.into()), origin));
        }
    }

    /// Closes the source and returns a future that resolves in the close phase (R62).
    #[track_caller]
    pub(crate) fn close(&self) -> Closing {
        let (promise, resolver) = with_resolver();
        self.close_with(move || resolver.resolve(()));
        Closing::new(promise)
    }

    /// Closes the source if it is open, and wakes the tasks that wait for it.
    pub(crate) fn close_without_callback(&self) {
        let (source, waiting) = self.take();
        drop(source);
        let state = self.registration.state();
        waiting
            .into_iter()
            .for_each(|waiter| state.wake_waiter(waiter));
    }

    /// Deregisters the source and returns it, or an error if it was closed.
    pub(crate) fn into_inner(self) -> io::Result<S> {
        let (source, waiting) = self.take();
        drop(waiting); // abandoned: a future that waits borrows the source
        source.ok_or_else(source_closed)
    }

    #[must_use]
    #[track_caller]
    fn take(&self) -> (Option<S>, Vec<Waiter>) {
        let Ok(mut source) = self.source.try_borrow_mut() else {
            panic!("a socket was closed while its `Descriptor` was borrowed: drop that first");
        };
        let mut source = source.take();
        let waiting = source
            .as_mut()
            .map_or_else(Vec::new, |source| self.registration.deregister(source));
        (source, waiting)
    }
}

/// A source that can be read by reference.
#[allow(
    unreachable_pub,
    reason = "a bound of a public type; Rust 1.88 reports it"
)]
pub trait ReadSource: Source {
    fn read_by_ref(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn read_vectored_by_ref(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
}

impl<S: Source> ReadSource for S
where
    for<'a> &'a S: Read,
{
    fn read_by_ref(mut self: &Self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer)
    }

    fn read_vectored_by_ref(mut self: &Self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.read_vectored(buffers)
    }
}

/// A source that can be written by reference.
#[allow(
    unreachable_pub,
    reason = "a bound of a public type; Rust 1.88 reports it"
)]
pub trait WriteSource: Source {
    fn write_by_ref(&self, bytes: &[u8]) -> io::Result<usize>;
    fn write_vectored_by_ref(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl<S: Source> WriteSource for S
where
    for<'a> &'a S: Write,
{
    fn write_by_ref(mut self: &Self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn write_vectored_by_ref(mut self: &Self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(buffers)
    }
}

impl<S: ReadSource> PollEvented<S> {
    /// Reads when the source is ready. `short_read_drains` states whether a read that fills only a
    /// part of the buffer has emptied the source.
    pub(crate) fn poll_read(
        &self,
        cx: &Context<'_>,
        buffer: &mut [u8],
        short_read_drains: bool,
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Read, cx, |replayed| {
            let length = self.read_with_journal(buffer, false, replayed, S::read_by_ref)?;
            Ok((length, taken(length, buffer.len(), short_read_drains)))
        })
    }

    /// Reads if the source is ready; see [`poll_read`](PollEvented::poll_read).
    pub(crate) fn try_read(&self, buffer: &mut [u8], short_read_drains: bool) -> io::Result<usize> {
        let replayed = self.registration.replayed();
        self.registration.try_io(Interest::READABLE, || {
            let length = self.read_with_journal(buffer, true, replayed, S::read_by_ref)?;
            Ok((length, taken(length, buffer.len(), short_read_drains)))
        })
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Read, cx, |replayed| {
            let length = self.read_vectored_with_journal(buffers, false, replayed)?;
            let capacity = buffers.iter().map(|buffer| buffer.len()).sum();
            Ok((length, taken(length, capacity, false)))
        })
    }
}

impl<S: ReadSource> PollEvented<S> {
    /// Reads into several buffers if the source is ready.
    pub(crate) fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let replayed = self.registration.replayed();
        self.registration.try_io(Interest::READABLE, || {
            let length = self.read_vectored_with_journal(buffers, true, replayed)?;
            Ok((length, Taken::Some))
        })
    }

    /// Reads as [`read_with_journal`](PollEvented::read_with_journal) does.
    fn read_vectored_with_journal(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        records_errors: bool,
        replayed: Option<&Reader>,
    ) -> io::Result<usize> {
        let source = self.source.borrow();
        let source = source.as_ref().ok_or_else(source_closed)?;
        let name = self.registration.name();
        if let Some(reader) = replayed {
            return replayed_read(reader, name, buffers);
        }
        let result = source.read_vectored_by_ref(buffers);
        match self.registration.recorder() {
            Some(recorder) if records_errors || result.is_ok() => {
                recorder.read_vectored(name, result, buffers)
            }
            _ => result,
        }
    }
}

/// The result of a read, which contains how many bytes of the buffer it has filled.
pub(crate) trait ReadLength {
    fn read_length(&self) -> usize;
}

impl ReadLength for usize {
    fn read_length(&self) -> usize {
        *self
    }
}

impl<A> ReadLength for (usize, A) {
    fn read_length(&self) -> usize {
        self.0
    }
}

/// What a journal knows of a call of the operating system.
struct Call<M: Fn() -> usize> {
    kind: Operation,
    /// Returns the largest length that the call may return.
    most: M,
    /// Whether its errors are recorded with it. [`Registration::poll_io`] records those of its operation.
    records_errors: bool,
}

impl Call<fn() -> usize> {
    #[inline]
    fn of(kind: Operation) -> Call<fn() -> usize> {
        Call {
            kind,
            most: || usize::MAX,
            records_errors: true,
        }
    }
}

impl<M: Fn() -> usize> Call<M> {
    /// Returns a call that writes at most `length` bytes.
    #[inline]
    fn of_write(length: M) -> Call<M> {
        Call {
            kind: Operation::Write,
            most: length,
            records_errors: true,
        }
    }

    #[inline]
    fn without_errors(self) -> Call<M> {
        Call {
            records_errors: false,
            ..self
        }
    }
}

/// Returns the recorded result of an operation. It is a function of its own, so that the usual path is short.
#[cold]
#[inline(never)]
fn replayed_result<R: Value>(
    reader: &Reader,
    call: &Call<impl Fn() -> usize>,
    source: &SourceName,
) -> io::Result<R> {
    let result = journal::replayed::<R>(reader, call.kind, Subject::Source(source));
    result.map(|value| value.at_most((call.most)()))
}

/// Returns the recorded result of a read, as [`replayed_result`] does.
#[cold]
#[inline(never)]
fn replayed_read<R: Value + ReadLength>(
    reader: &Reader,
    name: &SourceName,
    buffers: &mut [IoSliceMut<'_>],
) -> io::Result<R> {
    journal::replayed_read(reader, name, buffers, R::read_length)
}

/// Returns how many bytes several buffers have.
pub(crate) fn total_length(buffers: &[IoSlice<'_>]) -> usize {
    buffers.iter().map(|buffer| buffer.len()).sum()
}

/// Returns what a read of `length` bytes into a buffer of `capacity` bytes reveals.
fn taken(length: usize, capacity: usize, short_read_drains: bool) -> Taken {
    if length == 0 || length == capacity {
        Taken::Some
    } else if short_read_drains {
        Taken::All
    } else {
        Taken::ShortRead
    }
}

impl<S: WriteSource> PollEvented<S> {
    pub(crate) fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_io(|| bytes.len(), cx, |source| source.write_by_ref(bytes))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = |source: &S| source.write_vectored_by_ref(buffers);
        self.poll_write_io(|| total_length(buffers), cx, write)
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
