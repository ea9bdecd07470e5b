//! An open file as a stream of bytes.
//!
//! `file/progress.rs` has the operation in progress.
//!
//! Invariant: the position of the `File` is the cursor of the descriptor minus the unread bytes in
//! the buffer.
//!
//! Invariant: an error of a write is returned once.

mod progress;

use std::fmt;
use std::fs::{FileTimes, Permissions};
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, SeekFrom};
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncSeek, AsyncWrite};

use crate::event_loop::current::try_current;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{TryPromise, try_spawn_lazy_at};
use crate::reactor::journal;
use crate::reactor::journal::value::Value;
use crate::runtime::MainOutput;

use super::job::{Call, path_job_with, try_job, try_job_at};
use super::open_options::Opening;
use super::system::{FileSystem, Handle};
use super::{Metadata, OpenOptions, PathError};

use progress::{Operation, Progress};

/// The most bytes that one job reads or writes, so that a huge slice is not copied at once.
pub(super) const MAX_BYTES_PER_JOB: usize = 2 * 1024 * 1024;

/// An open file: `AsyncRead`, `AsyncWrite` and `AsyncSeek` on the worker pool.
///
/// At most one operation that reads, writes or moves the cursor is in progress at a time; the next
/// one waits for it.
///
/// **Reading.** Each read is one job, and its reader continues one promise turn after the
/// completion. Use a `futures::io::BufReader` for small reads.
///
/// **Writing.** A write copies its bytes (2 MiB at most) into a job and is ready at once; the
/// *next* operation waits until the job is done. An error of a write is therefore returned by the
/// next write, `flush` or `close`, and **a file is complete only after
/// [`flush`](futures::io::AsyncWriteExt::flush)**, which waits for the write in progress. `close` does the same;
/// [`sync_all`](File::sync_all) also syncs the file to the disk. There is no other buffer.
///
/// A vectored read or write is one job for all of its slices.
///
/// **Drop.** A write that is in progress or queued still takes place and keeps the loop alive, and
/// the descriptor is closed after it; a loop that ends early ([`block_on`](crate::block_on)) drops
/// a write that no thread has started. An error of a write that can no longer be returned, because
/// the file was dropped, is an unhandled rejection.
///
/// **Eagerness.** [`metadata`](File::metadata), [`set_permissions`](File::set_permissions), and on Unix
/// `read_at`, `write_at`, `write_all_at` and `chown` submit their job when they are called, as the
/// functions of [`fs`](crate::fs) do, and run concurrently with any operation in progress. All other
/// methods wait for the operation in progress first, and do nothing until they are polled.
///
/// All methods take the file by reference, so that several tasks can share one, for example in an `Rc`.
/// Only the traits need `&mut`, because reading, writing and seeking share the cursor.
///
/// # Cancel safety
///
/// Dropping a `read` loses nothing: its bytes are returned by the next read. A dropped `write` has
/// either submitted its bytes or used none of them. `flush` and `seek` can be dropped and called
/// again; a dropped `seek` has moved the cursor only if it was from the end. `read_exact`,
/// `read_to_end`, `write_all` and other combinations of several operations are not cancel safe.
///
/// # Examples
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
    pub(super) file: Arc<Handle>,
    /// For errors; `None` after [`File::from_std`].
    path: Option<Arc<Path>>,
    /// Where the file was opened.
    location: SourceLocation,
    progress: Progress,
}

