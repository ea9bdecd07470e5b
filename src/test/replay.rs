//! Replays a recording of a [`FlightRecorder`](crate::flight_recorder::FlightRecorder).

mod explore;

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::observe::event::Event;
use crate::observe::{EventContext, Observer, ObserverHandle};
use crate::reactor::journal::format::{EndReason, NotAJournal, VERSION};
use crate::reactor::journal::{Divergence, Journal, NO_PAYLOADS, Reader};
use crate::runtime::{Builder, EventLoop, MainOutput, RunError};

/// Runs a program without the outside: what enters its loop comes from a recording.
///
/// `program` must be the program that was recorded by
/// [`Builder::record`](crate::Builder::record), as the main future of
/// [`EventLoop::run`]. Everything happens in the order of the recording, and each label of a
/// [`Log`](super::Log) is compared with the recorded one.
///
/// A recording of a run that has failed ends with the failure. As long as the program fails, so does
/// the replay; the mended program reaches the end of the recording, and the replay returns
/// [`Replayed::RecordingEnded`]. If the file is cut off or damaged, the replay ends there, prints that to
/// stderr, and returns [`Replayed::Damaged`].
///
/// [`guide::flight_recorder`](crate::guide::flight_recorder) has a complete example.
///
/// # Panics
///
/// Panics if the file can't be replayed, if the program does anything else than in the recording, and if
/// the run fails. The text of a difference has both sides. [`Replay`] returns these as errors.
#[track_caller]
pub fn replay<T, F>(path: impl AsRef<Path>, program: F) -> Replayed<T>
where
    T: MainOutput,
    F: AsyncFnOnce() -> T,
{
    let path = path.as_ref();
    let replay = match Replay::open(path) {
        Ok(replay) => replay,
        Err(error) => panic!("{error}"),
    };
    match replay.run(program) {
        Ok(replayed) => {
            if let Replayed::Damaged { byte, what } = replayed {
                let path = path.display();
                eprintln!("{path}: {what} (byte {byte}): replayed up to there");
            }
            replayed
        }
        Err(ReplayFailure::Run(RunError::Uncaught(error))) => {
            std::panic::resume_unwind(error.into_payload())
        }
        Err(ReplayFailure::RunWithoutPayloads(RunError::Uncaught(error))) => {
            eprintln!("{}: {NO_PAYLOADS}", path.display());
            std::panic::resume_unwind(error.into_payload())
        }
        Err(failure) => panic!("{}: {failure}", path.display()),
    }
}

/// How a replay without a failure has ended.
#[must_use = "a replay that has ended early has compared less than the whole run: assert how it has ended"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed<T> {
    /// The run has ended as in the recording.
    Finished(T),
    /// The program has done everything that is in the recording, which ends before the run does: the run
    /// had failed there, the recording was saved there, or it had reached its limit.
    RecordingEnded,
    /// The program has done everything up to the place where the file is cut off or damaged. What it did
    /// afterwards is not known: a failure that was recorded may be lost.
    Damaged {
        /// The place in the file.
        byte: usize,
        /// What is wrong with the file.
        what: &'static str,
    },
}

impl<T> Replayed<T> {
    /// Returns the output of the program, if it has finished.
    pub fn output(self) -> Option<T> {
        match self {
            Replayed::Finished(output) => Some(output),
            Replayed::RecordingEnded | Replayed::Damaged { .. } => None,
        }
    }
}

/// A recording that was opened for a replay.
#[must_use = "a recording does nothing until it is replayed"]
pub struct Replay {
    bytes: Rc<[u8]>,
    builder: Option<Builder>,
    /// Made on demand: they need more memory than the file.
    lines: OnceCell<Vec<String>>,
    damage: Option<String>,
}

impl Replay {
    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// Returns an error if the file can't be read, if it is no recording or one of another version of the
    /// format, and if it contains nothing. A recording that is damaged later can be replayed up to the
    /// damage; see [`damage`](Replay::damage).
    pub fn open(path: impl AsRef<Path>) -> Result<Replay, ReplayError> {
        let path = path.as_ref();
        let replay = match std::fs::read(path) {
            Ok(bytes) => Replay::from_bytes(bytes),
            Err(error) => Err(ReplayErrorKind::Io(error).into()),
        };
        replay.map_err(|error| ReplayError {
            path: Some(path.to_owned()),
            ..error
        })
    }

