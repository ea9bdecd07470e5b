//! An open file as a stream of bytes.
//!
//! ```text
//!                 1 start_read                    2 start_write
//!   Reading ◀──────────────────────── Idle ────────────────────────▶ Writing
//!      │                           ▲ │    ▲                             │
//!      └───────────────────────────┘ │    └─────────────────────────────┘
//!          4 poll_idle, poll_read    │ 3 poll_seek          4 poll_idle
//!                                    ▼
//!                                 Seeking (from the end only), and back by poll_seek, poll_idle
//! ```
//!
//! Invariants: at most one job of a `File` moves its cursor at a time; the cursor the user knows
//! is the system's minus the unread bytes in the buffer; an error of a write is given out once.

use std::fmt;
use std::fs::{FileTimes, Metadata, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncSeek, AsyncWrite, AsyncWriteExt};

use crate::event_loop::current::try_current;
use crate::promise::{Promise, try_spawn_lazy};

use super::job::job;
use super::{OpenOptions, PathError};

/// The most that one job reads or writes, so that a huge slice is not copied at once.
const MAX_BYTES_PER_JOB: usize = 2 * 1024 * 1024;

/// An open file: `AsyncRead`, `AsyncWrite` and `AsyncSeek` through the worker pool.
///
/// At most one operation that reads, writes or moves the cursor is under way at a time; the next
/// one waits for it.
///
/// **Reading.** A read is one job and costs one turn behind its completion. Small reads are
/// cheaper through a `futures::io::BufReader`.
///
/// **Writing.** A write copies its bytes (2 MiB at most) to a job and is ready at once; the
/// *next* operation waits until the job is done. So an error of a write comes with the next
/// write, `flush` or `close`, and **a file is complete only behind
/// [`flush`](AsyncWriteExt::flush)**, which awaits the write under way (`close` does the same;
/// [`sync_all`](File::sync_all) also takes it to the disk). There is no other buffer.
///
/// **Drop.** A write under way, or in the pool's queue, still takes place and keeps the loop
/// alive, and the descriptor is closed behind it; only a loop that ends early
/// ([`block_on`](crate::block_on)) drops it if no thread has started it. An error of a write that
/// can't be given out any more, because the file was dropped, is an unhandled rejection: errors
/// do not pass silently.
///
/// **Cancel safety.** A dropped `read` loses nothing: its bytes come with the next read. A
/// dropped `write` has either given its bytes to a job or taken none. `flush` can be dropped and
/// called again. So can `seek`: a dropped one has moved the cursor only if it was from the end.
/// `read_exact`, `read_to_end`, `write_all` and the like are made of several operations and are
/// not safe.
///
/// The methods with `&self` submit their job when they are called, as the functions of
/// [`fs`](crate::fs) do, beside whatever is under way. Those with `&mut self` first await what is
/// under way, so they do nothing until they are polled.
///
/// ```
/// use futures::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
/// use nodeloop::fs::File;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("notes");
/// let text = nodeloop::block_on(async move {
///     let mut file = File::options().read(true).write(true).create(true).open(path).await?;
///     file.write_all(b"one two").await?;
///     file.seek(std::io::SeekFrom::Start(4)).await?;
///     let mut text = String::new();
///     file.read_to_string(&mut text).await?;
///     Ok::<_, std::io::Error>(text)
/// })?;
/// assert_eq!(text, "two");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "FileHandle")]
pub struct File {
    pub(super) file: Arc<std::fs::File>,
    /// For errors; unknown behind [`File::from_std`].
    path: Option<Arc<Path>>,
    state: State,
    /// Goes along with a read.
    buffer: Buffer,
    /// The error of a write that has not been given out yet.
    write_error: Option<io::Error>,
}

enum State {
    Idle,
    Reading(Promise<(Buffer, io::Result<()>)>),
    Writing(Promise<io::Result<()>>),
    Seeking(SeekFrom, Promise<io::Result<u64>>),
}

/// What a job has read.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// `bytes[start..end]` has been read by a job, and not by the user.
    start: usize,
    end: usize,
}