impl MainOutput for File {}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system. Some systems open a directory without
    /// an error; reading it then fails.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> TryPromise<File, io::Error> {
        File::options().read(true).open(path)
    }

    /// Opens a file for writing: creates it, or truncates it if it exists.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> TryPromise<File, io::Error> {
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    /// Creates a new file for reading and writing.
    ///
    /// # Errors
    ///
    /// Returns `AlreadyExists` if the file exists, and any other error reported by the operating
    /// system.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn create_new(path: impl AsRef<Path>) -> TryPromise<File, io::Error> {
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
    }

    /// Returns [`OpenOptions`] that are all `false`.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    #[track_caller]
    pub(super) fn open_with(
        opening: Opening,
        path: impl AsRef<Path>,
    ) -> TryPromise<File, io::Error> {
        let (kept, location) = (Arc::from(path.as_ref()), Location::caller());
        let work = move |system: FileSystem, path: Arc<Path>| system.open(&opening, &path);
        path_job_with("File::open", path, work, move |file| {
            File::new(file, Some(kept), location)
        })
    }

    fn new(file: Handle, path: Option<Arc<Path>>, location: SourceLocation) -> File {
        File {
            file: Arc::new(file),
            path,
            location,
            progress: Progress::default(),
        }
    }

    /// Creates a file from one of the standard library.
    ///
    /// Errors of its operations do not name the path.
    #[track_caller]
    pub fn from_std(file: std::fs::File) -> File {
        File::new(Handle::Real(file), None, Location::caller())
    }

    /// Waits for the operation in progress, and converts the file into one of the standard library.
    ///
    /// The cursor of that file is at the position of this one.
    ///
    /// # Errors
    ///
    /// Returns the error of the last write, or any error reported by the operating system. A file of a
    /// [simulated disk](crate::test::Disk) fails with [`Unsupported`](io::ErrorKind::Unsupported).
    pub async fn into_std(self) -> io::Result<std::fs::File> {
        self.flushed().await?;
        self.settle_cursor().await?;
        let file = self.file.clone();
        drop(self);
        // A detached `metadata` may still hold the file; then the descriptor is duplicated.
        let file = Arc::try_unwrap(file).or_else(|shared| shared.try_clone());
        file?.into_std()
    }

    /// Waits for the operation in progress, and creates a second descriptor of the same file.
    ///
    /// Both share one cursor.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system.
    #[track_caller]
    pub fn try_clone(&self) -> impl Future<Output = io::Result<File>> {
        let location = Location::caller();
        async move {
            self.settle_cursor().await?;
            let (verb, path) = ("File::try_clone", self.path.clone());
            let call = Call { verb, location };
            let clone = self.job_at(call, |file| file.try_clone()).await?;
            Ok(File::new(clone, path, self.location))
        }
    }

    /// Returns the metadata of the file, which may or may not reflect a write in progress.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[doc(alias = "stat")]
    #[track_caller]
    pub fn metadata(&self) -> TryPromise<Metadata, io::Error> {
        self.job("File::metadata", |file| file.metadata())
    }

    /// Changes the permissions of the file.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[doc(alias = "chmod")]
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> TryPromise<(), io::Error> {
        self.job("File::set_permissions", move |file| {
            file.set_permissions(permissions)
        })
    }

    /// Waits for the operation in progress, and sets the access and modification times of the file.
    ///
    /// # Errors
    ///
    /// Returns the error of the last write, or any error reported by the operating system.
    #[doc(alias = "utimes")]
    #[doc(alias = "set_modified")]
    #[track_caller]
    pub fn set_times(&self, times: FileTimes) -> impl Future<Output = io::Result<()>> {
        let (verb, location) = ("File::set_times", Location::caller());
        self.exclusive(Call { verb, location }, move |file| file.set_times(times))
    }

    /// Waits for the operation in progress, and truncates the file to `size` bytes or extends it
    /// with zeros.
    ///
    /// The cursor does not move.
    ///
    /// # Errors
    ///
    /// Returns the error of the last write, or any error reported by the operating system.
    #[doc(alias = "truncate")]
    #[track_caller]
    pub fn set_len(&self, size: u64) -> impl Future<Output = io::Result<()>> {
        let (verb, location) = ("File::set_len", Location::caller());
        self.exclusive(Call { verb, location }, move |file| file.set_len(size))
    }

    /// Waits for the write in progress, and syncs the contents and the metadata to the disk.
    ///
    /// # Errors
    ///
    /// Returns the error of the last write, or any error reported by the operating system.
    #[doc(alias = "fsync")]
    #[track_caller]
    pub fn sync_all(&self) -> impl Future<Output = io::Result<()>> {
        let (verb, location) = ("File::sync_all", Location::caller());
        self.after_write(Call { verb, location }, |file| file.sync_all())
    }

    /// Waits for the write in progress, and syncs the contents to the disk.
    ///
    /// # Errors
    ///
    /// Returns the error of the last write, or any error reported by the operating system.
    #[doc(alias = "fdatasync")]
    #[track_caller]
    pub fn sync_data(&self) -> impl Future<Output = io::Result<()>> {
        let (verb, location) = ("File::sync_data", Location::caller());
        self.after_write(Call { verb, location }, |file| file.sync_data())
    }

    /// Runs a job after the write in progress.
    async fn after_write<T: Value + Send + 'static>(
        &self,
        call: Call<'static>,
        work: impl FnOnce(&Handle) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.flushed().await?;
        self.job_at(call, work).await
    }

    /// Runs a job after the operation in progress, with the cursor of the descriptor at the
    /// position of the file.
    async fn exclusive<T: Value + Send + 'static>(
        &self,
        call: Call<'static>,
        work: impl FnOnce(&Handle) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.flushed().await?;
        self.settle_cursor().await?;
        self.job_at(call, work).await
    }

    /// Submits the job of a call that the program has made before.
    pub(super) fn job_at<T: Value + Send + 'static>(
        &self,
        call: Call<'static>,
        work: impl FnOnce(&Handle) -> io::Result<T> + Send + 'static,
    ) -> TryPromise<T, io::Error> {
        let work = self.work(call.verb, work);
        try_job_at(call, work)
    }

    /// Submits a job that does not depend on the state of this file.
    #[track_caller]
    pub(super) fn job<T: Value + Send + 'static>(
        &self,
        verb: &'static str,
        work: impl FnOnce(&Handle) -> io::Result<T> + Send + 'static,
    ) -> TryPromise<T, io::Error> {
        try_job(verb, self.work(verb, work), |result| result)
    }

    /// Returns the work of a job, with errors that name the path.
    fn work<T, W>(&self, verb: &'static str, work: W) -> impl FnOnce() -> io::Result<T> + use<T, W>
    where
        W: FnOnce(&Handle) -> io::Result<T>,
    {
        let (file, path) = (self.file.clone(), self.path.clone());
        move || work(&file).map_err(|error| with_path(verb, path.as_deref(), error))
    }

    /// Returns the call of an operation that has no place of its own, because a trait polls it: the place is
    /// where the file was opened.
    fn call(&self, verb: &'static str) -> Call<'static> {
        let location = self.location;
        Call { verb, location }
    }

    fn start_read(&self, max_bytes: usize) {
        let (file, path) = (self.file.clone(), self.path.clone());
        let mut buffer = self
            .progress
            .with(|state| std::mem::take(&mut state.buffer));
        let work = move || {
            let result = buffer.fill(&file, max_bytes);
            let wrap = |error| with_path("File::read", path.as_deref(), error);
            (buffer, result.map_err(wrap))
        };
        let operation = (Operation::Read, self.call("File::read"));
        self.progress
            .start(operation, work, |state, (buffer, result)| {
                (state.buffer, state.read) = (buffer, Some(result));
            });
    }

    /// Waits until the buffer has unread bytes, of which a job reads at most `max_bytes`, or until
    /// the end of the file.
    fn poll_fill(&self, cx: &mut Context<'_>, max_bytes: usize) -> Poll<io::Result<()>> {
        if max_bytes == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match self.progress.operation() {
                None if self.unread() == 0 => self.start_read(max_bytes.min(MAX_BYTES_PER_JOB)),
                None => return Poll::Ready(Ok(())),
                Some(Operation::Read) => {
                    ready!(self.progress.poll_done(cx));
                    let result = self.progress.with(|state| state.read.take());
                    return Poll::Ready(result.unwrap_or(Ok(())));
                }
                Some(_) => ready!(self.progress.poll_idle(cx)),
            }
        }
    }

    fn unread(&self) -> usize {
        self.progress.with(|state| state.buffer.unread().len())
    }

    /// Waits for the write in progress and returns its error.
    async fn flushed(&self) -> io::Result<()> {
        if self.progress.operation() == Some(Operation::Write) {
            self.progress.idle().await;
        }
        self.take_write_error()
    }

    fn take_write_error(&self) -> io::Result<()> {
        let error = self.progress.with(|state| state.write_error.take());
        error.map_or(Ok(()), Err)
    }

    /// Waits for the operation in progress and moves the cursor of the descriptor to the position
    /// of the file.
    async fn settle_cursor(&self) -> io::Result<()> {
        self.progress.idle().await;
        self.rewind_unread()
    }

    /// Moves the cursor of the descriptor, which does not block.
    fn seek_now(&self, target: SeekFrom) -> io::Result<u64> {
        let seek = || self.file.seek(target);
        match try_current() {
            Some(state) => state.call_system(journal::Operation::Seek, self.location, seek),
            None => seek(),
        }
    }

    /// Moves the cursor of the descriptor back by the unread bytes. This changes a number in the
    /// descriptor and does no I/O, so it needs no job.
    fn rewind_unread(&self) -> io::Result<()> {
        debug_assert!(
            self.progress.operation().is_none(),
            "the cursor was moved during an operation: wait for `poll_idle` first"
        );
        let unread = self.unread() as i64;
        if unread == 0 {
            return Ok(());
        }
        match self.seek_now(SeekFrom::Current(-unread)) {
            Ok(_) => self.progress.with(|state| state.buffer.discard_unread()),
            // A pipe or a terminal has no cursor: the bytes stay in the buffer.
            Err(error) if error.kind() == ErrorKind::NotSeekable => {}
            Err(error) => return Err(with_path("File::seek", self.path.as_deref(), error)),
        }
        Ok(())
    }
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_fill(cx, target.len()))?;
        Poll::Ready(Ok(self.progress.with(|state| state.buffer.copy_to(target))))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        targets: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_fill(cx, targets.iter().map(|target| target.len()).sum()))?;
        let copied = self.progress.with(|state| {
            let targets = targets.iter_mut();
            targets.map(|target| state.buffer.copy_to(target)).sum()
        });
        Poll::Ready(Ok(copied))
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let first = &bytes[..bytes.len().min(MAX_BYTES_PER_JOB)];
        self.poll_write_vectored(cx, &[IoSlice::new(first)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.progress.poll_idle(cx));
        self.take_write_error()?;
        let length = slices.iter().map(|slice| slice.len());
        let length = length.fold(0, usize::saturating_add).min(MAX_BYTES_PER_JOB);
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        self.rewind_unread()?;
        let mut bytes = Vec::with_capacity(length);
        for slice in slices {
            let room = length - bytes.len();
            bytes.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let work = self.work("File::write", move |file| file.write_all(&bytes));
        let operation = (Operation::Write, self.call("File::write"));
        self.progress.start(operation, work, |state, result| {
            state.write_error = result.err();
        });
        Poll::Ready(Ok(length))
    }

    /// Waits for the write in progress and returns its error. It does not sync to the disk.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.operation() == Some(Operation::Write) {
            ready!(self.progress.poll_idle(cx));
        }
        Poll::Ready(self.take_write_error())
    }

    /// Flushes the file; the descriptor is closed when the file is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    /// Moves the cursor, after the operation in progress. A seek from the end is a job, because
    /// some file systems do I/O to find the length; any other seek does no I/O.
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        let operation = Operation::Seek(target);
        if self.progress.operation() != Some(operation) {
            ready!(self.progress.poll_idle(cx));
            self.rewind_unread()?;
            if !matches!(target, SeekFrom::End(_)) {
                let moved = self.seek_now(target);
                let wrap = |error| with_path("File::seek", self.path.as_deref(), error);
                return Poll::Ready(moved.map_err(wrap));
            }
            let work = self.work("File::seek", move |file| file.seek(target));
            let operation = (operation, self.call("File::seek"));
            self.progress.start(operation, work, |state, result| {
                state.sought = Some(result);
            });
        }
        ready!(self.progress.poll_done(cx));
        let sought = self.progress.with(|state| state.sought.take());
        Poll::Ready(sought.expect("a seek that has completed has a result"))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let is_writing = self.progress.operation() == Some(Operation::Write);
        let has_error = self.progress.with(|state| state.write_error.is_some());
        if !(is_writing || has_error) || try_current().is_none() {
            return;
        }
        // No later operation can return the error of the last write, so it becomes a rejection.
        let progress = self.progress.clone();
        drop(try_spawn_lazy_at(self.location, async move {
            progress.clone().settled().await;
            let error = progress.with(|state| state.write_error.take());
            error.map_or(Ok(()), Err)
        }));
    }
}

impl From<std::fs::File> for File {
    #[track_caller]
    fn from(file: std::fs::File) -> File {
        File::from_std(file)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("operation", &self.progress.operation())
            .finish_non_exhaustive()
    }
}

fn with_path(verb: &'static str, path: Option<&Path>, error: io::Error) -> io::Error {
    match path {
        Some(path) => PathError::new(verb, path, None, error).into(),
        None => error,
    }
}
