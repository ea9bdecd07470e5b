//! Asynchronous file system operations: those of `std::fs`, each run as a job of the loop's worker
//! pool.
//!
//! **Eager.** A function submits its job when it is *called*, as the functions of Node's
//! `fs.promises` do, and returns a [`TryPromise`]. Two calls in a row run concurrently,
//! awaited or not, on up to [`blocking_threads`](crate::Builder::blocking_threads) threads. Jobs
//! start in the order of the calls (R60). An operation that depends on another must await it first.
//!
//! **Order.** A completion is a macrotask of the poll phase, in the order in which the operations
//! finish (R61). Awaiters continue in a microtask after it. One function is one job, and therefore
//! one macrotask, even where Node uses several (`fs.readFile` opens, stats, reads and closes in
//! separate jobs). Use [`queue_work`](crate::queue_work) for a callback that *is* the macrotask, as
//! in `fs.readFile(path, callback)`:
//!
//! ```
//! nodeloop::run_script(|| {
//!     nodeloop::queue_work(
//!         || std::fs::read_to_string("Cargo.toml"),
//!         |text| assert!(text.unwrap().contains("[package]")),
//!     );
//! });
//! ```
//!
//! **Drop.** Dropping a promise detaches its operation: it still takes place and keeps the loop
//! alive until it finishes. If it fails and its promise has not been polled by then, the error is an
//! unhandled rejection, which ends the run, as in Node. To ignore an error on purpose, write
//! `fs::remove_file(path).untracked().detach()`. A promise that is kept in order to await it later
//! counts as handled only when it is polled: await several operations together, with
//! [`promise::all`](crate::promise::all) or `futures::join!`.
//! [`Settled::abort`](crate::promise::Settled::abort) cancels an operation that no thread has
//! started. When the loop ends early, operations that have not started do not take place.
//!
//! **Paths.** A function copies its path, and drops an argument that was passed by value before it
//! returns, so that the argument may also be a reference to a local variable. An argument that
//! removes its file when it is dropped, such as a `tempfile::NamedTempFile`, must therefore be
//! passed by reference and kept until the operation has finished. By value, the job does not find the
//! file, and the error says so.
//!
//! The functions of std and tokio, which finish the operation before they drop the argument, differ
//! here. An operation of this crate goes on without its caller and its promise, so only the loop could
//! keep the argument. A value that the loop keeps can't borrow from the caller: the bound `'static`
//! would exclude `fs::read(&path)`, and a promise that keeps the argument itself could not outlive
//! `path`. Code that is generic over the path can keep it in a future:
//! `async move { fs::read(&path).await }`.
//!
//! ```
//! use nodeloop::fs;
//!
//! nodeloop::run(async {
//!     let file = tempfile::NamedTempFile::new()?;
//!     fs::write(&file, "text").await?;
//!     assert_eq!(fs::read(&file).await?, b"text");
//!     std::io::Result::Ok(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **Simulated disks.** On a host of a simulated world all operations use the host's
//! [`Disk`](crate::test::Disk), in memory. Code of the program that calls `std::fs` itself, for example in
//! a job, still uses the real file system.
//!
//! **Virtual time.** A pending operation stops a [virtual clock](crate::Builder::virtual_time)
//! from advancing.
//!
//! # Errors
//!
//! Returns any error reported by the operating system, prefixed with the operation and the path:
//! ``read of "notes.txt": No such file or directory (os error 2)``. The error kind is preserved;
//! [`PathError`] holds the details.
//!
//! # Panics
//!
//! Every function panics if it is called outside of an event loop.
//!
//! # Cancel safety
//!
//! The promises can be polled repeatedly in a `select!`: nothing is started twice and nothing is
//! lost. [`File`] documents its own futures.
//!
//! # Node's functions
//!
//! | Node's `fs.promises` | nodeloop |
//! |---|---|
//! | `readFile` | [`read`], [`read_to_string`] |
//! | `writeFile` | [`write()`] |
//! | `appendFile`, `truncate`, `utimes` | [`File`] with `append(true)`, [`File::set_len`], [`File::set_times`] |
//! | `copyFile`, `rename`, `link`, `symlink` | [`copy`], [`rename`], [`hard_link`], `symlink` |
//! | `mkdir`, with `{ recursive: true }`, with a mode | [`create_dir`], [`create_dir_all`], [`DirBuilder`] |
//! | `unlink`, `rmdir`, `rm` | [`remove_file`], [`remove_dir`], [`remove_dir_all`] |
//! | `stat`, `lstat` | [`metadata`], [`symlink_metadata`] |
//! | `access`, `chmod`, `chown`, `lchown` | [`try_exists`], [`set_permissions`], `chown`, `lchown` |
//! | `realpath`, `readlink` | [`canonicalize`], [`read_link`] |
//! | `opendir`, `open` | [`read_dir()`], [`File`] |
//! | `fileHandle.read` and `.write` with a position | `File::read_at`, `File::write_at` (Unix) |
//!
//! # Examples
//!
//! ```
//! use nodeloop::{fs, promise};
//! # let directory = tempfile::tempdir()?;
//! # let (first, second) = (directory.path().join("1"), directory.path().join("2"));
//! let text = nodeloop::block_on(async move {
//!     // Both operations are submitted at once, and awaited together.
//!     let writes = [fs::write(&first, "one"), fs::write(&second, "two")];
//!     promise::all(writes).await?;
//!     fs::read_to_string(&second).await
//! })?;
//! assert_eq!(text, "two");
//! # Ok::<(), std::io::Error>(())
//! ```