impl Buffer {
    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn forget_unread(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn give(&mut self, target: &mut [u8]) -> usize {
        let count = self.unread().len().min(target.len());
        target[..count].copy_from_slice(&self.unread()[..count]);
        self.start += count;
        count
    }

    fn fill(&mut self, mut file: &std::fs::File, max_bytes: usize) -> io::Result<()> {
        if self.bytes.len() < max_bytes {
            self.bytes.resize(max_bytes, 0);
        }
        self.forget_unread();
        self.end = loop {
            match file.read(&mut self.bytes[..max_bytes]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        Ok(())
    }
}

impl File {
    /// Opens a file to read.
    ///
    /// # Errors
    ///
    /// The system's. A directory can be opened on some systems; reading it fails then.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Promise<io::Result<File>> {
        File::options().read(true).open(path)
    }

    /// Opens a file to write: makes it, or empties it.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> Promise<io::Result<File>> {
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    /// Makes a file that is not there yet, to read and to write.
    ///
    /// # Errors
    ///
    /// The system's, as when it is there.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn create_new(path: impl AsRef<Path>) -> Promise<io::Result<File>> {
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
    }

    /// Options to open a file with, all off.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    #[track_caller]
    pub(super) fn open_with(
        options: std::fs::OpenOptions,
        path: &Path,
    ) -> Promise<io::Result<File>> {
        let path: Arc<Path> = path.into();
        let in_job = path.clone();
        let work = move || {
            options
                .open(&in_job)
                .map_err(|error| PathError::wrap("File::open", &in_job, None, error))
        };
        job("File::open", work, |file| Ok(File::new(file?, Some(path))))
    }

    fn new(file: std::fs::File, path: Option<Arc<Path>>) -> File {
        File {
            file: Arc::new(file),
            path,
            state: State::Idle,
            buffer: Buffer::default(),
            write_error: None,
        }
    }

    /// Takes over a file of the standard library. Its errors will not name any path.
    pub fn from_std(file: std::fs::File) -> File {
        File::new(file, None)
    }

    /// Gives the file back to the standard library, behind what is under way; bytes that were
    /// read ahead are unread again.
    ///
    /// # Errors
    ///
    /// That of the last write.
    pub async fn into_std(mut self) -> io::Result<std::fs::File> {
        self.flush().await?;
        self.settle_cursor().await?;
        let file = self.file.clone();
        drop(self);
        // A detached `metadata` may still hold the file: then it is a second descriptor.
        Arc::try_unwrap(file).or_else(|shared| shared.try_clone())
    }

    /// Opens a second descriptor of the same file, behind what is under way. Both share one
    /// cursor.
    ///
    /// # Errors
    ///
    /// The system's.
    pub async fn try_clone(&mut self) -> io::Result<File> {
        self.settle_cursor().await?;
        let path = self.path.clone();
        let clone = self.job("File::try_clone", |file| file.try_clone()).await?;
        Ok(File::new(clone, path))
    }

    /// Looks at the file. A write under way may or may not count.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[doc(alias = "stat")]
    #[track_caller]
    pub fn metadata(&self) -> Promise<io::Result<Metadata>> {
        self.job("File::metadata", |file| file.metadata())
    }

    /// Changes the permissions of the file.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[doc(alias = "chmod")]
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> Promise<io::Result<()>> {
        self.job("File::set_permissions", move |file| {
            file.set_permissions(permissions)
        })
    }

    /// Sets when the file was changed and read, behind what is under way (a later write changes it
    /// again).
    ///
    /// # Errors
    ///
    /// That of the last write, or the system's.
    #[doc(alias = "utimes")]
    #[doc(alias = "set_modified")]
    pub async fn set_times(&mut self, times: FileTimes) -> io::Result<()> {
        self.flush().await?;
        self.settle_cursor().await?;
        self.job("File::set_times", move |file| file.set_times(times))
            .await
    }

    /// Cuts the file to `size` bytes, or fills it with zeros, behind what is under way. The
    /// cursor stays.
    ///
    /// # Errors
    ///
    /// That of the last write, or the system's.
    #[doc(alias = "truncate")]
    pub async fn set_len(&mut self, size: u64) -> io::Result<()> {
        self.flush().await?;
        self.settle_cursor().await?;
        self.job("File::set_len", move |file| file.set_len(size))
            .await
    }

    /// Takes everything to the disk, contents and metadata, behind what is under way.
    ///
    /// # Errors
    ///
    /// That of the last write, or the system's.
    #[doc(alias = "fsync")]
    pub async fn sync_all(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.job("File::sync_all", |file| file.sync_all()).await
    }

    /// Takes the contents to the disk, behind what is under way.
    ///
    /// # Errors
    ///
    /// That of the last write, or the system's.
    #[doc(alias = "fdatasync")]
    pub async fn sync_data(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.job("File::sync_data", |file| file.sync_data()).await
    }

    #[track_caller]
    pub(super) fn job<T: Send + 'static>(
        &self,
        verb: &'static str,
        work: impl FnOnce(&std::fs::File) -> io::Result<T> + Send + 'static,
    ) -> Promise<io::Result<T>> {
        let (file, path) = (self.file.clone(), self.path.clone());
        let work = move || work(&file).map_err(|error| with_path(verb, path.as_deref(), error));
        job(verb, work, |result| result)
    }

    fn start_read(&mut self, max_bytes: usize) {
        let (file, path) = (self.file.clone(), self.path.clone());
        let mut buffer = std::mem::take(&mut self.buffer);
        let work = move || {
            let result = buffer.fill(&file, max_bytes);
            let wrap = |error| with_path("File::read", path.as_deref(), error);
            (buffer, result.map_err(wrap))
        };
        self.state = State::Reading(job("File::read", work, |done| done));
    }

