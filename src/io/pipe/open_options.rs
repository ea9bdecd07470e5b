//! Options for opening FIFOs.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::Location;
use std::path::Path;

use rustix::fs::OFlags;

use super::system::{invalid, is_pipe};
use super::{Pipe, PipeEnd, Receiver, Sender};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;
use std::rc::Rc;

/// Options for opening a FIFO, a pipe with a name in the file system.
///
/// # Examples
///
/// ```
/// use futures::{AsyncReadExt, AsyncWriteExt};
/// use nodeloop::io::pipe::OpenOptions;
/// # #[cfg(target_os = "linux")] {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("fifo");
/// rustix::fs::mknodat(
///     rustix::fs::CWD,
///     &path,
///     rustix::fs::FileType::Fifo,
///     rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
///     0,
/// )?;
/// nodeloop::run(async move {
///     let mut receiver = OpenOptions::new().open_receiver(&path)?;
///     let mut sender = OpenOptions::new().open_sender(&path)?;
///     sender.write_all(b"hello").await?;
///     let mut buffer = [0; 5];
///     receiver.read_exact(&mut buffer).await?;
///     assert_eq!(&buffer, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Creates the default options.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Sets whether the FIFO is opened for both directions.
    ///
    /// An end that is opened so counts as the other one, too: a sender can be opened before there is a
    /// receiver, and a receiver does not read the end when all senders have gone. POSIX leaves the
    /// effect undefined; Linux has defined it.
    pub fn read_write(&mut self, read_write: bool) -> &mut OpenOptions {
        self.read_write = read_write;
        self
    }

    /// Sets whether a file that is not a FIFO is opened, too.
    ///
    /// A regular file cannot be registered, so that opening one is an error in any case.
    pub fn unchecked(&mut self, unchecked: bool) -> &mut OpenOptions {
        self.unchecked = unchecked;
        self
    }

    /// Opens the FIFO at `path` for reading, whether or not there is a sender.
    ///
    /// Before the first sender has opened the FIFO, and after the last one has closed it, a read
    /// returns the end.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, an error of kind
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the file is not a FIFO, and an error if the
    /// loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn open_receiver(&self, path: impl AsRef<Path>) -> io::Result<Receiver> {
        let state = current("io::pipe::OpenOptions::open_receiver");
        self.open(&state, path.as_ref(), true, Location::caller())
    }

    /// Opens the FIFO at `path` for writing.
    ///
    /// # Errors
    ///
    /// Returns the error `ENXIO` if there is no receiver, and otherwise an error in the same cases as
    /// [`open_receiver`](OpenOptions::open_receiver).
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn open_sender(&self, path: impl AsRef<Path>) -> io::Result<Sender> {
        let state = current("io::pipe::OpenOptions::open_sender");
        self.open(&state, path.as_ref(), false, Location::caller())
    }

    fn open<E: PipeEnd>(
        &self,
        state: &Rc<LoopState>,
        path: &Path,
        is_receiver: bool,
        location: SourceLocation,
    ) -> io::Result<Pipe<E>> {
        let pipe = std::fs::OpenOptions::new()
            .read(is_receiver || self.read_write)
            .write(!is_receiver || self.read_write)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)?
            .into();
        if !self.unchecked && !is_pipe(&pipe)? {
            return Err(invalid("the file is not a FIFO: open it as a file"));
        }
        Pipe::new(state, pipe, location)
    }
}
