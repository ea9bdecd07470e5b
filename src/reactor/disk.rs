//! A simulated disk: a file system in memory.
//!
//! It is a plain data structure, which knows neither loops nor jobs. Everything that depends on time
//! uses the time of the last [`Disk::set_now`].
//!
//! | file | subject |
//! |---|---|
//! | `volume.rs` | the tree: how paths are resolved, who may do what |
//! | `tree.rs` | the operations on paths |
//! | `files.rs` | descriptors |
//! | `content.rs` | the bytes of a file, and which of them a crash loses |
//! | `journal.rs` | which entries of directories a crash loses |
//! | `faults.rs` | the faults that a test asks for |
//! | `calls.rs` | the functions of `std::fs`, made of these operations |
//!
//! Invariant: the lock is never held while code of the user runs.

mod calls;
mod content;
mod errno;
mod faults;
mod files;
mod inode;
mod journal;
mod tree;
mod volume;

#[cfg(all(test, unix))]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use calls::DiskFile;
pub use faults::{DiskError, DiskFault, DiskOperation};
pub(crate) use files::OpenFlags;
pub(crate) use inode::{Attributes, InodeNumber, Kind, Times};
pub(crate) use tree::EntryFacts;

use errno::Result;
use files::Position;
use inode::Node;
use volume::{Follow, Volume};

use crate::reactor::choices::{Choices, Seed};

/// When the virtual clock of a world starts, for the times of files: the year 2000.
const WORLD_EPOCH: Duration = Duration::from_secs(946_684_800);

/// The disk of a simulated host: a file system in memory with the semantics and the errors of Linux.
///
/// It has directories, files with holes, symbolic and hard links, names of Unix domain sockets, permissions,
/// owners, and times. [`fs`](crate::fs) uses it in place of the real one on a host of a simulated world; a
/// program is not changed for that. Clones share one disk.
///
/// The methods of this type are for the test: they prepare and inspect the disk, and make it fail.
/// They ignore permissions and injected faults, and what they write is durable at once.
///
/// A new disk contains the directories `/` and `/tmp`, which everyone may change, and a relative path
/// starts at `/`. The program is user 1000 of group 1000, with the umask `0o022`.
///
/// # Durability
///
/// What a program writes may be lost by a [`crash`](Disk::crash) until it is synced. The model is the
/// weakest that a program on a journaling file system has to expect:
///
/// * **File contents.** [`File::sync_data`](crate::fs::File::sync_data) and
///   [`sync_all`](crate::fs::File::sync_all) make the bytes and the length durable. After a crash each
///   sector of 512 bytes is as it was at some moment between the last sync and the crash, and so is
///   the length, each chosen on its own. A write may therefore be lost, torn, or visible without an
///   earlier one. Bytes that were never written are zeros.
/// * **Directory entries.** A file or directory that was created, renamed or removed is durable after a
///   sync of the directory that contains the entry:
///   `File::open(directory).await?.sync_all().await?`. After a crash a directory has its changes up to
///   some moment between the last sync and the crash. A sync of a file does not sync its entry.
/// * **Renames** happen completely or not at all, also between two directories and over an existing file.
///   A rename does not sync the contents of the file: after a crash the new name may name a file that
///   is empty.
/// * **Permissions, owners and times** are durable at once.
/// * A file or a directory with more than 1,024 changes that are not synced loses the oldest of them to
///   the background: they become durable.
///
/// # Differences from a real disk
///
/// Reading doesn't change the access time, as with the mount option `noatime`. Directories and links
/// take no space. The sticky bit, access control lists, extended attributes, locks, named pipes and
/// device files do not exist. The entries of a directory are sorted by name.
///
/// # Examples
///
/// ```
/// use nodeloop::test::Disk;
///
/// let disk = Disk::new();
/// disk.create_dir_all("/etc/service")?;
/// disk.write("/etc/service/config", "threads = 4")?;
/// assert_eq!(disk.read("/etc/service/config")?, b"threads = 4");
/// disk.crash(17); // nothing was pending, so nothing is lost
/// assert_eq!(disk.files(), ["/etc/service/config"].map(std::path::PathBuf::from));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Disk {
    volume: Arc<Mutex<Volume>>,
}

impl Disk {
    /// Returns a new disk, which is empty but for `/tmp`.
    pub fn new() -> Disk {
        let disk = Disk {
            volume: Arc::new(Mutex::new(Volume::new())),
        };
        disk.as_test(|volume| {
            volume.create_dir(Path::new("/tmp"), 0o777)?;
            volume.set_mode(Path::new("/tmp"), 0o777)
        })
        .expect("an empty disk has room for a directory");
        disk.sync();
        disk
    }

