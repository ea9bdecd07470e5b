//! Options for creating directories.

use std::io;
use std::path::Path;

use super::job::path_job;
use super::platform::DirMode;
use crate::promise::TryPromise;

/// Options for creating directories: those of [`std::fs::DirBuilder`].
///
/// # Examples
///
/// ```
/// use nodeloop::fs::DirBuilder;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("a/b/c");
/// # let there = path.clone();
/// nodeloop::block_on(async move {
///     let mut builder = DirBuilder::new();
///     builder.recursive(true);
///     #[cfg(unix)]
///     builder.mode(0o700);
///     builder.create(path).await
/// })?;
/// assert!(there.is_dir());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct DirBuilder {
    recursive: bool,
    pub(super) mode: DirMode,
}

impl DirBuilder {
    /// Returns options that create a single directory with the default permissions.
    pub fn new() -> DirBuilder {
        DirBuilder::default()
    }

    /// Sets whether missing parents are created, too.
    ///
    /// An existing directory is then not an error.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.recursive = recursive;
        self
    }

    /// Submits a job that creates the directory `path`.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[doc(alias = "mkdir")]
    #[track_caller]
    pub fn create(&self, path: impl AsRef<Path>) -> TryPromise<(), io::Error> {
        self.create_as("DirBuilder::create", path)
    }

    #[track_caller]
    pub(super) fn create_as(
        &self,
        verb: &'static str,
        path: impl AsRef<Path>,
    ) -> TryPromise<(), io::Error> {
        let DirBuilder { recursive, mode } = self.clone();
        path_job(verb, path, move |system, path| {
            system.create_dir(&path, &mode, recursive)
        })
    }
}