    /// Opens a recording that is in memory.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Replay::open).
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Replay, ReplayError> {
        let bytes: Rc<[u8]> = bytes.into();
        let reader = Reader::new(bytes.clone()).map_err(|error| match error {
            NotAJournal::Foreign => ReplayErrorKind::Foreign,
            NotAJournal::OtherVersion(version) => ReplayErrorKind::OtherVersion(version),
            NotAJournal::Incomplete => ReplayErrorKind::Incomplete,
        })?;
        let damage = reader.damage();
        let damage = damage.map(|(offset, what)| format!("{what} (byte {offset})"));
        let builder = match reader.has_start() {
            false => None,
            true => Some(Builder::of_recording(reader).ok_or(ReplayErrorKind::UnknownSettings)?),
        };
        Ok(Replay {
            bytes,
            builder,
            lines: OnceCell::new(),
            damage,
        })
    }

    /// Returns what is wrong with the file, if it does not contain the whole recording.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Returns the records in words, one each.
    pub fn lines(&self) -> &[String] {
        let lines = || {
            let reader = Reader::new(self.bytes.clone()).expect("it was opened before");
            reader.lines().collect()
        };
        self.lines.get_or_init(lines)
    }

    /// Registers an observer of the replay, for example a
    /// [`Recording`](crate::recording::Recording), which makes a page or a trace of it.
    #[track_caller]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Replay {
        self.builder = self.builder.map(|builder| builder.observer(observer));
        self
    }

    /// Replays a program as [`replay`] does.
    ///
    /// # Errors
    ///
    /// Returns an error if the program does anything else than in the recording, and the error of a run
    /// that fails.
    #[track_caller]
    pub fn run<T, F>(self, program: F) -> Result<Replayed<T>, ReplayFailure>
    where
        T: MainOutput,
        F: AsyncFnOnce() -> T,
    {
        let location = Location::caller();
        let (mut event_loop, journal) = self.build()?;
        let main = async move { program().await };
        let result = event_loop.run_pinned(location, std::pin::pin!(Some(main)));
        drop(event_loop);
        ended(&journal, result)
    }

    /// Replays what `drive` does with the loop, for a loop that was not run by [`EventLoop::run`], or was
    /// run several times.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`run`](Replay::run).
    pub fn run_with<T>(
        self,
        drive: impl FnOnce(&mut EventLoop) -> Result<T, RunError>,
    ) -> Result<Replayed<T>, ReplayFailure> {
        let (mut event_loop, journal) = self.build()?;
        let result = drive(&mut event_loop);
        drop(event_loop);
        ended(&journal, result)
    }

    fn build(self) -> Result<(EventLoop, Journal), ReplayFailure> {
        let builder = self.builder.ok_or(ReplayFailure::NoStart)?;
        let event_loop = builder.build().map_err(ReplayFailure::Build)?;
        let journal = event_loop.state().journal().cloned().expect("a replay");
        let noted = journal.clone();
        let note_steps = move |event: &Event, _: &EventContext<'_>| {
            let reader = noted.reader().expect("a replay");
            match event {
                Event::StepBegin(step) => {
                    reader.begin_step(format!("{} of {}", step.kind, step.location));
                }
                Event::StepEnd(_) => reader.end_step(),
                Event::RunBegin { location } => reader.begin_run(location),
                _ => {}
            }
        };
        let state = event_loop.state().clone();
        ObserverHandle::new(state, Rc::new(note_steps), Location::caller()).forget();
        Ok((event_loop, journal))
    }
}

/// Returns how the replay of a run with `result` has ended.
fn ended<T>(journal: &Journal, result: Result<T, RunError>) -> Result<Replayed<T>, ReplayFailure> {
    let reader = journal.reader().expect("a replay");
    if result.is_ok() {
        reader.finish();
    }
    let Some(divergence) = reader.divergence() else {
        let failure = match reader.has_zeros() {
            true => ReplayFailure::RunWithoutPayloads,
            false => ReplayFailure::Run,
        };
        return result.map(Replayed::Finished).map_err(failure);
    };
    // The program may only have done more than the recording contains, which ends before its run does.
    match (divergence.end, divergence.damage) {
        (Some(EndReason::LoopEnded), _) => {}
        (Some(_), _) => return Ok(Replayed::RecordingEnded),
        (None, Some((byte, what))) if divergence.recorded.is_none() => {
            return Ok(Replayed::Damaged { byte, what });
        }
        (None, _) => {}
    }
    Err(ReplayFailure::Diverged(DivergenceReport(divergence)))
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("bytes", &self.bytes.len())
            .field("damage", &self.damage)
            .finish_non_exhaustive()
    }
}