    /// Creates a directory and its missing parents.
    ///
    /// # Errors
    ///
    /// Returns an error if a part of the path is not a directory.
    pub fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        self.as_test(|volume| {
            volume.create_dir_all(path, 0o777)?;
            volume.sync_path(path)
        })
    }

    /// Writes `contents` as the entire contents of a file, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory does not exist, or if the disk is full.
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        let path = path.as_ref();
        self.as_test(|volume| {
            volume.write_file(path, contents.as_ref())?;
            volume.sync_path(path)
        })
    }

    /// Reads the entire contents of a file, with what the program has not synced yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the file does not exist.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.as_test(|volume| volume.read_file(path.as_ref()))
    }

    /// Returns whether a file, a directory or a link exists at this path.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        let volume = self.lock();
        volume.find(path.as_ref(), Follow::No).is_ok()
    }

    /// Returns the paths of all files, symbolic links and Unix domain sockets, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock().files()
    }

    /// Sets how many bytes the files may take; `None` for no limit, as it is by default.
    ///
    /// Space is allocated in pages of 4,096 bytes. A write that does not fit writes what does, and fails
    /// with [`StorageFull`](io::ErrorKind::StorageFull) if nothing does. What is on the disk stays
    /// there, even if it exceeds the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Returns how many bytes the files take.
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Sets how many files may be open at the same time; `None` for no limit, as it is by default.
    ///
    /// Opening another one fails as with `EMFILE`.
    pub fn set_max_open_files(&self, count: Option<usize>) {
        self.lock().max_open = count;
    }

    /// Returns how many descriptors are open.
    pub fn open_files(&self) -> usize {
        self.lock().descriptors()
    }

    /// Sets the user and the group of the program, whose permissions are checked. User 0 may do
    /// everything.
    pub fn set_user(&self, user: u32, group: u32) {
        let mut volume = self.lock();
        (volume.user.user, volume.user.group) = (user, group);
    }

    /// Installs a fault, in addition to those that are installed.
    pub fn inject(&self, fault: DiskFault) {
        self.lock().faults.install(fault);
    }

    /// Removes all injected faults.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Describes the injected faults that have never taken effect, so that a test can check that it has
    /// tested what it was written for.
    pub fn unfired_faults(&self) -> Vec<String> {
        self.lock().faults.unfired()
    }

    /// Describes all injected faults, each with whether it has taken effect.
    pub(crate) fn fault_outcomes(&self) -> Vec<(String, bool)> {
        self.lock().faults.outcomes()
    }

    /// Makes everything durable, as the program `sync` does.
    pub fn sync(&self) {
        self.lock().sync();
    }

    /// Turns the disk into what a restart finds after the power has failed now.
    ///
    /// What is durable is kept; `seed` chooses how much of the rest, as described in
    /// [Durability](Disk#durability). All files are closed: an operation on a file that was open
    /// fails.
    /// Seed 0 keeps all of it.
    pub fn crash(&self, seed: u64) {
        self.lock().crash(&Choices::new(Seed::new(seed)));
    }

    /// Does what [`crash`](Disk::crash) does, by the seed of the world.
    pub(crate) fn crash_in_world(&self) {
        let mut volume = self.lock();
        let choices = std::mem::take(&mut volume.faults.choices);
        volume.crash(&choices);
        volume.faults.choices = choices;
    }

    /// Returns the user and the group of the program.
    pub(crate) fn user(&self) -> (u32, u32) {
        let volume = self.lock();
        (volume.user.user, volume.user.group)
    }

    /// Sets the time that changes are stamped with to a time of the virtual clock of a world.
    pub(crate) fn set_world_time(&self, now: Duration) {
        self.set_now(WORLD_EPOCH + now);
    }

    /// Sets the time that changes are stamped with, since the epoch of Unix.
    pub(crate) fn set_now(&self, now: Duration) {
        self.lock().now = now;
    }

    /// Sets what chooses the faults with a probability, and what a crash in a world loses.
    pub(crate) fn set_choices(&self, choices: Choices) {
        self.lock().faults.choices = choices;
    }

    fn lock(&self) -> MutexGuard<'_, Volume> {
        // No user code runs under the lock, so the contents of a poisoned one are consistent.
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `call` without faults and with all permissions.
    fn as_test<T>(&self, call: impl FnOnce(&mut Volume) -> Result<T>) -> io::Result<T> {
        let mut volume = self.lock();
        let (faults, max_open) = (std::mem::take(&mut volume.faults), volume.max_open.take());
        let user = volume.user.user;
        volume.acts_for_test = true;
        let result = call(&mut volume);
        volume.acts_for_test = false;
        debug_assert_eq!(
            user, volume.user.user,
            "a call of the test changed the user"
        );
        (volume.faults, volume.max_open) = (faults, max_open);
        Ok(result?)
    }
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::new()
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("files", &self.files())
            .finish_non_exhaustive()
    }
}
