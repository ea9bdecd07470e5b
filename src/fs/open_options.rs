//! Options for opening files.

use std::io;
use std::path::Path;

use crate::promise::TryPromise;

use super::File;

/// Options for opening files: those of [`std::fs::OpenOptions`].
///
/// On Unix it also has `mode` and `custom_flags`. Options of other platforms are set on the standard
/// library's type, which can be converted.
///
/// # Examples
///
/// ```
/// use nodeloop::fs::OpenOptions;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("secret");
/// nodeloop::block_on(async move {
///     let mut options = OpenOptions::new();
///     options.write(true).create_new(true);
///     # #[cfg(unix)]
///     options.mode(0o600);
///     options.open(path).await.map(drop)
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub(super) options: std::fs::OpenOptions,
}

impl OpenOptions {
    /// Returns options that are all `false`.
    pub fn new() -> OpenOptions {
        OpenOptions::from(std::fs::OpenOptions::new())
    }

    /// Sets the option for read access.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.options.read(read);
        self
    }

    /// Sets the option for write access.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.options.write(write);
        self
    }

    /// Sets the option for append mode: every write appends to the end of the file.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.options.append(append);
        self
    }

    /// Sets the option for truncating an existing file to length 0.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.options.truncate(truncate);
        self
    }

    /// Sets the option for creating the file if it does not exist.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.options.create(create);
        self
    }

    /// Sets the option for creating a new file, failing if it exists.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.options.create_new(create_new);
        self
    }

    /// Submits a job that opens the file at `path`.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and `InvalidInput` for options that
    /// contradict each other.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> TryPromise<File, io::Error> {
        File::open_with(self.options.clone(), path)
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
