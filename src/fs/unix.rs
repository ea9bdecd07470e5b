//! Functions that exist only on Unix: permissions of new directories, owners, symbolic links of one
//! kind, and reading and writing at an offset.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, DirEntryExt, FileExt};
use std::path::Path;

use super::job::{path_job, two_path_job};
use super::{DirBuilder, DirEntry, File};
use crate::promise::TryPromise;

/// The permissions of a new directory; `None` for the default.
#[derive(Debug, Clone, Default)]
pub(super) struct DirMode(Option<u32>);

impl DirMode {
    pub(super) fn to_std(&self) -> std::fs::DirBuilder {
        let mut builder = std::fs::DirBuilder::new();
        if let Some(mode) = self.0 {
            builder.mode(mode);
        }
        builder
    }
}

impl DirBuilder {
    /// Sets the permissions of new directories, before the process's umask is applied.
    pub fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.mode = DirMode(Some(mode));
        self
    }
}

/// Creates the symbolic link `link` to `original`, which need not exist.
#[track_caller]
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    two_path_job("fs::symlink", original, link, std::os::unix::fs::symlink)
}

/// Changes the owner and the group of a file; `None` leaves one unchanged.
///
/// Symbolic links are followed.
#[track_caller]
pub fn chown(
    path: impl AsRef<Path>,
    user: Option<u32>,
    group: Option<u32>,
) -> TryPromise<(), io::Error> {
    path_job("fs::chown", path, move |path| {
        std::os::unix::fs::chown(path, user, group)
    })
}

/// Changes the owner and the group of a file, as [`chown`] does.
///
/// Symbolic links are not followed.
#[track_caller]
pub fn lchown(
    path: impl AsRef<Path>,
    user: Option<u32>,
    group: Option<u32>,
) -> TryPromise<(), io::Error> {
    path_job("fs::lchown", path, move |path| {
        std::os::unix::fs::lchown(path, user, group)
    })
}

impl File {
    /// Reads at most `length` bytes at `offset`, which is counted from the start of the file.
    ///
    /// Returns fewer bytes if the file ends earlier or the operating system reads fewer. The cursor
    /// is neither used nor moved, so this runs concurrently with any other operation. It
    /// corresponds to Node's `fileHandle.read(buffer, 0, length, position)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::fs::File;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("notes");
    /// # std::fs::write(&path, "one two three")?;
    /// let middle = nodeloop::block_on(async move {
    ///     let file = File::open(path).await?;
    ///     file.read_at(3, 4).await
    /// })?;
    /// assert_eq!(middle, b"two");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn read_at(&self, length: usize, offset: u64) -> TryPromise<Vec<u8>, io::Error> {
        self.job("File::read_at", move |file| {
            let mut bytes = vec![0; length];
            let length = loop {
                match file.read_at(&mut bytes, offset) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            bytes.truncate(length);
            Ok(bytes)
        })
    }

    /// Writes all of `bytes` at `offset`, which is counted from the start of the file and may be
    /// past its end.
    ///
    /// The cursor is neither used nor moved, so this runs concurrently with any other operation.
    /// An error is returned here and not by the next operation.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn write_all_at(
        &self,
        bytes: impl Into<Vec<u8>>,
        offset: u64,
    ) -> TryPromise<(), io::Error> {
        let bytes = bytes.into();
        self.job("File::write_all_at", move |file| {
            file.write_all_at(&bytes, offset)
        })
    }

    /// Changes the owner and the group of the file; `None` leaves one unchanged.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[doc(alias = "fchown")]
    #[track_caller]
    pub fn chown(&self, user: Option<u32>, group: Option<u32>) -> TryPromise<(), io::Error> {
        self.job("File::chown", move |file| {
            std::os::unix::fs::fchown(file, user, group)
        })
    }
}

impl AsFd for File {
    /// Borrows the descriptor. Its cursor is after the position of this file if bytes were read
    /// ahead.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl DirEntry {
    /// Returns the inode number, which was read together with the entry.
    pub fn ino(&self) -> u64 {
        self.entry.ino()
    }
}
