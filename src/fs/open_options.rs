//! How a file is opened.

use std::io;
use std::path::Path;

use crate::promise::Promise;

use super::File;

/// How a file is opened: the options of [`std::fs::OpenOptions`], opening in the pool.
///
/// What only one system has (`mode`, `custom_flags`, …) is set on the standard library's options
/// and taken over with `From`:
///
/// ```
/// use nodeloop::fs::OpenOptions;
/// # #[cfg(unix)]
/// use std::os::unix::fs::OpenOptionsExt;
///
/// let mut options = std::fs::OpenOptions::new();
/// options.write(true).create(true);
/// # #[cfg(unix)]
/// options.mode(0o600);
/// let options = OpenOptions::from(options);
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions {
    options: std::fs::OpenOptions,
}

impl OpenOptions {
    /// Options that are all off.
    pub fn new() -> OpenOptions {
        OpenOptions::from(std::fs::OpenOptions::new())
    }

    /// To read.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.options.read(read);
        self
    }

    /// To write.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.options.write(write);
        self
    }

    /// To write at the end, wherever the cursor is.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.options.append(append);
        self
    }

    /// To empty the file first.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.options.truncate(truncate);
        self
    }

    /// To make the file if it is not there.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.options.create(create);
        self
    }

    /// To make the file, and fail if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.options.create_new(create_new);
        self
    }

    /// Opens the file at `path`; the job is submitted now.
    ///
    /// # Errors
    ///
    /// The system's, and `InvalidInput` for options that contradict each other.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> Promise<io::Result<File>> {
        File::open_with(self.options.clone(), path.as_ref())
    }
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> OpenOptions {
        OpenOptions { options }
    }
}
