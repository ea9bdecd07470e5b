//! The end of a pipe that is read from.

use std::fmt;
use std::io::{self, IoSliceMut, Read};
use std::process::Stdio;
use std::sync::Arc;

use super::{CHUNK_BYTES, End, Failure, Os, Shared, in_use};
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

/// The end of a pipe that is read from.
pub(in crate::io) type Reader = End<Reading>;

pub struct Reading {
    reads_ahead: bool,
    progress: Progress,
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
        let reading = Reading {
            reads_ahead,
            progress: Progress::Unused(input),
        };
        End::with_progress(reading, remote_queue)
    }

    /// Starts the thread and its first read, of at most `length` bytes, unless that was done before.
    pub(in crate::io) fn begin(&self, length: usize) {
        let mut state = self.shared.lock();
        let reading = &mut state.progress;
        let request = reading.request(length);
        let input = match std::mem::replace(&mut reading.progress, request) {
            Progress::Unused(input) => input,
            progress => {
                reading.progress = progress;
                return;
            }
        };
        if let Err(error) = self.shared.start(|shared| serve(shared, input)) {
            state.progress.progress = Progress::Failed(error.into());
            self.shared.report(state.token, SourceEvent::ReadClosed);
        }
    }
}

impl Reading {
    fn request(&self, length: usize) -> Progress {
        Progress::Reading(match self.reads_ahead {
            true => CHUNK_BYTES,
            false => length.clamp(1, CHUNK_BYTES),
        })
    }
}

/// Reads on request, until the end, an error, or until the reader was dropped.
fn serve(shared: &Shared<Reading>, mut input: Box<dyn Input>) {
    loop {
        let state = shared.wait_while(|state| {
            !state.is_closed && !matches!(state.progress.progress, Progress::Reading(_))
        });
        let length = match state.progress.progress {
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
        state.progress.progress = progress;
        shared.report(state.token, event);
        if event == SourceEvent::ReadClosed {
            return;
        }
    }
}

impl Os for Reader {
    fn into_stdio(self) -> io::Result<Stdio> {
        let reading = &mut self.shared.lock().progress;
        let progress = std::mem::replace(&mut reading.progress, Progress::End);
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
        let reading = &mut self.shared.lock().progress;
        match &mut reading.progress {
            Progress::Data(bytes, taken) => {
                let length = (&bytes[*taken..]).read_vectored(buffers)?;
                *taken += length;
                if *taken == bytes.len() {
                    reading.progress = Progress::Idle;
                }
                Ok(length)
            }
            Progress::End => Ok(0),
            Progress::Failed(failure) => Err(failure.error()),
            Progress::Idle => {
                let length = buffers.iter().map(|buffer| buffer.len());
                let length = length.fold(0, usize::saturating_add);
                reading.progress = reading.request(length);
                self.shared.requested.notify_one();
                Err(io::ErrorKind::WouldBlock.into())
            }
            Progress::Unused(_) | Progress::Reading(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}
