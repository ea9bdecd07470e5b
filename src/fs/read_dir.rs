//! The entries of a directory, read in batches.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;
use futures::stream::FusedStream;

use crate::phases::macrotask::SourceLocation;
use crate::promise::{Promise, TryPromise};

use super::job::{Call, opaque_job_at, opaque_path_job_with, path_job};
use super::metadata::TypeSource;
use super::system::FileSystem;
use super::{FileType, Metadata, PathError};
use crate::reactor::disk::{Disk, EntryFacts};

/// The number of entries that one job reads, which is the default `bufferSize` of Node's `opendir`.
const ENTRIES_PER_JOB: usize = 32;

/// Opens a directory and reads its first entries: Node's `opendir`.
///
/// The entries are returned in the order of the file system, as by `opendir` (Node's `readdir`
/// sorts them by name), without `.` and `..`.
///
/// # Examples
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().to_owned();
/// # std::fs::write(path.join("a.txt"), "")?;
/// let names = nodeloop::block_on(async move {
///     let mut entries = nodeloop::fs::read_dir(&path).await?;
///     let mut names = Vec::new();
///     while let Some(entry) = entries.next_entry().await? {
///         names.push(entry.file_name());
///     }
///     Ok::<_, std::io::Error>(names)
/// })?;
/// assert_eq!(names, ["a.txt"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "opendir")]
#[doc(alias = "readdir")]
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> TryPromise<ReadDir, io::Error> {
    let (kept, location): (Arc<Path>, _) = (path.as_ref().into(), Location::caller());
    let work = |system: FileSystem, path: Arc<Path>| {
        let entries = system.read_dir(&path)?;
        Ok(Batch::read(entries, &path))
    };
    opaque_path_job_with("fs::read_dir", path, work, move |batch| ReadDir {
        path: kept,
        location,
        state: State::Loaded(batch),
    })
}

/// The entries of a directory, returned by [`read_dir()`].
///
/// It is a `Stream`, and has the method [`next_entry`](ReadDir::next_entry).
///
/// One job reads up to 32 entries, which are then returned without waiting. The next job is
/// submitted when all of them have been returned and another entry is polled for. An error ends
/// the stream. The directory is closed when the stream and all of its entries have been dropped.
///
/// # Cancel safety
///
/// Dropping the future of `next_entry`, or of a `StreamExt::next`, loses no entry.
pub struct ReadDir {
    path: Arc<Path>,
    /// Where the directory was opened.
    location: SourceLocation,
    state: State,
}

enum State {
    Loaded(Batch),
    Reading(Promise<Batch>),
}

/// The entries that one job has read.
struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    /// The source of the next batch; `None` at the end of the directory and after an error.
    rest: Option<Entries>,
}

/// The entries of a directory that have not been read yet.
pub(super) enum Entries {
    /// Boxed, because it contains the last entry on Windows.
    Real(Box<std::fs::ReadDir>),
    Simulated(Disk, Arc<Path>, std::vec::IntoIter<EntryFacts>),
}

impl Iterator for Entries {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<io::Result<DirEntry>> {
        match self {
            Entries::Real(entries) => {
                let entry = entries.next()?;
                Some(entry.map(DirEntry::real))
            }
            Entries::Simulated(disk, path, facts) => {
                let facts = facts.next()?;
                Some(Ok(DirEntry::simulated(disk, path, facts)))
            }
        }
    }
}

impl Batch {
    fn read(mut directory: Entries, path: &Path) -> Batch {
        let mut entries = VecDeque::with_capacity(ENTRIES_PER_JOB);
        let mut is_at_end = false;
        while entries.len() < ENTRIES_PER_JOB && !is_at_end {
            let entry = directory.next();
            is_at_end = !matches!(entry, Some(Ok(_)));
            entries.extend(entry.map(|entry| {
                entry.map_err(|error| PathError::new("fs::read_dir", path, None, error).into())
            }));
        }
        let rest = (!is_at_end).then_some(directory);
        Batch { entries, rest }
    }
}

