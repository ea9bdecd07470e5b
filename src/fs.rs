//! Files: the operations of `std::fs`, each a job of the loop's worker pool.
//!
//! **Eager.** A function submits its job when it is *called*, as the functions of Node's
//! `fs.promises` do, and gives a [`Promise`] of the result. Two calls in a row run at the same
//! time, awaited or not, on as many threads as the
//! [pool has](crate::Builder::blocking_threads); jobs are taken in the order of the calls (R60).
//! What depends on another operation has to await it first.
//!
//! **Order.** A completion is a macrotask of the poll phase, in the order in which the operations
//! finish (R61); whoever awaits continues in a microtask behind it. One function is one job, and
//! so one macrotask, also where Node takes several (`fs.readFile` opens, looks at the length,
//! reads and closes in jobs of their own). For a callback that *is* the macrotask, as in
//! `fs.readFile(path, callback)`, take [`queue_work`](crate::queue_work):
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
//! **Drop.** Dropping a promise detaches its operation, which takes place all the same and keeps
//! the loop alive meanwhile; its result is dropped, an error too. With
//! [`tracked`](Promise::tracked) an error that nobody looks at is an unhandled rejection, as in
//! Node. [`Promise::abort`] takes an operation that no thread has started out of the queue. When
//! the loop ends early, operations that have not started do not take place.
//!
//! **Cancel safety.** The promises can be polled in a `select!` again and again; nothing is
//! started twice and nothing is lost. [`File`] says the same of its own futures, one by one.
//!
//! **Virtual time.** An operation holds a [virtual clock](crate::Builder::virtual_time): no timer
//! overtakes it.
//!
//! **Errors** are the system's, with the operation and the path in front: ``read of "notes.txt":
//! No such file or directory (os error 2)``. The kind stays what it was; the rest is in a
//! [`PathError`].
//!
//! **Panics.** Every function panics when it is called outside of an event loop.
//!
//! | Node's `fs.promises` | here |
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
//! | `opendir`, `open` | [`read_dir`], [`File`] |
//! | `fileHandle.read` and `.write` with a position | `File::read_at`, `File::write_all_at` (Unix) |
//!
//! ```
//! use nodeloop::fs;
//! # let directory = tempfile::tempdir()?;
//! # let (first, second) = (directory.path().join("1"), directory.path().join("2"));
//! let text = nodeloop::block_on(async move {
//!     // Both are under way before the first is awaited.
//!     let (one, two) = (fs::write(&first, "one"), fs::write(&second, "two"));
//!     one.await?;
//!     two.await?;
//!     fs::read_to_string(&second).await
//! })?;
//! assert_eq!(text, "two");
//! # Ok::<(), std::io::Error>(())
//! ```

mod dir_builder;
mod error;
mod file;
mod job;
mod open_options;
mod read_dir;
#[cfg(unix)]
mod unix;

use std::fs::{Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use crate::promise::Promise;

pub use dir_builder::DirBuilder;
pub use error::PathError;
pub use file::File;
use job::{path_job, two_path_job};
pub use open_options::OpenOptions;
pub use read_dir::{DirEntry, ReadDir, read_dir};
#[cfg(unix)]
pub use unix::{chown, lchown, symlink};

/// Reads a whole file.
#[doc(alias = "readFile")]
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Promise<io::Result<Vec<u8>>> {
    path_job("fs::read", path, |path| std::fs::read(path))
}

/// Reads a whole file as UTF-8; anything else in it is an error of the kind `InvalidData`.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> Promise<io::Result<String>> {
    path_job("fs::read_to_string", path, |path| {
        std::fs::read_to_string(path)
    })
}

/// Writes a whole file: makes it, or replaces what was in it.
///
/// The contents are copied into the job. Where that matters, call
/// `spawn_blocking(move || std::fs::write(path, contents))`. The write is not atomic: while it is
/// under way, or if it fails half way, the file holds a part.
#[doc(alias = "writeFile")]
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Promise<io::Result<()>> {
    let contents = contents.as_ref().to_owned();
    path_job("fs::write", path, move |path| {
        std::fs::write(path, contents)
    })
}

