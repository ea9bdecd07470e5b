//! How a directory is made.

use std::io;
use std::path::Path;

use super::job::path_job;
use crate::promise::Promise;

/// How a directory is made: the options of [`std::fs::DirBuilder`], in the pool.
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
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// Makes one directory, with the permissions that are usual.
    pub fn new() -> DirBuilder {
        DirBuilder::default()
    }

    /// Whether parents that are missing are made, too; one that is there already is no error then.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.recursive = recursive;
        self
    }

    /// The permissions, of which the process' umask takes some away.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory; the job is submitted now.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[doc(alias = "mkdir")]
    #[track_caller]
    pub fn create(&self, path: impl AsRef<Path>) -> Promise<io::Result<()>> {
        let options = self.clone();
        path_job("DirBuilder::create", path, move |path| {
            options.to_std().create(path)
        })
    }

    fn to_std(&self) -> std::fs::DirBuilder {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        }
        builder
    }
}