mod dir_builder;
mod error;
mod file;
mod job;
mod metadata;
mod open_options;
mod read_buffer;
mod read_dir;
mod replayed;
mod system;
mod times;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};

use crate::promise::TryPromise;

pub use dir_builder::DirBuilder;
pub use error::PathError;
pub use file::File;
use job::{path_job, two_path_job};
pub use metadata::{FileType, Metadata};
pub use open_options::OpenOptions;
pub use read_dir::{DirEntry, ReadDir, read_dir};
#[cfg(unix)]
use unix as platform;
#[cfg(unix)]
pub use unix::{chown, lchown, symlink};
#[cfg(windows)]
use windows as platform;
#[cfg(windows)]
pub use windows::{symlink_dir, symlink_file};

/// Reads the entire contents of a file into a vector of bytes.
#[doc(alias = "readFile")]
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> TryPromise<Vec<u8>, io::Error> {
    path_job("fs::read", path, |system, path| system.read(&path))
}

/// Reads the entire contents of a file into a string.
///
/// The error kind is `InvalidData` if the contents are not valid UTF-8.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> TryPromise<String, io::Error> {
    path_job("fs::read_to_string", path, |system, path| {
        system.read_to_string(&path)
    })
}

/// Writes `contents` as the entire contents of a file, which is created if it does not exist.
///
/// The contents are copied into the job. To avoid the copy, call
/// `try_spawn_blocking(move || std::fs::write(path, contents))`. The write is not atomic: a write that
/// is in progress or has failed may leave the file with a part of the contents.
#[doc(alias = "writeFile")]
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> TryPromise<(), io::Error> {
    let contents = contents.as_ref().to_owned();
    path_job("fs::write", path, move |system, path| {
        system.write(&path, &contents)
    })
}

/// Copies the contents and the permissions of one file to another, and returns the number of bytes
/// copied.
///
/// An existing file at `to` is overwritten.
#[doc(alias = "copyFile")]
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> TryPromise<u64, io::Error> {
    two_path_job("fs::copy", from, to, |system, one, other| {
        system.copy(&one, &other)
    })
}

/// Creates a directory, whose parent must exist.
#[doc(alias = "mkdir")]
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    DirBuilder::new().create_as("fs::create_dir", path)
}

/// Creates a directory and all of its missing parents.
///
/// A directory that already exists is not an error.
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    DirBuilder::new()
        .recursive(true)
        .create_as("fs::create_dir_all", path)
}

/// Removes a file or a symbolic link.
#[doc(alias = "unlink")]
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    path_job("fs::remove_file", path, |system, path| {
        system.remove_file(&path)
    })
}

/// Removes an empty directory.
#[doc(alias = "rmdir")]
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    path_job("fs::remove_dir", path, |system, path| {
        system.remove_dir(&path)
    })
}

/// Removes a directory and all of its contents.
///
/// Symbolic links are removed, not followed.
#[doc(alias = "rm")]
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    path_job("fs::remove_dir_all", path, |system, path| {
        system.remove_dir_all(&path)
    })
}

/// Renames a file or a directory within one file system.
///
/// An existing file at `to` is replaced.
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    two_path_job("fs::rename", from, to, |system, one, other| {
        system.rename(&one, &other)
    })
}

/// Returns the metadata of a file.
///
/// Symbolic links are followed.
#[doc(alias = "stat")]
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> TryPromise<Metadata, io::Error> {
    path_job("fs::metadata", path, |system, path| system.metadata(&path))
}

/// Returns the metadata of a file.
///
/// Symbolic links are not followed.
#[doc(alias = "lstat")]
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> TryPromise<Metadata, io::Error> {
    path_job("fs::symlink_metadata", path, |system, path| {
        system.symlink_metadata(&path)
    })
}

/// Returns the absolute path, with all symbolic links, `.` and `..` resolved.
#[doc(alias = "realpath")]
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> TryPromise<PathBuf, io::Error> {
    path_job("fs::canonicalize", path, |system, path| {
        system.canonicalize(&path)
    })
}

/// Creates the hard link `link` to the file `original`.
#[doc(alias = "link")]
#[track_caller]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> TryPromise<(), io::Error> {
    two_path_job("fs::hard_link", original, link, |system, one, other| {
        system.hard_link(&one, &other)
    })
}

/// Reads the target of a symbolic link.
#[track_caller]
pub fn read_link(path: impl AsRef<Path>) -> TryPromise<PathBuf, io::Error> {
    path_job("fs::read_link", path, |system, path| {
        system.read_link(&path)
    })
}

/// Changes the permissions of a file or a directory.
#[doc(alias = "chmod")]
#[track_caller]
pub fn set_permissions(
    path: impl AsRef<Path>,
    permissions: Permissions,
) -> TryPromise<(), io::Error> {
    path_job("fs::set_permissions", path, move |system, path| {
        system.set_permissions(&path, permissions)
    })
}

/// Returns whether the path points at an existing entity.
///
/// Symbolic links are followed. An error means that existence could not be determined.
#[doc(alias = "access")]
#[doc(alias = "exists")]
#[track_caller]
pub fn try_exists(path: impl AsRef<Path>) -> TryPromise<bool, io::Error> {
    path_job("fs::try_exists", path, |system, path| {
        system.try_exists(&path)
    })
}
