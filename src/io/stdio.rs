//! The standard streams of the process.
//!
//! They are shared with the parent of this process and with the other children of that parent. This
//! module therefore never sets them to non-blocking mode, never closes them, and never reads ahead.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};

#[cfg_attr(not(unix), path = "stdio/windows.rs")]
#[cfg_attr(unix, path = "stdio/unix.rs")]
mod system;

use super::{PollEvented, check_loop};
use crate::blocking::spawn_blocking;
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;
use crate::promise::Promise;
use system::Channel;

/// The maximum size of a read by a job of the blocking pool.
const JOB_BYTES: usize = 64 * 1024;

/// Creates a handle to the standard input of the process.
///
/// Any number of handles may exist; each byte is read by one of them. Bytes that
/// [`std::io::stdin`] has buffered are not seen. The standard input is opened by the first read.
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Examples
///
/// ```no_run
/// use futures::{AsyncBufReadExt, StreamExt, io::BufReader};
///
/// nodeloop::run(async {
///     let mut lines = BufReader::new(nodeloop::io::stdin()).lines();
///     while let Some(line) = lines.next().await {
///         println!("{}", line?);
///     }
///     std::io::Result::Ok(())
/// })
/// .unwrap();
/// ```
#[track_caller]
pub fn stdin() -> Stdin {
    Stdin {
        state: current("io::stdin"),
        location: Location::caller(),
        input: Input::Unopened,
        refed: true,
    }
}

/// Creates a handle to the standard output of the process.
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Examples
///
/// ```
/// use futures::AsyncWriteExt;
///
/// nodeloop::run(async { nodeloop::io::stdout().write_all(b"hello\n").await })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn stdout() -> Stdout {
    Stdout::new(
        StandardStream::Output,
        current("io::stdout"),
        Location::caller(),
    )
}

/// Creates a handle to the standard error of the process.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn stderr() -> Stderr {
    Stdout::new(
        StandardStream::Error,
        current("io::stderr"),
        Location::caller(),
    )
}

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StandardStream {
    Input,
    Output,
    Error,
}

/// A handle to the standard input of the process, created by [`stdin`].
///
/// Nothing is read ahead, so a child that inherits the standard input, or another handle, can read
/// the rest. Dropping the handle does not close the standard input.
///
/// - A pipe, a terminal or a socket is registered with the poll phase. A pending read keeps the loop
///   alive, unless the handle is unref'd, and ends with the loop. It needs no thread.
/// - Anything else, such as a file, is read by a job of the blocking pool, at most 64 KiB at a time.
///   A job keeps the loop alive even if the handle is unref'd.
/// - A pipe or a terminal that can't be opened a second time is also read by a job. (Linux opens it
///   through `/proc` if the process has permission.) Such a job occupies its thread until there is
///   input, but does not keep the process from exiting.
/// - On Windows, each handle that is read has a thread for its reads, whatever the standard input is. As
///   in the first case, a pending read keeps the loop alive unless the handle is unref'd. The thread
///   delays neither the end of the loop nor that of the process.
///
/// # Cancel safety
///
/// Abandoning a read loses no data. If a job has read bytes by then, the next read of this handle
/// returns them.
pub struct Stdin {
    state: Rc<LoopState>,
    location: SourceLocation,
    input: Input,
    refed: bool,
}

enum Input {
    Unopened,
    Registered(PollEvented<Channel>),
    /// Read by jobs of the blocking pool.
    Jobs {
        running: Option<Promise<io::Result<Vec<u8>>>>,
        /// Bytes that a job has read and no read has returned yet.
        rest: Vec<u8>,
    },
}

