//! Metadata of a file, of the operating system or of a simulated disk.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::time::{Duration, SystemTime};

use super::platform;
use crate::reactor::disk::{Attributes, Kind};

/// Metadata of a file: that of [`std::fs::Metadata`].
///
/// On Unix it also implements [`std::os::unix::fs::MetadataExt`].
///
/// # Examples
///
/// ```
/// use nodeloop::fs;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("notes");
/// nodeloop::block_on(async move {
///     fs::write(&path, "text").await?;
///     let metadata = fs::metadata(&path).await?;
///     assert!(metadata.is_file());
///     assert_eq!(metadata.len(), 4);
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Metadata {
    pub(super) source: Source,
}

#[derive(Debug, Clone)]
pub(super) enum Source {
    Real(std::fs::Metadata),
    Simulated(Attributes),
}

impl Metadata {
    /// Returns the type of the file.
    pub fn file_type(&self) -> FileType {
        FileType(match &self.source {
            Source::Real(metadata) => TypeSource::Real(metadata.file_type()),
            Source::Simulated(attributes) => TypeSource::Simulated(attributes.kind),
        })
    }

    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Returns whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// Returns the size in bytes.
    #[expect(clippy::len_without_is_empty, reason = "as in std")]
    pub fn len(&self) -> u64 {
        match &self.source {
            Source::Real(metadata) => metadata.len(),
            Source::Simulated(attributes) => attributes.length,
        }
    }

    /// Returns the permissions.
    pub fn permissions(&self) -> Permissions {
        match &self.source {
            Source::Real(metadata) => metadata.permissions(),
            Source::Simulated(attributes) => platform::permissions(attributes),
        }
    }

    /// Returns the time of the last change of the contents.
    ///
    /// # Errors
    ///
    /// Returns an error if the platform has no such time.
    pub fn modified(&self) -> io::Result<SystemTime> {
        match &self.source {
            Source::Real(metadata) => metadata.modified(),
            Source::Simulated(attributes) => Ok(at(attributes.times.modified)),
        }
    }

    /// Returns the time of the last access.
    ///
    /// # Errors
    ///
    /// Returns an error if the platform has no such time.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        match &self.source {
            Source::Real(metadata) => metadata.accessed(),
            Source::Simulated(attributes) => Ok(at(attributes.times.accessed)),
        }
    }

    /// Returns the time of the creation.
    ///
    /// # Errors
    ///
    /// Returns an error if the platform or the file system has no such time.
    pub fn created(&self) -> io::Result<SystemTime> {
        match &self.source {
            Source::Real(metadata) => metadata.created(),
            Source::Simulated(attributes) => Ok(at(attributes.times.created)),
        }
    }

    /// Returns the metadata of the standard library, or `None` for a file of a simulated disk.
    pub fn as_std(&self) -> Option<&std::fs::Metadata> {
        match &self.source {
            Source::Real(metadata) => Some(metadata),
            Source::Simulated(_) => None,
        }
    }
}

impl From<std::fs::Metadata> for Metadata {
    fn from(metadata: std::fs::Metadata) -> Metadata {
        Metadata {
            source: Source::Real(metadata),
        }
    }
}

impl From<Attributes> for Metadata {
    fn from(attributes: Attributes) -> Metadata {
        Metadata {
            source: Source::Simulated(attributes),
        }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Real(metadata) => metadata.fmt(f),
            Source::Simulated(attributes) => attributes.fmt(f),
        }
    }
}

/// The type of a file: that of [`std::fs::FileType`].
///
/// On Unix it also implements [`std::os::unix::fs::FileTypeExt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileType(pub(super) TypeSource);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TypeSource {
    Real(std::fs::FileType),
    Simulated(Kind),
}

impl FileType {
    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        match self.0 {
            TypeSource::Real(file_type) => file_type.is_dir(),
            TypeSource::Simulated(kind) => kind == Kind::Directory,
        }
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        match self.0 {
            TypeSource::Real(file_type) => file_type.is_file(),
            TypeSource::Simulated(kind) => kind == Kind::File,
        }
    }

    /// Returns whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        match self.0 {
            TypeSource::Real(file_type) => file_type.is_symlink(),
            TypeSource::Simulated(kind) => kind == Kind::Symlink,
        }
    }
}

impl From<std::fs::FileType> for FileType {
    fn from(file_type: std::fs::FileType) -> FileType {
        FileType(TypeSource::Real(file_type))
    }
}

/// Returns a time; that of the epoch of Unix for one that can't be represented, which only a damaged recording
/// contains.
fn at(since_epoch: Duration) -> SystemTime {
    let epoch = SystemTime::UNIX_EPOCH;
    epoch.checked_add(since_epoch).unwrap_or(epoch)
}

/// Returns a time since the epoch of Unix; zero for an earlier one.
pub(super) fn since_epoch(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}
