//! Errors that name the operation and the path.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The payload of an error of [`fs`](crate::fs): the operation, the path, and the original error.
///
/// The enclosing `io::Error` has the kind of the original. Its `raw_os_error()` is `None`, because
/// an `io::Error` cannot hold both an error code and a payload; the code is available here.
///
/// # Examples
///
/// ```
/// use nodeloop::fs::{self, PathError};
///
/// let error = nodeloop::block_on(async { fs::read("not/there").await.unwrap_err() });
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert!(error.to_string().starts_with("read of \"not/there\": "));
///
/// let details = PathError::of(&error).unwrap();
/// assert_eq!(details.path(), "not/there");
/// assert!(details.raw_os_error().is_some());
/// ```
#[derive(Debug)]
pub struct PathError {
    operation: &'static str,
    path: PathBuf,
    other_path: Option<PathBuf>,
    error: io::Error,
    /// The type of an argument that was dropped before the job ran, if that may be the cause.
    dropped: Option<&'static str>,
}

impl PathError {
    /// Returns the details of an error returned by [`fs`](crate::fs).
    pub fn of(error: &io::Error) -> Option<&PathError> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns the name of the function that failed, such as `read`.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Returns the path of the operation, or the first one if there are two.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the second path of an operation on two paths, such as `rename`.
    pub fn other_path(&self) -> Option<&Path> {
        self.other_path.as_deref()
    }

    /// Returns the original error.
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    /// Returns the error code of the operating system, if the error has one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.error.raw_os_error()
    }

    /// Adds the operation and the path to `error`. `verb` is the public function with its module
    /// or type, such as `fs::read`.
    pub(super) fn new(
        verb: &'static str,
        path: &Path,
        other_path: Option<&Path>,
        error: io::Error,
    ) -> PathError {
        let operation = verb.rsplit("::").next().unwrap_or(verb);
        PathError {
            operation,
            path: path.to_owned(),
            other_path: other_path.map(Path::to_owned),
            error,
            dropped: None,
        }
    }

    /// Adds a hint to an error `NotFound`: the path argument was of the type `dropped`, which has a
    /// destructor, and was dropped before the job ran.
    pub(super) fn with_hint(mut self, dropped: Option<&'static str>) -> PathError {
        self.dropped = dropped.filter(|_| self.error.kind() == io::ErrorKind::NotFound);
        self
    }
}

impl From<PathError> for io::Error {
    fn from(error: PathError) -> io::Error {
        io::Error::new(error.error.kind(), error)
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.operation, self.path)?;
        if let Some(other_path) = &self.other_path {
            write!(f, " to {other_path:?}")?;
        }
        write!(f, ": {}", self.error)?;
        if let Some(dropped) = self.dropped {
            write!(
                f,
                "; if dropping a `{dropped}` removes its file, pass it by reference and keep it \
                 until the operation has finished"
            )?;
        }
        Ok(())
    }
}

/// The source is that of the original error, whose text `Display` contains.
impl Error for PathError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Returns the name of a type that may remove a file when it is dropped.
pub(super) fn type_with_destructor<P>() -> Option<&'static str> {
    let name = type_name::<P>();
    let is_of_std = ["std::", "alloc::", "core::"]
        .iter()
        .any(|krate| name.starts_with(krate));
    (std::mem::needs_drop::<P>() && !is_of_std).then_some(name)
}