impl ReadDir {
    /// Returns the next entry, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system. There is no entry after an error.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        std::future::poll_fn(|cx| self.poll_next_entry(cx))
            .await
            .transpose()
    }

    fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<DirEntry>>> {
        loop {
            match &mut self.state {
                State::Loaded(batch) => {
                    if let Some(entry) = batch.entries.pop_front() {
                        return Poll::Ready(Some(entry));
                    }
                    let Some(directory) = batch.rest.take() else {
                        return Poll::Ready(None);
                    };
                    let path = self.path.clone();
                    let work = move || Batch::read(directory, &path);
                    let (verb, location) = ("ReadDir::next_entry", self.location);
                    let reading = opaque_job_at(Call { verb, location }, work, |batch| batch);
                    self.state = State::Reading(reading);
                }
                State::Reading(reading) => {
                    let batch = ready!(Pin::new(reading).poll(cx));
                    self.state = State::Loaded(batch);
                }
            }
        }
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_entry(cx)
    }
}

impl FusedStream for ReadDir {
    fn is_terminated(&self) -> bool {
        match &self.state {
            State::Loaded(batch) => batch.entries.is_empty() && batch.rest.is_none(),
            State::Reading(_) => false,
        }
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// An entry of a directory, which can be sent to another thread.
#[derive(Clone)]
#[doc(alias = "Dirent")]
pub struct DirEntry {
    pub(super) entry: Arc<Entry>,
    /// Read by the job, because some file systems need another system call for it; `None` if that
    /// failed.
    file_type: Option<FileType>,
}

pub(super) enum Entry {
    Real(std::fs::DirEntry),
    Simulated {
        disk: Disk,
        directory: Arc<Path>,
        facts: EntryFacts,
    },
}

impl DirEntry {
    fn real(entry: std::fs::DirEntry) -> DirEntry {
        DirEntry {
            file_type: entry.file_type().ok().map(FileType::from),
            entry: Arc::new(Entry::Real(entry)),
        }
    }

    fn simulated(disk: &Disk, directory: &Arc<Path>, facts: EntryFacts) -> DirEntry {
        DirEntry {
            file_type: Some(FileType(TypeSource::Simulated(facts.kind))),
            entry: Arc::new(Entry::Simulated {
                disk: disk.clone(),
                directory: directory.clone(),
                facts,
            }),
        }
    }

    /// Returns the path given to [`read_dir()`], joined with the name of the entry.
    pub fn path(&self) -> PathBuf {
        match &*self.entry {
            Entry::Real(entry) => entry.path(),
            Entry::Simulated {
                directory, facts, ..
            } => directory.join(&facts.name),
        }
    }

    /// Returns the name of the entry without any directory.
    pub fn file_name(&self) -> OsString {
        match &*self.entry {
            Entry::Real(entry) => entry.file_name(),
            Entry::Simulated { facts, .. } => facts.name.clone(),
        }
    }

    /// Returns the type of the entry.
    ///
    /// Symbolic links are not followed.
    ///
    /// The type was read together with the entry, so this does not block.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system.
    pub fn file_type(&self) -> io::Result<FileType> {
        match (&*self.entry, self.file_type) {
            (_, Some(file_type)) => Ok(file_type),
            // The job's attempt failed; another one returns the error.
            (Entry::Real(entry), None) => entry.file_type().map(FileType::from).map_err(|error| {
                PathError::new("DirEntry::file_type", &self.path(), None, error).into()
            }),
            (Entry::Simulated { facts, .. }, None) => {
                Ok(FileType(TypeSource::Simulated(facts.kind)))
            }
        }
    }

    /// Returns the metadata of the entry.
    ///
    /// Symbolic links are not followed.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn metadata(&self) -> TryPromise<Metadata, io::Error> {
        let entry = self.entry.clone();
        path_job(
            "DirEntry::metadata",
            self.path(),
            move |_, path| match &*entry {
                Entry::Real(entry) => entry.metadata().map(Metadata::from),
                Entry::Simulated { disk, .. } => disk.symlink_metadata(&path).map(Metadata::from),
            },
        )
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}
