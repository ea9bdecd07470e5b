//! The entries of a directory, read in batches.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;

use crate::promise::Promise;

use super::PathError;
use super::job::{job, path_job};

/// How many entries one job reads: what Node's `opendir` reads ahead (`bufferSize`).
const ENTRIES_PER_JOB: usize = 32;

/// Opens a directory: Node's `opendir`. The first batch of entries comes with it.
///
/// The entries come in the order of the file system, as from `opendir` (Node's `readdir` sorts
/// them by name), without `.` and `..`.
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
pub fn read_dir(path: impl AsRef<Path>) -> Promise<io::Result<ReadDir>> {
    let path: Arc<Path> = path.as_ref().into();
    let in_job = path.clone();
    let work = move || {
        std::fs::read_dir(&in_job)
            .map(|directory| Batch::read(directory, &in_job))
            .map_err(|error| PathError::wrap("fs::read_dir", &in_job, None, error))
    };
    job("fs::read_dir", work, |batch| {
        Ok(ReadDir {
            path,
            state: State::Here(batch?),
        })
    })
}

/// The entries of a directory, made by [`read_dir`]: a `Stream`, or one after the other with
/// [`next_entry`](ReadDir::next_entry).
///
/// A job is needed once for every 32 entries; those of a batch that is here come without any
/// turn. The next batch is asked for when the last entry has been given out and another is
/// polled for. An error ends the stream.
///
/// Both ways are cancel safe: an entry leaves only when it is given out. The directory is closed
/// when this and all of its entries have been dropped.
pub struct ReadDir {
    path: Arc<Path>,
    state: State,
}

enum State {
    Here(Batch),
    Reading(Promise<Batch>),
}

/// A part of the entries, and where the rest comes from; `None` behind the last entry.
struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    rest: Option<std::fs::ReadDir>,
}

impl Batch {
    fn read(mut directory: std::fs::ReadDir, path: &Path) -> Batch {
        let mut entries = VecDeque::with_capacity(ENTRIES_PER_JOB);
        while entries.len() < ENTRIES_PER_JOB {
            match directory.next() {
                Some(Ok(entry)) => entries.push_back(Ok(DirEntry::new(entry))),
                last => {
                    let error = last.and_then(Result::err);
                    entries.extend(
                        error.map(|error| Err(PathError::wrap("fs::read_dir", path, None, error))),
                    );
                    return Batch {
                        entries,
                        rest: None,
                    };
                }
            }
        }
        Batch {
            entries,
            rest: Some(directory),
        }
    }
}

impl ReadDir {
    /// The next entry, or nothing behind the last.
    ///
    /// # Errors
    ///
    /// The system's. There is no entry behind an error.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        std::future::poll_fn(|cx| self.poll_next_entry(cx))
            .await
            .transpose()
    }

    fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<DirEntry>>> {
        loop {
            match &mut self.state {
                State::Here(batch) => {
                    if let Some(entry) = batch.entries.pop_front() {
                        return Poll::Ready(Some(entry));
                    }
                    let Some(directory) = batch.rest.take() else {
                        return Poll::Ready(None);
                    };
                    let path = self.path.clone();
                    let work = move || Batch::read(directory, &path);
                    self.state = State::Reading(job("ReadDir::next_entry", work, |batch| batch));
                }
                State::Reading(reading) => {
                    let batch = ready!(Pin::new(reading).poll(cx));
                    self.state = State::Here(batch);
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

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// An entry of a directory. It can be sent to another thread.
#[derive(Debug, Clone)]
#[doc(alias = "Dirent")]
pub struct DirEntry {
    pub(super) entry: Arc<std::fs::DirEntry>,
    /// Read by the job, because a few file systems have to be asked again for it.
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(entry: std::fs::DirEntry) -> DirEntry {
        DirEntry {
            file_type: entry.file_type().ok(),
            entry: Arc::new(entry),
        }
    }

    /// The path that was given to [`read_dir`], with the name of the entry.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name, without any directory.
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// The type of the entry; a symbolic link is not followed. It came with the entry and costs
    /// nothing.
    ///
    /// # Errors
    ///
    /// The system's, if the type could not be found out.
    pub fn file_type(&self) -> io::Result<FileType> {
        // Where the job could not find out, asking once more gives the error.
        self.file_type.map_or_else(
            || {
                let wrap =
                    |error| PathError::wrap("DirEntry::file_type", &self.path(), None, error);
                self.entry.file_type().map_err(wrap)
            },
            Ok,
        )
    }

    /// Looks at the entry, a job of the pool; a symbolic link is not followed.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn metadata(&self) -> Promise<io::Result<Metadata>> {
        let entry = self.entry.clone();
        path_job("DirEntry::metadata", self.path(), move |_| entry.metadata())
    }
}
