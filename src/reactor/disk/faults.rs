//! Faults of a disk that a test asks for.

use std::fmt;
use std::path::{Path, PathBuf};

use super::errno::{Errno, Result};
use super::volume::{Last, Volume, parts};
use crate::reactor::choices::{Choices, Seed};

/// An operation of a disk, as the operating system has it.
///
/// A function of [`fs`](crate::fs) may use several: `fs::read` opens a file and reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskOperation {
    /// Opening a file or a directory, which may create a file.
    Open,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Making a file or the entries of a directory durable.
    Sync,
    /// Changing the length of a file.
    SetLength,
    /// Creating a directory, a link, or the name of a Unix domain socket.
    Create,
    /// Removing a file or a directory.
    Remove,
    /// Renaming a file or a directory.
    Rename,
    /// Reading metadata, the target of a link, or a canonical path.
    Metadata,
    /// Changing permissions, owners or times.
    SetMetadata,
}

/// An error that a [`DiskFault`] causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskError {
    /// The device fails: `EIO`.
    Io,
    /// There is no space left: `ENOSPC`.
    Full,
    /// The process has too many open files: `EMFILE`.
    TooManyOpenFiles,
    /// The process lacks a permission: `EACCES`.
    PermissionDenied,
}

/// A fault of a [`Disk`](super::Disk), which is installed by [`Disk::inject`](super::Disk::inject).
///
/// # Examples
///
/// ```
/// use nodeloop::test::{Disk, DiskError, DiskFault, DiskOperation};
///
/// let disk = Disk::new();
/// // The second sync of the log fails, and only this one.
/// let fault = DiskFault::error(DiskOperation::Sync, DiskError::Io);
/// disk.inject(fault.on("/log").after(1).times(1));
/// // One of ten reads returns at most 100 bytes.
/// disk.inject(DiskFault::short(DiskOperation::Read, 100).with_probability(0.1));
/// ```
#[derive(Debug, Clone)]
pub struct DiskFault {
    operation: DiskOperation,
    effect: Effect,
    path: Option<PathBuf>,
    after: u64,
    times: Option<u64>,
    probability: f64,
    /// How many operations it could have concerned.
    seen: u64,
    fired: u64,
}

#[derive(Debug, Clone, Copy)]
enum Effect {
    Error(DiskError),
    /// Reads or writes at most so many bytes.
    Short(usize),
}

/// How many bytes an operation moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent(usize);

impl Extent {
    pub(super) fn of(bytes: usize) -> Extent {
        Extent(bytes)
    }
}

impl DiskFault {
    /// Returns a fault that makes `operation` fail, every time and on every path.
    pub fn error(operation: DiskOperation, error: DiskError) -> DiskFault {
        DiskFault::new(operation, Effect::Error(error))
    }

    /// Returns a fault that lets `operation`, a read or a write, move at most `max_bytes` bytes.
    ///
    /// # Panics
    ///
    /// Panics if `max_bytes` is 0, and if `operation` neither reads nor writes.
    pub fn short(operation: DiskOperation, max_bytes: usize) -> DiskFault {
        assert!(
            max_bytes > 0,
            "a short operation moves nothing: pass at least 1 byte"
        );
        assert!(
            matches!(operation, DiskOperation::Read | DiskOperation::Write),
            "`{operation:?}` moves no bytes: pass `Read` or `Write`"
        );
        DiskFault::new(operation, Effect::Short(max_bytes))
    }

    fn new(operation: DiskOperation, effect: Effect) -> DiskFault {
        DiskFault {
            operation,
            effect,
            path: None,
            after: 0,
            times: None,
            probability: 1.0,
            seen: 0,
            fired: 0,
        }
    }

    /// Restricts the fault to `path` and what is below it.
    ///
    /// An operation on an open file has the path that the file was opened with. Symbolic links are
    /// not followed.
    #[must_use]
    pub fn on(mut self, path: impl AsRef<Path>) -> DiskFault {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// Lets `count` operations pass before the fault takes effect.
    #[must_use]
    pub fn after(mut self, count: u64) -> DiskFault {
        self.after = count;
        self
    }

    /// Removes the fault after it has taken effect `count` times.
    #[must_use]
    pub fn times(mut self, count: u64) -> DiskFault {
        self.times = Some(count);
        self
    }

    /// Lets the fault take effect with this probability.
    ///
    /// # Panics
    ///
    /// Panics if `probability` is not between 0 and 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> DiskFault {
        assert!(
            (0.0..=1.0).contains(&probability),
            "the probability is {probability}: pass a number between 0 and 1"
        );
        self.probability = probability;
        self
    }

