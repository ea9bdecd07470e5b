//! Records what enters a loop from outside, so that the run can be repeated without it.
//!
//! A [`FlightRecorder`] is passed to [`Builder::record`](crate::Builder::record), and
//! [`test::replay`](crate::test::replay) runs the same program again from the recording.
//! [`recording`](crate::recording) is something else: it shows the steps of a run, also those of a replay.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use crate::blocking::recorded_job_with;
use crate::promise::Promise;
use crate::reactor::journal::value::{Input, Output, Value};
use crate::reactor::journal::{Recorder, WriterSettings};

/// Records what enters a loop from outside, so that [`test::replay`](crate::test::replay) can run the
/// same program again without the outside.
///
/// [`Builder::record`](crate::Builder::record) installs it. [`guide::flight_recorder`](crate::guide::flight_recorder)
/// explains what is recorded, what a replay can't repeat, and the format.
///
/// There are two kinds. [`to_file`](FlightRecorder::to_file) writes everything to a file.
/// [`in_memory`](FlightRecorder::in_memory) keeps the last records, which are written to a file if the
/// run fails, or by [`save`](FlightRecorder::save).
///
/// # Examples
///
/// ```
/// use nodeloop::EventLoop;
/// use nodeloop::flight_recorder::FlightRecorder;
/// use nodeloop::test::{Log, Replayed, replay};
///
/// async fn program(log: Log) {
///     let text = nodeloop::fs::read_to_string("Cargo.toml").await.unwrap();
///     log.add(text.lines().next().unwrap());
/// }
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("run.flight");
/// let recorder = FlightRecorder::to_file(&path).payloads(true);
/// let log = Log::new();
/// EventLoop::builder().record(recorder).build()?.run(program(log.clone()))?;
///
/// // The file is not read again: the recording contains its text.
/// let replayed = Log::new();
/// let ended = replay(&path, async || program(replayed.clone()).await);
/// assert_eq!(ended, Replayed::Finished(()));
/// assert_eq!(replayed.labels(), log.labels());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FlightRecorder {
    settings: WriterSettings,
    /// The recorder of the loop that was built last.
    recorder: Rc<RefCell<Weak<Recorder>>>,
}

/// The default [limit](FlightRecorder::limit) of a file: 1 GiB.
const FILE_LIMIT: usize = 1 << 30;

/// The default [limit](FlightRecorder::limit) in memory: 4 MiB.
const MEMORY_LIMIT: usize = 4 << 20;

