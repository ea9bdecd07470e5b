//! Errors that name the program.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The details of an [`io::Error`] of starting a child.
///
/// The text of the error names the program, and the working directory if one was set, because a
/// missing directory is reported by the same code as a missing program. The `io::Error` has the kind
/// that the operating system has reported. Its `raw_os_error()` is `None`; use
/// [`SpawnError::raw_os_error`] instead.
///
/// # Examples
///
/// ```
/// use nodeloop::process::{Command, SpawnError};
///
/// let error = nodeloop::block_on(async { Command::new("not-there").spawn().unwrap_err() });
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert!(error.to_string().starts_with("spawn of \"not-there\": "));
///
/// let details = SpawnError::of(&error).unwrap();
/// assert_eq!(details.program(), "not-there");
/// assert!(details.raw_os_error().is_some());
/// ```
#[derive(Debug)]
pub struct SpawnError {
    program: OsString,
    current_dir: Option<PathBuf>,
    source: io::Error,
}

impl SpawnError {
    /// Returns the details of an error of starting a child.
    pub fn of(error: &io::Error) -> Option<&SpawnError> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns the program.
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// Returns the working directory, if one was set.
    pub fn current_dir(&self) -> Option<&Path> {
        self.current_dir.as_deref()
    }

    /// Returns the error code of the operating system, if the error has one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    pub(super) fn wrap(command: &Command, source: io::Error) -> io::Error {
        let kind = source.kind();
        let error = SpawnError {
            program: command.get_program().to_owned(),
            current_dir: command.get_current_dir().map(Path::to_owned),
            source,
        };
        io::Error::new(kind, error)
    }

    /// What the text of the system leaves out.
    fn advice(&self) -> Option<&'static str> {
        let is_name = Path::new(&self.program).components().count() == 1;
        match self.source.kind() {
            _ if self.program.is_empty() => Some("the name of the program is empty"),
            io::ErrorKind::NotFound if is_name && self.current_dir.is_none() => {
                Some("it was searched for in the directories of `PATH`")
            }
            io::ErrorKind::InvalidInput if self.raw_os_error().is_none() => {
                Some("the program, an argument, a variable or the directory contains it: remove it")
            }
            _ => None,
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spawn of {:?}", self.program)?;
        if let Some(directory) = &self.current_dir {
            write!(f, " in {directory:?}")?;
        }
        write!(f, ": {}", self.source)?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// The source is that of the original error, whose text `Display` contains.
impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}