    fn start_write(&mut self, bytes: &[u8]) {
        let bytes = bytes.to_owned();
        self.state =
            State::Writing(self.job("File::write", move |mut file| file.write_all(&bytes)));
    }

    /// Awaits what is under way and keeps what it brought: read bytes in the buffer, the error
    /// of a write in `write_error`.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Idle => {}
            // An error of a read that nobody waits for any more: reading again tells it again.
            State::Reading(reading) => self.buffer = ready!(Pin::new(reading).poll(cx)).0,
            State::Writing(writing) => self.write_error = ready!(Pin::new(writing).poll(cx)).err(),
            State::Seeking(_, seeking) => drop(ready!(Pin::new(seeking).poll(cx))),
        }
        self.state = State::Idle;
        Poll::Ready(())
    }

    /// Awaits what is under way and moves the system's cursor to where the user knows it.
    async fn settle_cursor(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_idle(cx)).await;
        self.give_back_unread()
    }

    /// Moves the system's cursor back to where the user knows it. That changes a number in the
    /// descriptor and asks no disk, so it needs no job.
    fn give_back_unread(&mut self) -> io::Result<()> {
        debug_assert!(
            matches!(self.state, State::Idle),
            "called behind `poll_idle`"
        );
        let unread = self.buffer.unread().len() as i64;
        if unread == 0 {
            return Ok(());
        }
        match (&*self.file).seek(SeekFrom::Current(-unread)) {
            Ok(_) => self.buffer.forget_unread(),
            // A pipe or a terminal has no cursor: what was read stays to be read.
            Err(error) if error.kind() == ErrorKind::NotSeekable => {}
            Err(error) => return Err(with_path("File::seek", self.path.as_deref(), error)),
        }
        Ok(())
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if target.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let file = &mut *self;
        loop {
            match &mut file.state {
                State::Idle if file.buffer.unread().is_empty() => {
                    file.start_read(target.len().min(MAX_BYTES_PER_JOB));
                }
                State::Idle => return Poll::Ready(Ok(file.buffer.give(target))),
                State::Reading(reading) => {
                    let (buffer, result) = ready!(Pin::new(reading).poll(cx));
                    file.buffer = buffer;
                    file.state = State::Idle;
                    return Poll::Ready(result.map(|()| file.buffer.give(target)));
                }
                State::Writing(_) | State::Seeking(..) => ready!(file.poll_idle(cx)),
            }
        }
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_idle(cx));
        if let Some(error) = self.write_error.take() {
            return Poll::Ready(Err(error));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.give_back_unread()?;
        let count = bytes.len().min(MAX_BYTES_PER_JOB);
        self.start_write(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    /// Awaits the write under way and gives its error. It does not sync to the disk.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Writing(_) = self.state {
            ready!(self.poll_idle(cx));
        }
        Poll::Ready(self.write_error.take().map_or(Ok(()), Err))
    }

    /// The same as a flush. The descriptor is closed when the file is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    /// From the start or from where the cursor is, this changes a number in the descriptor, at
    /// once. From the end the system may have to ask for the length: a job.
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        if !matches!(&self.state, State::Seeking(under_way, _) if *under_way == target) {
            ready!(self.poll_idle(cx));
            self.give_back_unread()?;
            if !matches!(target, SeekFrom::End(_)) {
                let moved = (&*self.file).seek(target);
                let wrap = |error| with_path("File::seek", self.path.as_deref(), error);
                return Poll::Ready(moved.map_err(wrap));
            }
            let seeking = self.job("File::seek", move |mut file| file.seek(target));
            self.state = State::Seeking(target, seeking);
        }
        let State::Seeking(_, seeking) = &mut self.state else {
            unreachable!("the seek is under way");
        };
        let moved = ready!(Pin::new(seeking).poll(cx));
        self.state = State::Idle;
        Poll::Ready(moved)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let error = self.write_error.take();
        let writing = match std::mem::replace(&mut self.state, State::Idle) {
            State::Writing(writing) => Some(writing),
            _ => None,
        };
        if (error.is_none() && writing.is_none()) || try_current().is_none() {
            return;
        }
        // Nobody will ask for the error of the last write: it becomes a rejection.
        drop(try_spawn_lazy(async move {
            match (error, writing) {
                (Some(error), _) => Err(error),
                (None, Some(writing)) => writing.settled().await.unwrap_or(Ok(())),
                (None, None) => Ok(()),
            }
        }));
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        File::from_std(file)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("is_idle", &matches!(self.state, State::Idle))
            .finish_non_exhaustive()
    }
}

fn with_path(verb: &'static str, path: Option<&Path>, error: io::Error) -> io::Error {
    match path {
        Some(path) => PathError::wrap(verb, path, None, error),
        None => error,
    }
}