impl FlightRecorder {
    /// Records to a file, which is replaced when the loop is built.
    ///
    /// [`Builder::build`](crate::Builder::build) returns an error if the file can't be created, and one of the kind
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy) while another loop of this process records to it. A loop of
    /// another process, or one that has the file by a hard link, is not noticed: the two damage it.
    ///
    /// Records are written in blocks of 16 KiB, and the rest when the run fails and when the loop
    /// is dropped. A process that is killed loses what is not written; see
    /// [`flush`](FlightRecorder::flush). If the file can't be written, for example because the disk is full,
    /// the recording ends there and the loop goes on; [`flush`](FlightRecorder::flush) returns the error, and
    /// one that no call has returned is printed to stderr when the loop is dropped.
    pub fn to_file(path: impl AsRef<Path>) -> FlightRecorder {
        FlightRecorder::new(Some(path.as_ref().to_owned()), FILE_LIMIT)
    }

    /// Keeps the last records in memory.
    ///
    /// A replay needs the start of the loop. A recording that has exceeded its
    /// [limit](FlightRecorder::limit) has lost it and can only be
    /// [read](crate::test::Replay::lines).
    ///
    /// It records one loop at a time: [`Builder::build`](crate::Builder::build) returns an error of the kind
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy) while a loop that was built with a clone of it exists.
    pub fn in_memory() -> FlightRecorder {
        FlightRecorder::new(None, MEMORY_LIMIT)
    }

    fn new(file: Option<PathBuf>, limit: usize) -> FlightRecorder {
        FlightRecorder {
            settings: WriterSettings {
                file,
                on_failure: None,
                limit,
                payloads: false,
            },
            recorder: Rc::default(),
        }
    }

    /// Writes a recording in memory to a file when a run fails: on a panic that no listener handles, on
    /// an unhandled rejection, and if the main future returns an error.
    ///
    /// [`Builder::build`](crate::Builder::build) returns an error if the path is a directory, or its directory
    /// does not exist. If the file can't be written later, that is printed to stderr, and
    /// [`flush`](FlightRecorder::flush) returns the error.
    ///
    /// # Panics
    ///
    /// Panics if the recorder records [to a file](FlightRecorder::to_file), which contains the failed run
    /// anyway.
    #[track_caller]
    pub fn on_failure(mut self, path: impl AsRef<Path>) -> FlightRecorder {
        assert!(
            self.settings.file.is_none(),
            "`on_failure` was called for a recording to a file, which contains a failed run anyway: \
             remove the call, or record with `FlightRecorder::in_memory`"
        );
        self.settings.on_failure = Some(path.as_ref().to_owned());
        self
    }

    /// Sets whether the bytes that the program reads are recorded, or only their lengths. Off by default.
    ///
    /// This concerns sockets, pipes and files. Without the bytes a replay reads zeros, so a program
    /// that depends on them takes another way and the replay fails. A recording with the bytes contains
    /// whatever the program has read, passwords included.
    pub fn payloads(mut self, recorded: bool) -> FlightRecorder {
        self.settings.payloads = recorded;
        self
    }

    /// Sets the maximum number of bytes; 1 GiB in a file and 4 MiB in memory by default.
    ///
    /// A recording in a file ends at the limit, and can be replayed up to there. One in memory drops its
    /// oldest block. The limit is kept to within a block, which has 16 KiB or one longer record. A result of
    /// 256 MiB or more ends the recording.
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[track_caller]
    pub fn limit(mut self, bytes: usize) -> FlightRecorder {
        assert!(
            bytes > 0,
            "a limit of 0 bytes leaves nothing of a recording: pass at least the 16 KiB of a block"
        );
        self.settings.limit = bytes;
        self
    }

    /// Writes a recording in memory to a file. The loop goes on, and the recording, too.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if no loop with this recorder
    /// exists or if it records to a file.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.current()?.save(path.as_ref())
    }

    /// Writes what was recorded so far to the file of the recording.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, also one of an earlier write, after which
    /// nothing more is recorded. Returns an error if no loop with this recorder exists.
    pub fn flush(&self) -> io::Result<()> {
        self.current()?.flush()
    }

    fn current(&self) -> io::Result<Rc<Recorder>> {
        self.recorder.borrow().upgrade().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "no loop records with this recorder: call this while the loop exists",
            )
        })
    }

    pub(crate) fn settings(&self) -> WriterSettings {
        self.settings.clone()
    }

    /// Returns an error if a loop can't record with this now.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.recorder.borrow().strong_count() > 0 && self.settings.file.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another loop records with this recorder; use a recorder for each loop",
            ));
        }
        match &self.settings.on_failure {
            Some(path) => check_on_failure(path).map_err(|error| {
                let path = path.display();
                let text =
                    format!("the recording of a failed run can't be written to {path}: {error}");
                io::Error::new(error.kind(), text)
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn begin(&self, recorder: &Rc<Recorder>) {
        *self.recorder.borrow_mut() = Rc::downgrade(recorder);
    }
}

/// Returns an error if a file can't be created at `path`. It is not created, because the run may not fail.
fn check_on_failure(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    match fs::metadata(directory)?.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

impl<P: AsRef<Path>> From<P> for FlightRecorder {
    fn from(path: P) -> FlightRecorder {
        FlightRecorder::to_file(path)
    }
}

impl fmt::Debug for FlightRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlightRecorder")
            .field("file", &self.settings.file)
            .field("on_failure", &self.settings.on_failure)
            .field("limit", &self.settings.limit)
            .field("payloads", &self.settings.payloads)
            .finish_non_exhaustive()
    }
}

/// A value that a recording can contain, for the results of [`spawn_blocking`].
///
/// # Examples
///
/// ```
/// use nodeloop::flight_recorder::Recordable;
///
/// #[derive(Debug, PartialEq)]
/// struct Temperature(f64);
///
/// impl Recordable for Temperature {
///     fn to_bytes(&self) -> Vec<u8> {
///         self.0.to_le_bytes().to_vec()
///     }
///
///     fn from_bytes(bytes: &[u8]) -> Option<Temperature> {
///         Some(Temperature(f64::from_le_bytes(bytes.try_into().ok()?)))
///     }
/// }
/// # assert_eq!(Temperature::from_bytes(&Temperature(1.5).to_bytes()), Some(Temperature(1.5)));
/// ```
pub trait Recordable: Sized {
    /// Returns the bytes to record.
    fn to_bytes(&self) -> Vec<u8>;

    /// Returns the value of recorded bytes; `None` if they are not those of a value.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// The result of a job, with the codec of the program.
struct Recorded<T>(T);

impl<T: Recordable> Value for Recorded<T> {
    fn encode(&self, out: &mut Output) {
        out.text(&self.0.to_bytes());
    }

    fn decode(input: &mut Input<'_>) -> Option<Recorded<T>> {
        T::from_bytes(input.text()?).map(Recorded)
    }
}

/// Runs a job as [`nodeloop::spawn_blocking`](crate::spawn_blocking) does, and records its result.
///
/// A replay does not run the job; its promise has the recorded result. The result of any other job is
/// opaque: a replay runs the job again. Results are recorded whatever
/// [`payloads`](FlightRecorder::payloads) is. A loop without a recorder behaves as with
/// `nodeloop::spawn_blocking`.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn spawn_blocking<T: Recordable + Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> Promise<T> {
    let job = move || Recorded(job());
    recorded_job_with("flight_recorder::spawn_blocking", job, |result| result.0)
}