/// Copies a file with its permissions, over what was there, and gives the number of bytes.
#[doc(alias = "copyFile")]
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Promise<io::Result<u64>> {
    two_path_job("fs::copy", from, to, |from, to| std::fs::copy(from, to))
}

/// Makes a directory; its parent has to be there.
#[doc(alias = "mkdir")]
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> Promise<io::Result<()>> {
    path_job("fs::create_dir", path, |path| std::fs::create_dir(path))
}

/// Makes a directory and all parents that are missing; one that is there already is no error.
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> Promise<io::Result<()>> {
    path_job("fs::create_dir_all", path, |path| {
        std::fs::create_dir_all(path)
    })
}

/// Removes a file or a symbolic link.
#[doc(alias = "unlink")]
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> Promise<io::Result<()>> {
    path_job("fs::remove_file", path, |path| std::fs::remove_file(path))
}

/// Removes an empty directory.
#[doc(alias = "rmdir")]
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> Promise<io::Result<()>> {
    path_job("fs::remove_dir", path, |path| std::fs::remove_dir(path))
}

/// Removes a directory with everything in it. Symbolic links are removed, not followed.
#[doc(alias = "rm")]
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> Promise<io::Result<()>> {
    path_job("fs::remove_dir_all", path, |path| {
        std::fs::remove_dir_all(path)
    })
}

/// Renames a file or a directory within one file system, over what was there.
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Promise<io::Result<()>> {
    two_path_job("fs::rename", from, to, |from, to| std::fs::rename(from, to))
}

/// Looks at a file, through symbolic links.
#[doc(alias = "stat")]
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> Promise<io::Result<Metadata>> {
    path_job("fs::metadata", path, |path| std::fs::metadata(path))
}

/// Looks at a file, or at the symbolic link itself.
#[doc(alias = "lstat")]
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> Promise<io::Result<Metadata>> {
    path_job("fs::symlink_metadata", path, |path| {
        std::fs::symlink_metadata(path)
    })
}

/// The absolute path, without symbolic links, `.` and `..`.
#[doc(alias = "realpath")]
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> Promise<io::Result<PathBuf>> {
    path_job("fs::canonicalize", path, |path| std::fs::canonicalize(path))
}

/// Gives the file `original` a second name, `link`.
#[doc(alias = "link")]
#[track_caller]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Promise<io::Result<()>> {
    two_path_job("fs::hard_link", original, link, |original, link| {
        std::fs::hard_link(original, link)
    })
}

/// Makes the symbolic link `link` to the file `original`.
#[cfg(windows)]
#[track_caller]
pub fn symlink_file(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Promise<io::Result<()>> {
    two_path_job("fs::symlink_file", original, link, |original, link| {
        std::os::windows::fs::symlink_file(original, link)
    })
}

/// Makes the symbolic link `link` to the directory `original`.
#[cfg(windows)]
#[track_caller]
pub fn symlink_dir(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Promise<io::Result<()>> {
    two_path_job("fs::symlink_dir", original, link, |original, link| {
        std::os::windows::fs::symlink_dir(original, link)
    })
}

/// What a symbolic link says.
#[track_caller]
pub fn read_link(path: impl AsRef<Path>) -> Promise<io::Result<PathBuf>> {
    path_job("fs::read_link", path, |path| std::fs::read_link(path))
}

/// Changes the permissions of a file or directory.
#[doc(alias = "chmod")]
#[track_caller]
pub fn set_permissions(
    path: impl AsRef<Path>,
    permissions: Permissions,
) -> Promise<io::Result<()>> {
    path_job("fs::set_permissions", path, move |path| {
        std::fs::set_permissions(path, permissions)
    })
}

/// Whether there is anything at the path: `std::fs::exists`. An error says that it could not be found out.
#[doc(alias = "access")]
#[doc(alias = "exists")]
#[track_caller]
pub fn try_exists(path: impl AsRef<Path>) -> Promise<io::Result<bool>> {
    path_job("fs::try_exists", path, |path| path.try_exists())
}
