//! Options for opening files.

use std::io;
use std::path::Path;

use crate::promise::TryPromise;
use crate::reactor::disk::OpenFlags;

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
    pub(super) opening: Opening,
}

/// How a file is opened: the options of std, which cannot be read, and the same for a simulated disk.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) options: std::fs::OpenOptions,
    pub(super) flags: OpenFlags,
    /// Whether `flags` are the same options: they are unknown for converted ones.
    is_known: bool,
}

impl Opening {
    /// Returns the options for a simulated disk.
    pub(super) fn flags(&self) -> io::Result<OpenFlags> {
        if self.is_known {
            return Ok(self.flags);
        }
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "options of the standard library cannot be read for a simulated disk; set them on \
             `nodeloop::fs::OpenOptions` instead",
        ))
    }
}

impl OpenOptions {
    /// Returns options that are all `false`.
    pub fn new() -> OpenOptions {
        let mut options = OpenOptions::from(std::fs::OpenOptions::new());
        options.opening.is_known = true;
        options
    }

    /// Sets the option for read access.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.opening.options.read(read);
        self.opening.flags.read = read;
        self
    }

    /// Sets the option for write access.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.opening.options.write(write);
        self.opening.flags.write = write;
        self
    }

    /// Sets the option for append mode: every write appends to the end of the file.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.opening.options.append(append);
        self.opening.flags.append = append;
        self
    }

    /// Sets the option for truncating an existing file to length 0.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.opening.options.truncate(truncate);
        self.opening.flags.truncate = truncate;
        self
    }

    /// Sets the option for creating the file if it does not exist.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.opening.options.create(create);
        self.opening.flags.create = create;
        self
    }

    /// Sets the option for creating a new file, failing if it exists.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.opening.options.create_new(create_new);
        self.opening.flags.create_new = create_new;
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
        File::open_with(self.opening.clone(), path)
    }
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> OpenOptions {
        let opening = Opening {
            options,
            flags: OpenFlags::default(),
            is_known: false,
        };
        OpenOptions { opening }
    }
}
