//! A source that is registered with the poll phase and can be closed by reference.
//!
//! It performs I/O only when its owner calls a method.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mio::event::Source;

use super::Direction;
use super::closing::Closing;
use super::interest::Interest;
use super::registration::{Registration, operation_of, source_closed};
use crate::async_local::bind;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};
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
        self.with_journal(self.registration.replayed(), Operation::Query, operation)
    }

    /// Calls `operation` with the source, or returns its result in the recording that is replayed.
    #[inline]
    fn with_journal<R: Value>(
        &self,
        replayed: Option<&Reader>,
        kind: Operation,
        operation: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.source.borrow();
        let source = source.as_ref().ok_or_else(source_closed)?;
        if let Some(reader) = replayed {
            return replayed_result(reader, kind, Subject::Source(self.registration.name()));
        }
        self.recorded(kind, operation(source))
    }

    /// Calls `operation` as [`with_journal`](PollEvented::with_journal) does, for an operation of
    /// [`Registration::poll_io`], which records its errors.
    #[inline]
    fn in_poll<R: Value>(
        &self,
        replayed: Option<&Reader>,
        kind: Operation,
        operation: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.source.borrow();
        let source = source.as_ref().ok_or_else(source_closed)?;
        if let Some(reader) = replayed {
            return replayed_result(reader, kind, Subject::Source(self.registration.name()));
        }
        let value = operation(source)?;
        self.recorded(kind, Ok(value))
    }

    #[inline]
    fn recorded<R: Value>(&self, kind: Operation, result: io::Result<R>) -> io::Result<R> {
        match self.registration.recorder() {
            None => result,
            Some(recorder) => recorder.operation(kind, self.registration.name(), result),
        }
    }

    /// Calls `read`, or fills `buffer` with what it has read in the recording that is replayed.
    #[inline]
    fn read_with_journal<R: Value + ReadLength>(
        &self,
        replayed: Option<&Reader>,
        buffer: &mut [u8],
        read: impl FnOnce(&S, &mut [u8]) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.source.borrow();
        let source = source.as_ref().ok_or_else(source_closed)?;
        let name = self.registration.name();
        if let Some(reader) = replayed {
            return replayed_read(reader, name, &mut [IoSliceMut::new(buffer)]);
        }
        let result = read(source, buffer);
        match self.registration.recorder() {
            None => result,
            Some(recorder) => recorder.read(name, result, buffer, R::read_length),
        }
    }

    /// Reads as [`read_with_journal`](PollEvented::read_with_journal) does, for a read of
    /// [`Registration::poll_io`], which records its errors.
    #[inline]
    fn read_in_poll<R: Value + ReadLength>(
        &self,
        replayed: Option<&Reader>,
        buffer: &mut [u8],
        read: impl FnOnce(&S, &mut [u8]) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.source.borrow();
        let source = source.as_ref().ok_or_else(source_closed)?;
        let name = self.registration.name();
        if let Some(reader) = replayed {
            return replayed_read(reader, name, &mut [IoSliceMut::new(buffer)]);
        }
        let value = read(source, buffer)?;
        match self.registration.recorder() {
            None => Ok(value),
            Some(recorder) => recorder.read(name, Ok(value), buffer, R::read_length),
        }
    }

    /// Accepts a connection. The caller counts it.
    pub(crate) fn accept<R: Value>(
        &self,
        accept: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        self.with_journal(self.registration.replayed(), Operation::Accept, accept)
    }

    /// Calls `operation` whenever the source is ready, until it does not block. Any number of tasks
    /// may wait.
    pub(crate) async fn async_io<R: Value>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let kind = operation_of(direction);
        let operation = || self.with_journal(self.registration.replayed(), kind, &mut operation);
        self.registration.async_io(direction, operation).await
    }

    /// Reads into `buffer` as [`async_io`](PollEvented::async_io) does.
    pub(crate) async fn async_read<R: Value + ReadLength>(
        &self,
        buffer: &mut [u8],
        mut read: impl FnMut(&S, &mut [u8]) -> io::Result<R>,
    ) -> io::Result<R> {
        let read = || self.read_with_journal(self.registration.replayed(), buffer, &mut read);
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
        let kind = operation_of(direction);
        self.registration.poll_io(direction, cx, |replayed| {
            let result = self.in_poll(replayed, kind, &mut operation)?;
            Ok((result, Taken::Some))
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
            let result = self.read_in_poll(replayed, buffer, &mut read)?;
            Ok((result, Taken::Some))
        })
    }

    /// Calls `operation` once if the source is ready in a direction of `interest`.
    pub(crate) fn try_io<R: Value>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let kind = match interest.is_readable() {
            true => Operation::Read,
            false => Operation::Write,
        };
        let replayed = self.registration.replayed();
        let operation = || Ok((self.with_journal(replayed, kind, operation)?, Taken::Some));
        self.registration.try_io(interest, operation)
    }

    /// Reads into `buffer` if the source is ready to be read.
    pub(crate) fn try_read_io<R: Value + ReadLength>(
        &self,
        buffer: &mut [u8],
        read: impl FnOnce(&S, &mut [u8]) -> io::Result<R>,
    ) -> io::Result<R> {
        let replayed = self.registration.replayed();
        let read = || Ok((self.read_with_journal(replayed, buffer, read)?, Taken::Some));
        self.registration.try_io(Interest::READABLE, read)
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
            state.push_close(Macrotask::wake_all(waiting, origin));
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
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Deregisters the source and returns it, or an error if it was closed.
    pub(crate) fn into_inner(self) -> io::Result<S> {
        let (source, waiting) = self.take();
        drop(waiting); // abandoned: a future that waits borrows the source
        source.ok_or_else(source_closed)
    }

    #[must_use]
    #[track_caller]
    fn take(&self) -> (Option<S>, Vec<Waker>) {
        let Ok(mut source) = self.source.try_borrow_mut() else {
            panic!("a socket was closed while its `Descriptor` was borrowed: drop that first");
        };
        let mut source = source.take();
        let wakers = source
            .as_mut()
            .map_or_else(Vec::new, |source| self.registration.deregister(source));
        (source, wakers)
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
            let length = self.read_in_poll(replayed, buffer, S::read_by_ref)?;
            Ok((length, taken(length, buffer.len(), short_read_drains)))
        })
    }

    /// Reads if the source is ready; see [`poll_read`](PollEvented::poll_read).
    pub(crate) fn try_read(&self, buffer: &mut [u8], short_read_drains: bool) -> io::Result<usize> {
        let replayed = self.registration.replayed();
        self.registration.try_io(Interest::READABLE, || {
            let length = self.read_with_journal(replayed, buffer, S::read_by_ref)?;
            Ok((length, taken(length, buffer.len(), short_read_drains)))
        })
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Read, cx, |replayed| {
            let length = self.read_vectored_with_journal(replayed, buffers, false)?;
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
            let length = self.read_vectored_with_journal(replayed, buffers, true)?;
            Ok((length, Taken::Some))
        })
    }

    /// Reads as [`read_with_journal`](PollEvented::read_with_journal) does.
    fn read_vectored_with_journal(
        &self,
        replayed: Option<&Reader>,
        buffers: &mut [IoSliceMut<'_>],
        records_errors: bool,
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

/// Returns the recorded result of an operation. It is a function of its own, so that the usual path is short.
#[cold]
#[inline(never)]
fn replayed_result<R: Value>(
    reader: &Reader,
    kind: Operation,
    source: Subject<'_>,
) -> io::Result<R> {
    journal::replayed(reader, kind, source)
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
        self.registration.poll_io(Direction::Write, cx, |replayed| {
            let write = |source: &S| source.write_by_ref(bytes);
            let written = self.in_poll(replayed, Operation::Write, write)?;
            Ok((limited(written, replayed, || bytes.len()), Taken::Some))
        })
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |replayed| {
            let write = |source: &S| source.write_vectored_by_ref(buffers);
            let written = self.in_poll(replayed, Operation::Write, write)?;
            Ok((limited(written, replayed, || total(buffers)), Taken::Some))
        })
    }

    /// Writes if the source is ready to be written.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.try_io(Interest::WRITABLE, |source| source.write_by_ref(bytes))?;
        Ok(limited(written, self.registration.replayed(), || {
            bytes.len()
        }))
    }

    pub(crate) fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let write = |source: &S| source.write_vectored_by_ref(buffers);
        let written = self.try_io(Interest::WRITABLE, write)?;
        Ok(limited(written, self.registration.replayed(), || {
            total(buffers)
        }))
    }
}

/// Returns how much a write has written. In a replay the program may write less than in the recording.
#[inline]
fn limited(written: usize, replayed: Option<&Reader>, length: impl FnOnce() -> usize) -> usize {
    match replayed {
        None => written,
        Some(_) => written.min(length()),
    }
}

fn total(buffers: &[IoSlice<'_>]) -> usize {
    buffers.iter().map(|buffer| buffer.len()).sum()
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
