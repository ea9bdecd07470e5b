//! Functions that exist only on Unix: permissions of new directories, owners, symbolic links of one
//! kind, and reading and writing at an offset.

mod metadata;

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, DirEntryExt, FileExt, OpenOptionsExt};
use std::panic::Location;
use std::path::Path;

use futures::FutureExt;
use futures::future::FusedFuture;

use super::file::MAX_BYTES_PER_JOB;
use super::job::{Call, path_job, two_path_job};
use super::read_dir::Entry;
use super::system::{FileSystem, Handle};
use super::{DirBuilder, DirEntry, File, OpenOptions};
use crate::phases::macrotask::SourceLocation;
use crate::promise::TryPromise;

pub(super) use metadata::{attributes_of, mode_of, permissions};

/// A file that contains nothing, and discards what is written.
pub(super) const NULL_DEVICE: &str = "/dev/null";

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

    /// Returns the permissions for a simulated disk.
    pub(super) fn bits(&self) -> u32 {
        self.0.unwrap_or(0o777)
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
    two_path_job("fs::symlink", original, link, |system, original, link| {
        system.symlink(&original, &link, |original, link| {
            std::os::unix::fs::symlink(original, link)
        })
    })
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
    path_job("fs::chown", path, move |system, path| match system {
        FileSystem::Real => std::os::unix::fs::chown(path, user, group),
        FileSystem::Simulated(disk) => disk.set_owner(&path, (user, group), true),
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
    path_job("fs::lchown", path, move |system, path| match system {
        FileSystem::Real => std::os::unix::fs::lchown(path, user, group),
        FileSystem::Simulated(disk) => disk.set_owner(&path, (user, group), false),
    })
}

impl File {
    /// Reads into `buffer` at `offset`, which is counted from the start of the file, and returns the
    /// number of bytes.
    ///
    /// It reads fewer bytes than the buffer holds if the file ends earlier, if the operating system reads
    /// fewer, or if the buffer is larger than 2 MiB. The cursor is neither used nor moved, so this runs
    /// concurrently with any other operation. It corresponds to Node's
    /// `fileHandle.read(buffer, 0, buffer.length, position)`.
    ///
    /// The job is submitted when this method is called.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, `buffer` is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::fs::File;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("notes");
    /// # std::fs::write(&path, "one two three")?;
    /// nodeloop::block_on(async move {
    ///     let file = File::open(path).await?;
    ///     let mut middle = [0; 3];
    ///     assert_eq!(file.read_at(&mut middle, 4).await?, 3);
    ///     assert_eq!(&middle, b"two");
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn read_at<'a>(
        &self,
        buffer: &'a mut [u8],
        offset: u64,
    ) -> impl FusedFuture<Output = io::Result<usize>> + use<'a> {
        let reading = self.start_read_at(Location::caller(), buffer.len(), offset);
        async move {
            let bytes = reading.await?;
            let length = bytes.len().min(buffer.len()); // that of a recording may be longer
            buffer[..length].copy_from_slice(&bytes[..length]);
            Ok(length)
        }
        .fuse()
    }

    /// Fills `buffer` from `offset`, which is counted from the start of the file.
    ///
    /// It reads as [`read_at`](File::read_at) does, but is lazy: it does nothing until it is polled.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the file ends
    /// earlier. A part of `buffer` may have been overwritten then.
    #[track_caller]
    pub fn read_exact_at(
        &self,
        mut buffer: &mut [u8],
        mut offset: u64,
    ) -> impl Future<Output = io::Result<()>> {
        let location = Location::caller();
        async move {
            while !buffer.is_empty() {
                let bytes = self.start_read_at(location, buffer.len(), offset).await?;
                let length = bytes.len().min(buffer.len());
                if length == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                buffer[..length].copy_from_slice(&bytes[..length]);
                buffer = &mut buffer[length..];
                offset += length as u64;
            }
            Ok(())
        }
    }

    /// Submits a job that reads at most `length` bytes.
    fn start_read_at(
        &self,
        location: SourceLocation,
        length: usize,
        offset: u64,
    ) -> TryPromise<Vec<u8>, io::Error> {
        let (verb, length) = ("File::read_at", length.min(MAX_BYTES_PER_JOB));
        self.job_at(Call { verb, location }, move |file| {
            let mut bytes = vec![0; length];
            let length = retry(|| file.read_at(&mut bytes, offset))?;
            bytes.truncate(length);
            Ok(bytes)
        })
    }

    /// Writes the first part of `bytes` at `offset`, which is counted from the start of the file and
    /// may be past its end, and returns the number of bytes.
    ///
    /// It writes fewer bytes than given if the operating system writes fewer, or if there are more than
    /// 2 MiB. The cursor is neither used nor moved, so this runs concurrently with any other operation.
    /// The bytes are copied, and the job is submitted, when this method is called.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> TryPromise<usize, io::Error> {
        let bytes = bytes[..bytes.len().min(MAX_BYTES_PER_JOB)].to_vec();
        self.job("File::write_at", move |file| {
            retry(|| file.write_at(&bytes, offset))
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
        self.job("File::chown", move |file| match file {
            Handle::Real(file) => std::os::unix::fs::fchown(file, user, group),
            Handle::Simulated(file) => file.set_owner(user, group),
        })
    }
}

impl Handle {
    fn read_at(&self, target: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Handle::Real(file) => file.read_at(target, offset),
            Handle::Simulated(file) => file.read_at(target, offset),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self {
            Handle::Real(file) => file.write_at(bytes, offset),
            Handle::Simulated(file) => file.write_at(bytes, offset),
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Handle::Real(file) => file.write_all_at(bytes, offset),
            Handle::Simulated(file) => file.write_all_at(bytes, offset),
        }
    }
}

fn retry(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl OpenOptions {
    /// Sets the permissions of a file that is created, before the process's umask is applied.
    ///
    /// The default is `0o666`.
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.opening.options.mode(mode);
        self.opening.flags.mode = Some(mode);
        self
    }

    /// Sets additional flags for `open`, such as `O_NOFOLLOW`.
    ///
    /// Flags of the access mode are ignored.
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.opening.options.custom_flags(flags);
        self.opening.flags.set_custom(flags);
        self
    }
}

impl AsFd for File {
    /// Borrows the descriptor. Its cursor is after the position of this file if bytes were read
    /// ahead.
    ///
    /// # Panics
    ///
    /// Panics for a file of a [simulated disk](crate::test::Disk), which has no descriptor.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &*self.file {
            Handle::Real(file) => file.as_fd(),
            Handle::Simulated(_) => panic!(
                "a file of a simulated disk has no descriptor; use the methods of `File` instead"
            ),
        }
    }
}

impl DirEntry {
    /// Returns the inode number, which was read together with the entry.
    pub fn ino(&self) -> u64 {
        match &*self.entry {
            Entry::Real(entry) => entry.ino(),
            Entry::Simulated { facts, .. } => facts.inode,
        }
    }
}