/// The error of a file that can't be replayed.
pub struct ReplayError {
    path: Option<PathBuf>,
    kind: ReplayErrorKind,
}

/// Why a file can't be replayed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayErrorKind {
    /// The file can't be read.
    Io(io::Error),
    /// The file is no recording.
    Foreign,
    /// The recording has another version of the format.
    OtherVersion(u64),
    /// The file ends within its head.
    Incomplete,
    /// The loop of the recording has settings that this version does not have.
    UnknownSettings,
}

impl ReplayError {
    /// Returns why the file can't be replayed.
    pub fn kind(&self) -> &ReplayErrorKind {
        &self.kind
    }

    /// Returns the path of the file, if one was [opened](Replay::open).
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl From<ReplayErrorKind> for ReplayError {
    fn from(kind: ReplayErrorKind) -> ReplayError {
        ReplayError { path: None, kind }
    }
}

impl fmt::Debug for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        match &self.kind {
            ReplayErrorKind::Io(error) => write!(f, "the recording can't be read: {error}"),
            ReplayErrorKind::Foreign => {
                f.write_str("the file is no recording of a flight recorder: pass one")
            }
            ReplayErrorKind::OtherVersion(version) => write!(
                f,
                "the recording has version {version} of the format, and this crate reads version \
                 {VERSION}: replay it with the version of the crate that recorded it"
            ),
            ReplayErrorKind::Incomplete => {
                f.write_str("the file ends before the first record: record it again")
            }
            ReplayErrorKind::UnknownSettings => f.write_str(
                "the recorded loop has settings that this version of the crate does not know: replay it \
                 with the version that recorded it",
            ),
        }
    }
}

impl Error for ReplayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            ReplayErrorKind::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a replay has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayFailure {
    /// The program has done something else than in the recording.
    Diverged(DivergenceReport),
    /// The run has failed, as in the recording or instead of what follows there.
    Run(RunError),
    /// The run has failed after the program has read zeros, because the recording has no
    /// [payloads](crate::flight_recorder::FlightRecorder::payloads).
    RunWithoutPayloads(RunError),
    /// The recording was kept in memory and has lost its start.
    NoStart,
    /// The loop can't be built.
    Build(io::Error),
}

impl fmt::Display for ReplayFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayFailure::Diverged(report) => report.fmt(f),
            ReplayFailure::Run(error) => write!(f, "the replayed run has failed: {error}"),
            ReplayFailure::RunWithoutPayloads(error) => {
                write!(f, "the replayed run has failed: {error}\n{NO_PAYLOADS}")
            }
            ReplayFailure::NoStart => f.write_str(
                "the recording has dropped its start to keep its limit: record with a higher \
                 `FlightRecorder::limit`",
            ),
            ReplayFailure::Build(error) => {
                write!(f, "the loop of the replay could not be built: {error}")
            }
        }
    }
}

impl Error for ReplayFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReplayFailure::Run(error) | ReplayFailure::RunWithoutPayloads(error) => Some(error),
            ReplayFailure::Build(error) => Some(error),
            _ => None,
        }
    }
}

/// The first difference between a recording and the program that was replayed.
///
/// Its text has both sides, the places in the source, and the records before.
#[derive(Clone)]
pub struct DivergenceReport(Divergence);

impl DivergenceReport {
    /// Returns the number of the record at which they differ.
    pub fn record(&self) -> usize {
        self.0.record
    }

    /// Returns what the recording contains there; `None` if it has ended.
    pub fn recorded(&self) -> Option<&str> {
        self.0.recorded.as_deref()
    }

    /// Returns what the program did instead.
    pub fn program(&self) -> &str {
        &self.0.program
    }
}

impl fmt::Debug for DivergenceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DivergenceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
