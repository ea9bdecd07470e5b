//! The errors of a simulated disk, which are those of Linux.

use std::io;

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    AlreadyExists,
    BadDescriptor,
    Busy,
    DirectoryNotEmpty,
    FileTooLarge,
    InvalidInput,
    Io,
    IsADirectory,
    NameTooLong,
    NoSuchDevice,
    NotADirectory,
    NotFound,
    NotOwner,
    PermissionDenied,
    StorageFull,
    TooManyLinks,
    TooManyOpenFiles,
}

pub(crate) type Result<T> = std::result::Result<T, Errno>;

#[cfg(unix)]
impl From<Errno> for io::Error {
    /// Returns the error as the operating system reports it, with its number.
    fn from(errno: Errno) -> io::Error {
        use rustix::io::Errno as System;

        let errno = match errno {
            Errno::AlreadyExists => System::EXIST,
            Errno::BadDescriptor => System::BADF,
            Errno::Busy => System::BUSY,
            Errno::DirectoryNotEmpty => System::NOTEMPTY,
            Errno::FileTooLarge => System::FBIG,
            Errno::InvalidInput => System::INVAL,
            Errno::Io => System::IO,
            Errno::IsADirectory => System::ISDIR,
            Errno::NameTooLong => System::NAMETOOLONG,
            Errno::NoSuchDevice => System::NXIO,
            Errno::NotADirectory => System::NOTDIR,
            Errno::NotFound => System::NOENT,
            Errno::NotOwner => System::PERM,
            Errno::PermissionDenied => System::ACCESS,
            Errno::StorageFull => System::NOSPC,
            Errno::TooManyLinks => System::LOOP,
            Errno::TooManyOpenFiles => System::MFILE,
        };
        errno.into()
    }
}

#[cfg(not(unix))]
impl From<Errno> for io::Error {
    /// Returns the error by its kind. The numbers of this system differ from those of Linux.
    fn from(errno: Errno) -> io::Error {
        use io::ErrorKind;

        match errno {
            Errno::AlreadyExists => ErrorKind::AlreadyExists.into(),
            Errno::BadDescriptor => io::Error::other("bad file descriptor"),
            Errno::Busy => ErrorKind::ResourceBusy.into(),
            Errno::DirectoryNotEmpty => ErrorKind::DirectoryNotEmpty.into(),
            Errno::FileTooLarge => ErrorKind::FileTooLarge.into(),
            Errno::InvalidInput => ErrorKind::InvalidInput.into(),
            Errno::Io => io::Error::other("input/output error"),
            Errno::IsADirectory => ErrorKind::IsADirectory.into(),
            Errno::NameTooLong => ErrorKind::InvalidFilename.into(),
            Errno::NoSuchDevice => io::Error::other("no such device or address"),
            Errno::NotADirectory => ErrorKind::NotADirectory.into(),
            Errno::NotFound => ErrorKind::NotFound.into(),
            Errno::NotOwner | Errno::PermissionDenied => ErrorKind::PermissionDenied.into(),
            Errno::StorageFull => ErrorKind::StorageFull.into(),
            Errno::TooManyLinks => io::Error::other("too many levels of symbolic links"),
            Errno::TooManyOpenFiles => io::Error::other("too many open files"),
        }
    }
}