    fn concerns(&self, operation: DiskOperation, path: &Path) -> bool {
        let is_at = |wanted: &PathBuf| is_within(path, wanted);
        self.operation == operation && self.path.as_ref().is_none_or(is_at)
    }

    fn fires(&mut self, choices: &Choices, path: &Path) -> bool {
        self.seen += 1;
        let is_spent = self.times.is_some_and(|times| self.fired >= times);
        if self.seen <= self.after || is_spent {
            return false;
        }
        let (effect, operation) = (self.effect, self.operation);
        let describe = || format!("{effect:?} of {operation:?} on {path:?}");
        let fires = choices.happens(self.probability, describe);
        self.fired += u64::from(fires);
        fires
    }
}

/// Prints what the fault is, such as `Error(Io) of Sync on "/log"`.
impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.effect, self.operation)?;
        match &self.path {
            Some(path) => write!(f, " on {path:?}"),
            None => Ok(()),
        }
    }
}

/// Returns whether `path` is `outer` or below it, both seen from the root.
fn is_within(path: &Path, outer: &Path) -> bool {
    let names = |path: &Path| {
        let parts = parts(path).unwrap_or_default();
        let is_name = |part: &Last| !matches!(part, Last::Root | Last::Dot);
        parts.into_iter().filter(is_name).collect::<Vec<_>>()
    };
    names(path).starts_with(&names(outer))
}

/// The faults of a disk.
pub(super) struct Faults {
    installed: Vec<DiskFault>,
    pub(super) choices: Choices,
}

/// The number of the seed of a disk that belongs to no world.
const WITHOUT_WORLD: u64 = u64::MAX;

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            installed: Vec::new(),
            choices: Choices::new(Seed::new(WITHOUT_WORLD)),
        }
    }
}

impl Faults {
    pub(super) fn install(&mut self, fault: DiskFault) {
        self.installed.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.installed.clear();
    }

    /// Describes the faults that have never taken effect.
    pub(super) fn unfired(&self) -> Vec<String> {
        let unfired = self.installed.iter().filter(|fault| fault.fired == 0);
        let describe = |it: &DiskFault| format!("{it}, which saw {} operations", it.seen);
        unfired.map(describe).collect()
    }

    /// Describes all faults, each with whether it has taken effect.
    pub(super) fn outcomes(&self) -> Vec<(String, bool)> {
        let outcome = |fault: &DiskFault| (fault.to_string(), fault.fired > 0);
        self.installed.iter().map(outcome).collect()
    }
}

impl Volume {
    /// Fails if a fault makes an operation on `path` fail.
    pub(super) fn fault(&mut self, operation: DiskOperation, path: &Path) -> Result<()> {
        self.faults_of(operation, path, Extent(0)).map(drop)
    }

    /// Returns how many bytes an operation may move, or the error of a fault.
    pub(super) fn faults_of(
        &mut self,
        operation: DiskOperation,
        path: &Path,
        Extent(mut count): Extent,
    ) -> Result<usize> {
        let Faults { installed, choices } = &mut self.faults;
        for fault in installed {
            if fault.concerns(operation, path) && fault.fires(choices, path) {
                match fault.effect {
                    Effect::Error(error) => return Err(error.into()),
                    Effect::Short(max_bytes) => count = count.min(max_bytes),
                }
            }
        }
        Ok(count)
    }
}

impl From<DiskError> for Errno {
    fn from(error: DiskError) -> Errno {
        match error {
            DiskError::Io => Errno::Io,
            DiskError::Full => Errno::StorageFull,
            DiskError::TooManyOpenFiles => Errno::TooManyOpenFiles,
            DiskError::PermissionDenied => Errno::PermissionDenied,
        }
    }
}
