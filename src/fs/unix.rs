//! What only Unix has: owners, symbolic links of one kind, and reading at a place.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirEntryExt, FileExt};
use std::path::Path;

use super::job::{path_job, two_path_job};
use super::{DirEntry, File};
use crate::promise::Promise;

/// Makes the symbolic link `link`, which says `original`. That need not be there.
#[track_caller]
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Promise<io::Result<()>> {
    two_path_job("fs::symlink", original, link, |original, link| {
        std::os::unix::fs::symlink(original, link)
    })
}

/// Gives a file to another user or group; `None` leaves what it is. A symbolic link is followed.
#[track_caller]
pub fn chown(
    path: impl AsRef<Path>,
    user: Option<u32>,
    group: Option<u32>,
) -> Promise<io::Result<()>> {
    path_job("fs::chown", path, move |path| {
        std::os::unix::fs::chown(path, user, group)
    })
}

/// Gives a file, or the symbolic link itself, to another user or group.
#[track_caller]
pub fn lchown(
    path: impl AsRef<Path>,
    user: Option<u32>,
    group: Option<u32>,
) -> Promise<io::Result<()>> {
    path_job("fs::lchown", path, move |path| {
        std::os::unix::fs::lchown(path, user, group)
    })
}

impl File {
    /// Reads at most `length` bytes at `offset` from the start: fewer if the file ends before, or
    /// if the system gives fewer. The cursor stays, and so it takes place beside whatever is under
    /// way: Node's `fileHandle.read(buffer, 0, length, position)`.
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
    /// Outside of an event loop.
    #[track_caller]
    pub fn read_at(&self, length: usize, offset: u64) -> Promise<io::Result<Vec<u8>>> {
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

    /// Writes all of `bytes` at `offset` from the start, over what is there or behind the end. The
    /// cursor stays, and so it takes place beside whatever is under way; its error is its own.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn write_all_at(&self, bytes: impl Into<Vec<u8>>, offset: u64) -> Promise<io::Result<()>> {
        let bytes = bytes.into();
        self.job("File::write_all_at", move |file| {
            file.write_all_at(&bytes, offset)
        })
    }

    /// Gives the file to another user or group; `None` leaves what it is.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[doc(alias = "fchown")]
    #[track_caller]
    pub fn chown(&self, user: Option<u32>, group: Option<u32>) -> Promise<io::Result<()>> {
        self.job("File::chown", move |file| {
            std::os::unix::fs::fchown(file, user, group)
        })
    }
}

impl AsFd for File {
    /// The descriptor; its cursor may be further than the user knows, by what was read ahead.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl DirEntry {
    /// The number of the file in its file system; it came with the entry and costs nothing.
    pub fn ino(&self) -> u64 {
        self.entry.ino()
    }
}
