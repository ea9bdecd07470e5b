//! The end of a pipe that is written to.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::process::Stdio;
use std::sync::Arc;

use super::{CHUNK_BYTES, End, Failure, Os, Shared, in_use};
use crate::reactor::remote_queue::{RemoteQueue, SourceEvent};

/// A handle that can be written to by a thread.
pub(super) trait Output: Write + Send {
    fn into_stdio(self: Box<Self>) -> Stdio;
}

impl<T: Write + Into<Stdio> + Send> Output for T {
    fn into_stdio(self: Box<Self>) -> Stdio {
        (*self).into()
    }
}

/// The end of a pipe that is written to.
pub(in crate::io::pipe) type Writer = End<Writing>;

pub struct Writing(Progress);

enum Progress {
    /// No thread was started.
    Unused(Box<dyn Output>),
    /// The thread waits for bytes.
    Idle,
    /// Bytes that the thread has not taken yet.
    Requested(Vec<u8>),
    Writing,
    Failed(Failure),
}

impl Writer {
    pub(super) fn new(output: Box<dyn Output>, remote_queue: Arc<RemoteQueue>) -> Writer {
        End::with_progress(Writing(Progress::Unused(output)), remote_queue)
    }

    /// Returns `WouldBlock` until everything is written.
    pub(super) fn flush(&self) -> io::Result<()> {
        match &self.shared.lock().progress.0 {
            Progress::Unused(_) | Progress::Idle => Ok(()),
            Progress::Requested(_) | Progress::Writing => Err(io::ErrorKind::WouldBlock.into()),
            Progress::Failed(failure) => Err(failure.error()),
        }
    }
}

/// Writes what is requested, until an error or until the writer was dropped.
fn serve(shared: &Shared<Writing>, mut output: Box<dyn Output>) {
    loop {
        let mut state = shared
            .wait_while(|state| !state.is_closed && matches!(state.progress.0, Progress::Idle));
        let progress = std::mem::replace(&mut state.progress.0, Progress::Writing);
        let Progress::Requested(bytes) = progress else {
            return; // it was closed, and everything is written
        };
        drop(state);
        let written = output.write_all(&bytes);
        let mut state = shared.lock();
        let event = match written {
            Ok(()) => {
                state.progress.0 = Progress::Idle;
                SourceEvent::Writable
            }
            Err(error) => {
                state.progress.0 = Progress::Failed(error.into());
                SourceEvent::WriteClosed
            }
        };
        shared.report(state.token, event);
        if event == SourceEvent::WriteClosed {
            return;
        }
    }
}

impl Os for Writer {
    fn into_stdio(self) -> io::Result<Stdio> {
        let mut state = self.shared.lock();
        match std::mem::replace(&mut state.progress.0, Progress::Idle) {
            Progress::Unused(output) => Ok(output.into_stdio()),
            progress => {
                state.progress.0 = progress; // the thread writes the rest
                Err(in_use())
            }
        }
    }
}

impl Write for &Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        match &state.progress.0 {
            Progress::Unused(_) | Progress::Idle => {}
            Progress::Requested(_) | Progress::Writing => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Progress::Failed(failure) => return Err(failure.error()),
        }
        let mut bytes = Vec::new();
        for buffer in buffers {
            let length = buffer.len().min(CHUNK_BYTES - bytes.len());
            bytes.extend_from_slice(&buffer[..length]);
        }
        let length = bytes.len();
        if length == 0 {
            return Ok(0);
        }
        match std::mem::replace(&mut state.progress.0, Progress::Requested(bytes)) {
            Progress::Unused(output) => {
                if let Err(error) = self.shared.start(|shared| serve(shared, output)) {
                    let failure = Failure::from(error);
                    let error = failure.error();
                    state.progress.0 = Progress::Failed(failure);
                    return Err(error);
                }
            }
            _ => self.shared.requested.notify_one(),
        }
        Ok(length)
    }

    /// Waits for nothing; [`Writer::flush`] reports whether everything is written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}
