//! Pipes on Windows: each end has a thread, started by its first use, that performs the calls that block.
//!
//! `reader` and `writer` are the two ends. The loop and the thread of an end share one state behind a lock,
//! which no call that blocks is made under. The thread reports progress through the remote queue, as the
//! operating system reports the readiness of other sources.
//!
//! Invariant: an end becomes ready only by an event of the poll phase.

mod reader;
mod writer;

use std::fmt;
use std::io::{self, Read, Write};
use std::process::Stdio;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::{Receiver, Sender};
use crate::event_loop::state::LoopState;
use crate::io::{Direction, PollEvented};
use crate::phases::macrotask::SourceLocation;
use crate::reactor::remote_queue::{Message, RemoteQueue, SourceEvent};
use crate::reactor::world::WorldHost;
pub(in crate::io) use reader::Reader as OsReceiver;
pub(super) use writer::Writer as OsSender;

/// How much a thread reads or writes at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The threads call nothing but the system.
const STACK_BYTES: usize = 128 * 1024;

const REFUSED: &str =
    "a host of a simulated world has no pipes on Windows: test this part outside of the world";

/// Refuses to create a pipe of a simulated host.
pub(super) fn pair_in_world(
    state: &LoopState,
    _: &WorldHost,
    _: SourceLocation,
) -> io::Result<(Sender, Receiver)> {
    state.refuse_in_world(REFUSED)?;
    unreachable!("it was called on a host of a world")
}

/// What the end of a pipe is made of.
pub trait Os {
    fn into_stdio(self) -> io::Result<Stdio>;
}

impl Receiver {
    pub(crate) fn new(
        state: &Rc<LoopState>,
        pipe: impl Read + Into<Stdio> + Send + 'static,
        location: SourceLocation,
    ) -> io::Result<Receiver> {
        state.refuse_in_world(REFUSED)?;
        let reader = OsReceiver::new(Box::new(pipe), state.remote_queue.clone(), true);
        let source = PollEvented::new(state.clone(), reader, location)?;
        Ok(Receiver { source })
    }

    /// Turns the pipe into a standard stream of a child.
    ///
    /// On Windows, it must not have been read from.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed, and on Windows if it was read from.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        self.source.into_inner()?.into_stdio()
    }
}

impl Sender {
    pub(crate) fn new(
        state: &Rc<LoopState>,
        pipe: impl Write + Into<Stdio> + Send + 'static,
        location: SourceLocation,
    ) -> io::Result<Sender> {
        state.refuse_in_world(REFUSED)?;
        let writer = OsSender::new(Box::new(pipe), state.remote_queue.clone());
        let source = PollEvented::new(state.clone(), writer, location)?;
        Ok(Sender { source })
    }

    /// Turns the pipe into a standard stream of a child.
    ///
    /// On Windows, it must not have been written to.
    ///
    /// # Errors
    ///
    /// Returns an error if the pipe was closed, and on Windows if it was written to.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        self.source.into_inner()?.into_stdio()
    }
}

/// Makes the thread read if it never has. Later reads are requested by reads that find nothing.
pub(super) fn begin(source: &PollEvented<OsReceiver>) {
    let begun = source.with(|reader| {
        begin_end(reader);
        Ok(())
    });
    drop(begun); // an error means that it was closed
}

pub(super) fn begin_end(reader: &OsReceiver) {
    reader.begin(CHUNK_BYTES);
}

/// Waits until everything was passed to the pipe.
pub(super) fn poll_flush(source: &PollEvented<OsSender>, cx: &Context<'_>) -> Poll<io::Result<()>> {
    if source.with(|_| Ok(())).is_err() {
        return Poll::Ready(Ok(())); // it was closed
    }
    source.poll_io(Direction::Write, cx, OsSender::flush)
}

/// One end of a pipe. Dropping it ends its thread once a running call has returned.
pub struct End<P: Send + 'static> {
    shared: Arc<Shared<P>>,
}

/// What the loop and the thread of one end share.
struct Shared<P> {
    state: Mutex<State<P>>,
    /// Notified when the thread has something to do.
    requested: Condvar,
    remote_queue: Arc<RemoteQueue>,
}

struct State<P> {
    /// Identifies the registered source in the thread's reports.
    token: Option<Token>,
    is_closed: bool,
    progress: P,
}

impl<P: Send + 'static> End<P> {
    fn with_progress(progress: P, remote_queue: Arc<RemoteQueue>) -> End<P> {
        let state = State {
            token: None,
            is_closed: false,
            progress,
        };
        let shared = Shared {
            state: Mutex::new(state),
            requested: Condvar::new(),
            remote_queue,
        };
        End {
            shared: Arc::new(shared),
        }
    }
}

impl<P: Send + 'static> fmt::Debug for End<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").finish_non_exhaustive()
    }
}

impl<P: Send + 'static> Drop for End<P> {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.requested.notify_one();
    }
}

/// The operating system does not know the pipe; its thread reports under the token.
impl<P: Send + 'static> Source for End<P> {
    fn register(&mut self, _: &Registry, token: Token, _: Interest) -> io::Result<()> {
        self.shared.lock().token = Some(token);
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, token: Token, _: Interest) -> io::Result<()> {
        self.shared.lock().token = Some(token);
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        self.shared.lock().token = None;
        Ok(())
    }
}

impl<P: Send + 'static> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        // The state is consistent between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, on the thread, while `is_idle`.
    fn wait_while(&self, is_idle: impl Fn(&State<P>) -> bool) -> MutexGuard<'_, State<P>> {
        let state = self.lock();
        self.requested
            .wait_while(state, |state| is_idle(state))
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports progress to the loop, which refuses it after its end.
    fn report(&self, token: Option<Token>, event: SourceEvent) {
        if let Some(token) = token {
            let _ = self.remote_queue.push(Message::Source(token, event));
        }
    }

    fn start(self: &Arc<Self>, run: impl FnOnce(&Self) + Send + 'static) -> io::Result<()> {
        let shared = self.clone();
        let thread = thread::Builder::new().name("nodeloop-pipe".to_owned());
        thread.stack_size(STACK_BYTES).spawn(move || run(&shared))?;
        Ok(())
    }
}

/// An error that is returned by every later call.
#[derive(Debug)]
struct Failure {
    kind: io::ErrorKind,
    code: Option<i32>,
}

impl Failure {
    fn error(&self) -> io::Error {
        match self.code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => self.kind.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure {
            kind: error.kind(),
            code: error.raw_os_error(),
        }
    }
}

fn in_use() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a pipe that was used cannot become a standard stream: pass it on before the first read or write",
    )
}
