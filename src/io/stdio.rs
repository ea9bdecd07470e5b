//! The standard streams of the process.
//!
//! They are shared with whoever started this process and with its other children, so nothing is
//! changed about them: not made non-blocking, not closed, and nothing is read that was not asked
//! for. How that is done is in `stdio/unix.rs`.

use std::fmt;
use std::future::Future;
use std::io::{self, Read};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};

#[cfg_attr(not(unix), path = "stdio/other.rs")]
#[cfg_attr(unix, path = "stdio/unix.rs")]
mod system;

use super::{PollEvented, check_loop};
use crate::blocking::spawn_blocking;
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;
use crate::promise::Promise;
use system::Channel;

/// The longest read that a thread of the pool does.
const JOB_BYTES: usize = 64 * 1024;

/// The standard input.
///
/// Any number of handles may exist; each byte goes to one of them. What `std::io::stdin` has read
/// ahead is not seen here. It is [opened](Stdin) when it is read first.
///
/// # Panics
///
/// Outside of an event loop.
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

/// The standard output: what is written goes to the system at once, behind what `print!` and
/// `println!` have written.
///
/// # Panics
///
/// Outside of an event loop.
///
/// ```
/// use futures::AsyncWriteExt;
///
/// nodeloop::run(async { nodeloop::io::stdout().write_all(b"hello\n").await })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn stdout() -> Stdout {
    Stdout::new(Stream::Output, current("io::stdout"), Location::caller())
}

/// The standard error, as [`stdout`].
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn stderr() -> Stderr {
    Stdout::new(Stream::Error, current("io::stderr"), Location::caller())
}

/// Which stream of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Input,
    Output,
    Error,
}

/// The standard input, from [`stdin`].
///
/// Nothing is read ahead, so a child that inherits the standard input, or the next handle, finds
/// what was not read.
///
/// - A pipe, a terminal and a socket are watched by the poll phase. A read that waits keeps the
///   loop alive, unless it is unref'd, and ends with the loop: no thread is left in it.
/// - Anything else, as a file, is read by a job of the pool, at most 64 KiB at a time. A read that
///   is abandoned has taken its bytes; the next read of this handle gets them. A job keeps the
///   loop alive also if the handle is unref'd.
/// - So is a pipe or a terminal of which the system gives no second handle: it does on Linux, with
///   `/proc` and the right to open it. The job lasts until something comes then, and holds its
///   thread. The process can end nevertheless.
///
/// Cancel safe. Dropping it closes nothing that others see.
pub struct Stdin {
    state: Rc<LoopState>,
    location: SourceLocation,
    input: Input,
    refed: bool,
}

enum Input {
    Unopened,
    PollEvented(PollEvented<Channel>),
    /// Read by the pool.
    Jobs {
        running: Option<Promise<io::Result<Vec<u8>>>>,
        /// What a job has read and nobody has taken.
        rest: Vec<u8>,
    },
}

impl Stdin {
    /// Makes waits keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&mut self) -> &mut Stdin {
        self.set_refed(true)
    }

    /// Makes waits not keep the loop alive.
    pub fn unref(&mut self) -> &mut Stdin {
        self.set_refed(false)
    }

    /// Whether waits keep the loop alive.
    pub fn has_ref(&self) -> bool {
        self.refed
    }

    fn set_refed(&mut self, refed: bool) -> &mut Stdin {
        self.refed = refed;
        if let Input::PollEvented(source) = &self.input {
            source.registration().set_refed(refed);
        }
        self
    }

    fn open(&mut self) -> &mut Input {
        if matches!(self.input, Input::Unopened) {
            let watched = system::open(Stream::Input).and_then(|channel| {
                PollEvented::new(self.state.clone(), channel, self.location).ok()
            });
            self.input = match watched {
                Some(source) => {
                    source.registration().set_refed(self.refed);
                    Input::PollEvented(source)
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
            // A terminal gives a line at a time, so a short read does not say that it is empty.
            Input::PollEvented(source) => source.poll_read(cx, buffer, false),
            Input::Jobs { running, rest } => {
                if rest.is_empty() && !buffer.is_empty() {
                    let length = buffer.len().min(JOB_BYTES);
                    let job = running.get_or_insert_with(|| {
                        spawn_blocking(move || {
                            let mut bytes = vec![0; length];
                            let read = system::read_blocking(&mut bytes)?;
                            bytes.truncate(read);
                            Ok(bytes)
                        })
                    });
                    let read = ready!(Pin::new(job).poll(cx));
                    *running = None;
                    *rest = read?;
                }
                let length = rest.as_slice().read(buffer)?;
                rest.drain(..length);
                Poll::Ready(Ok(length))
            }
            Input::Unopened => unreachable!("it was opened"),
        }
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin")
            .field("refed", &self.refed)
            .finish_non_exhaustive()
    }
}

/// The standard output or error, from [`stdout`] or [`stderr`].
///
/// Nothing is buffered: a write hands as much to the system as that takes, so what was written is
/// not lost when the process ends, in whatever way. Before each write and flush, what `print!`
/// holds back is flushed; lines written by both come in the order of the calls.
///
/// A pipe, a terminal or a socket that is full makes the task wait, and the loop goes on; a file
/// is written at once, as in Node. A pipe or a terminal of which the system gives no second handle
/// (see [`Stdin`]) is written at once, too, and blocks the loop while it is full.
///
/// Closing it flushes; the descriptor stays open. Cancel safe: a write that waits has written
/// nothing.
pub struct Stdout {
    stream: Stream,
    state: Rc<LoopState>,
    location: SourceLocation,
    /// Opened by the first write; absent if it can't be watched.
    channel: Option<Option<PollEvented<Channel>>>,
}

/// The standard error, from [`stderr`].
pub type Stderr = Stdout;

impl Stdout {
    fn new(stream: Stream, state: Rc<LoopState>, location: SourceLocation) -> Stdout {
        Stdout {
            stream,
            state,
            location,
            channel: None,
        }
    }

    fn open(&mut self) -> Option<&PollEvented<Channel>> {
        let channel = self.channel.get_or_insert_with(|| {
            system::open(self.stream).and_then(|channel| {
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
            None => Poll::Ready(system::write_blocking(stream, bytes)),
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
