//! The end of a pipe that is read from.

use std::fmt;
use std::io::{self, IoSliceMut, Read};
use std::process::Stdio;
use std::sync::Arc;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::{CHUNK_BYTES, Failure, Os, Shared, in_use};
use crate::reactor::remote_queue::{RemoteQueue, SourceEvent};

/// A handle that can be read from by a thread.
pub(in crate::io) trait Input: Read + Send {
    fn into_stdio(self: Box<Self>) -> Stdio;
}

impl<T: Read + Into<Stdio> + Send> Input for T {
    fn into_stdio(self: Box<Self>) -> Stdio {
        (*self).into()
    }
}

/// The end of a pipe that is read from. Dropping it ends its thread once a running read returns.
pub struct Reader {
    shared: Arc<Shared<State>>,
    reads_ahead: bool,
}

struct State {
    token: Option<Token>,
    progress: Progress,
    is_closed: bool,
}

enum Progress {
    /// No thread was started.
    Unused(Box<dyn Input>),
    /// The thread waits for a request.
    Idle,
    /// At most so many bytes are to be read.
    Reading(usize),
    /// The bytes that the thread has read, and how many of them were taken.
    Data(Vec<u8>, usize),
    End,
    Failed(Failure),
}

impl Reader {
    /// Unless it `reads_ahead`, the thread reads no more at once than a read has asked for.
    pub(in crate::io) fn new(
        input: Box<dyn Input>,
        remote_queue: Arc<RemoteQueue>,
        reads_ahead: bool,
    ) -> Reader {
        let state = State {
            token: None,
            progress: Progress::Unused(input),
            is_closed: false,
        };
        Reader {
            shared: Shared::new(state, remote_queue),
            reads_ahead,
        }
    }

    /// Starts the thread and its first read, of at most `length` bytes, unless that was done before.
    pub(in crate::io) fn begin(&self, length: usize) {
        let reading = Progress::Reading(self.request(length));
        let mut state = self.shared.lock();
        let input = match std::mem::replace(&mut state.progress, reading) {
            Progress::Unused(input) => input,
            progress => {
                state.progress = progress;
                return;
            }
        };
        if let Err(error) = self.shared.start(|shared| serve(shared, input)) {
            state.progress = Progress::Failed(error.into());
            self.shared.report(state.token, SourceEvent::ReadClosed);
        }
    }

    fn request(&self, length: usize) -> usize {
        match self.reads_ahead {
            true => CHUNK_BYTES,
            false => length.clamp(1, CHUNK_BYTES),
        }
    }
}

/// Reads on request, until the end, an error, or until the reader was dropped.
fn serve(shared: &Shared<State>, mut input: Box<dyn Input>) {
    loop {
        let is_idle =
            |state: &State| !state.is_closed && !matches!(state.progress, Progress::Reading(_));
        let state = shared.wait_while(is_idle);
        let length = match state.progress {
            Progress::Reading(length) if !state.is_closed => length,
            _ => return,
        };
        drop(state);
        let mut bytes = vec![0; length];
        let read = loop {
            match input.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let (progress, event) = match read {
            Ok(0) => (Progress::End, SourceEvent::ReadClosed),
            Ok(length) => {
                bytes.truncate(length);
                (Progress::Data(bytes, 0), SourceEvent::Readable)
            }
            Err(error) => (Progress::Failed(error.into()), SourceEvent::ReadClosed),
        };
        let mut state = shared.lock();
        state.progress = progress;
        shared.report(state.token, event);
        if event == SourceEvent::ReadClosed {
            return;
        }
    }
}

impl Os for Reader {
    fn into_stdio(self) -> io::Result<Stdio> {
        let progress = std::mem::replace(&mut self.shared.lock().progress, Progress::End);
        match progress {
            Progress::Unused(input) => Ok(input.into_stdio()),
            _ => Err(in_use()),
        }
    }
}

impl Read for &Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buffer)])
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        match &mut state.progress {
            Progress::Data(bytes, taken) => {
                let length = (&bytes[*taken..]).read_vectored(buffers)?;
                *taken += length;
                if *taken == bytes.len() {
                    state.progress = Progress::Idle;
                }
                Ok(length)
            }
            Progress::End => Ok(0),
            Progress::Failed(failure) => Err(failure.error()),
            Progress::Idle => {
                let length = buffers.iter().map(|buffer| buffer.len());
                let length = length.fold(0, usize::saturating_add);
                state.progress = Progress::Reading(self.request(length));
                self.shared.requested.notify_one();
                Err(io::ErrorKind::WouldBlock.into())
            }
            Progress::Unused(_) | Progress::Reading(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.requested.notify_one();
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// The operating system does not know the pipe; its thread reports under the token.
impl Source for Reader {
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