impl Stdin {
    /// Makes pending reads keep the loop alive again (R6), which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&mut self) -> &mut Stdin {
        self.set_refed(true)
    }

    /// Makes pending reads not keep the loop alive.
    pub fn unref(&mut self) -> &mut Stdin {
        self.set_refed(false)
    }

    /// Returns whether pending reads keep the loop alive.
    pub fn has_ref(&self) -> bool {
        self.refed
    }

    fn set_refed(&mut self, refed: bool) -> &mut Stdin {
        self.refed = refed;
        if let Input::Registered(source) = &self.input {
            source.registration().set_refed(refed);
        }
        self
    }

    fn open(&mut self) -> &mut Input {
        if matches!(self.input, Input::Unopened) {
            let channel = system::open(StandardStream::Input, &self.state).and_then(|channel| {
                PollEvented::new(self.state.clone(), channel, self.location).ok()
            });
            self.input = match channel {
                Some(source) => {
                    source.registration().set_refed(self.refed);
                    Input::Registered(source)
                }
                None => Input::Jobs {
                    running: None,
                    rest: Vec::new(),
                },
            };
        }
        &mut self.input
    }
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        check_loop(&self.state)?;
        match self.open() {
            // A terminal returns one line for each read, so a short read does not empty it.
            Input::Registered(source) => {
                system::begin(source, buffer.len());
                source.poll_read(cx, buffer, false)
            }
            _ => self.poll_read_vectored(cx, &mut [IoSliceMut::new(buffer)]),
        }
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        check_loop(&self.state)?;
        let length = buffers.iter().map(|buffer| buffer.len());
        let length = length.fold(0, usize::saturating_add).min(JOB_BYTES);
        match self.open() {
            Input::Registered(source) => {
                system::begin(source, length);
                source.poll_read_vectored(cx, buffers)
            }
            Input::Jobs { running, rest } => {
                if rest.is_empty() && length > 0 {
                    let job = running.get_or_insert_with(|| read_job(length));
                    let read = ready!(Pin::new(job).poll(cx));
                    *running = None;
                    *rest = read?;
                }
                let length = rest.as_slice().read_vectored(buffers)?;
                rest.drain(..length);
                Poll::Ready(Ok(length))
            }
            Input::Unopened => unreachable!("`open` has opened the standard input"),
        }
    }
}

/// Starts a job that reads at most `length` bytes.
fn read_job(length: usize) -> Promise<io::Result<Vec<u8>>> {
    spawn_blocking(move || {
        let mut bytes = vec![0; length];
        let read = system::read_blocking(&mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    })
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin")
            .field("refed", &self.refed)
            .finish_non_exhaustive()
    }
}

/// A handle to the standard output or the standard error of the process, created by [`stdout`] or
/// [`stderr`].
///
/// Nothing is buffered: a write passes its bytes to the operating system, so nothing is lost when
/// the process exits. Each write and flush first flushes the buffer of [`print!`], so the lines of
/// both are written in the order of the calls.
///
/// If a pipe, a terminal or a socket is full, the write waits and the loop continues. Writing to a
/// file blocks, as in Node. Writing to a pipe or a terminal that can't be opened a second time (see
/// [`Stdin`]), and on Windows to anything, blocks, too, while it is full.
///
/// Closing the handle flushes it; the descriptor stays open.
///
/// # Cancel safety
///
/// A write that is abandoned while it waits has written nothing.
pub struct Stdout {
    stream: StandardStream,
    state: Rc<LoopState>,
    location: SourceLocation,
    /// Opened by the first write. `Some(None)` if it can't be registered.
    channel: Option<Option<PollEvented<Channel>>>,
}

/// A handle to the standard error of the process, created by [`stderr`].
pub type Stderr = Stdout;

impl Stdout {
    fn new(stream: StandardStream, state: Rc<LoopState>, location: SourceLocation) -> Stdout {
        Stdout {
            stream,
            state,
            location,
            channel: None,
        }
    }

    fn open(&mut self) -> Option<&PollEvented<Channel>> {
        let channel = self.channel.get_or_insert_with(|| {
            system::open(self.stream, &self.state).and_then(|channel| {
                PollEvented::new(self.state.clone(), channel, self.location).ok()
            })
        });
        channel.as_ref()
    }
}

impl AsyncWrite for Stdout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        check_loop(&self.state)?;
        let stream = self.stream;
        system::flush(stream)?;
        match self.open() {
            Some(channel) => channel.poll_write(cx, bytes),
            None => Poll::Ready(system::write_blocking(stream, &[IoSlice::new(bytes)])),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        check_loop(&self.state)?;
        let stream = self.stream;
        system::flush(stream)?;
        match self.open() {
            Some(channel) => channel.poll_write_vectored(cx, buffers),
            None => Poll::Ready(system::write_blocking(stream, buffers)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(system::flush(self.stream))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stdout").field(&self.stream).finish()
    }
}
