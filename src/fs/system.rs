//! The calls of the file system that [`fs`](super) makes: those of the operating system, or of the disk
//! of a simulated host.
//!
//! This is the only place that knows which of the two it is. Everything else passes a [`FileSystem`] into
//! the job, and keeps a [`Handle`].

use std::fs::{FileTimes, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::metadata::Metadata;
use super::open_options::Opening;
use super::platform;
use super::read_dir::Entries;
use super::times;
use crate::event_loop::current::try_current;
use crate::reactor::disk::{Disk, DiskFile};

/// The file system of a loop.
#[derive(Clone)]
pub(super) enum FileSystem {
    Real,
    Simulated(Disk),
}

/// An open file.
pub(super) enum Handle {
    Real(std::fs::File),
    Simulated(DiskFile),
}

impl FileSystem {
    /// Returns the file system of the running loop.
    pub(super) fn current() -> FileSystem {
        let disk = try_current().and_then(|state| {
            let host = state.world()?;
            Some(host.disk())
        });
        disk.map_or(FileSystem::Real, FileSystem::Simulated)
    }

    pub(super) fn open(&self, opening: &Opening, path: &Path) -> io::Result<Handle> {
        match self {
            FileSystem::Real => opening.options.open(path).map(Handle::Real),
            FileSystem::Simulated(disk) => {
                let flags = opening.flags()?;
                disk.open(path, flags).map(Handle::Simulated)
            }
        }
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            FileSystem::Real => std::fs::read(path),
            FileSystem::Simulated(disk) => disk.read_all(path),
        }
    }

    pub(super) fn read_to_string(&self, path: &Path) -> io::Result<String> {
        match self {
            FileSystem::Real => std::fs::read_to_string(path),
            // Through a reader, so that the error for invalid text is that of std.
            FileSystem::Simulated(disk) => io::read_to_string(&*disk.read_all(path)?),
        }
    }

    pub(super) fn write(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        match self {
            FileSystem::Real => std::fs::write(path, contents),
            FileSystem::Simulated(disk) => disk.write_all(path, contents),
        }
    }

    pub(super) fn copy(&self, from: &Path, to: &Path) -> io::Result<u64> {
        match self {
            FileSystem::Real => std::fs::copy(from, to),
            FileSystem::Simulated(disk) => disk.copy(from, to),
        }
    }

    pub(super) fn create_dir(
        &self,
        path: &Path,
        mode: &platform::DirMode,
        recursive: bool,
    ) -> io::Result<()> {
        match self {
            FileSystem::Real => mode.to_std().recursive(recursive).create(path),
            FileSystem::Simulated(disk) if recursive => disk.create_dirs(path, mode.bits()),
            FileSystem::Simulated(disk) => disk.create_dir(path, mode.bits()),
        }
    }

    pub(super) fn remove_file(&self, path: &Path) -> io::Result<()> {
        match self {
            FileSystem::Real => std::fs::remove_file(path),
            FileSystem::Simulated(disk) => disk.remove_file(path),
        }
    }

    pub(super) fn remove_dir(&self, path: &Path) -> io::Result<()> {
        match self {
            FileSystem::Real => std::fs::remove_dir(path),
            FileSystem::Simulated(disk) => disk.remove_dir(path),
        }
    }

    pub(super) fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        match self {
            FileSystem::Real => std::fs::remove_dir_all(path),
            FileSystem::Simulated(disk) => disk.remove_dir_all(path),
        }
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            FileSystem::Real => std::fs::rename(from, to),
            FileSystem::Simulated(disk) => disk.rename(from, to),
        }
    }

    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        match self {
            FileSystem::Real => std::fs::metadata(path).map(Metadata::from),
            FileSystem::Simulated(disk) => disk.metadata(path).map(Metadata::from),
        }
    }

    pub(super) fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        match self {
            FileSystem::Real => std::fs::symlink_metadata(path).map(Metadata::from),
            FileSystem::Simulated(disk) => disk.symlink_metadata(path).map(Metadata::from),
        }
    }

    pub(super) fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        match self {
            FileSystem::Real => std::fs::canonicalize(path),
            FileSystem::Simulated(disk) => disk.canonicalize(path),
        }
    }

    pub(super) fn hard_link(&self, original: &Path, link: &Path) -> io::Result<()> {
        match self {
            FileSystem::Real => std::fs::hard_link(original, link),
            FileSystem::Simulated(disk) => disk.hard_link(original, link),
        }
    }

    /// Creates a symbolic link; `real` is the function of std.
    pub(super) fn symlink(
        &self,
        original: &Path,
        link: &Path,
        real: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            FileSystem::Real => real(original, link),
            FileSystem::Simulated(disk) => disk.symlink(original, link),
        }
    }

    pub(super) fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        match self {
            FileSystem::Real => std::fs::read_link(path),
            FileSystem::Simulated(disk) => disk.read_link(path),
        }
    }

    pub(super) fn set_permissions(&self, path: &Path, permissions: Permissions) -> io::Result<()> {
        match self {
            FileSystem::Real => std::fs::set_permissions(path, permissions),
            FileSystem::Simulated(disk) => disk.set_mode(path, platform::mode_of(&permissions)),
        }
    }

    pub(super) fn try_exists(&self, path: &Path) -> io::Result<bool> {
        match self {
            FileSystem::Real => std::fs::exists(path),
            FileSystem::Simulated(disk) => disk.try_exists(path),
        }
    }

    pub(super) fn read_dir(&self, path: &Arc<Path>) -> io::Result<Entries> {
        match self {
            FileSystem::Real => {
                let entries = std::fs::read_dir(path)?;
                Ok(Entries::Real(Box::new(entries)))
            }
            FileSystem::Simulated(disk) => {
                let entries = disk.read_dir(path)?.into_iter();
                Ok(Entries::Simulated(disk.clone(), path.clone(), entries))
            }
        }
    }
}

impl Handle {
    pub(super) fn read(&self, target: &mut [u8]) -> io::Result<usize> {
        match self {
            Handle::Real(file) => (&*file).read(target),
            Handle::Simulated(file) => file.read(target),
        }
    }

    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Handle::Real(file) => (&*file).write_all(bytes),
            Handle::Simulated(file) => file.write_all(bytes),
        }
    }

    pub(super) fn seek(&self, target: SeekFrom) -> io::Result<u64> {
        match self {
            Handle::Real(file) => (&*file).seek(target),
            Handle::Simulated(file) => file.seek(target),
        }
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Handle::Real(file) => file.metadata().map(Metadata::from),
            Handle::Simulated(file) => file.metadata().map(Metadata::from),
        }
    }

    pub(super) fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        match self {
            Handle::Real(file) => file.set_permissions(permissions),
            Handle::Simulated(file) => file.set_mode(platform::mode_of(&permissions)),
        }
    }

    pub(super) fn set_times(&self, times: FileTimes) -> io::Result<()> {
        match self {
            Handle::Real(file) => file.set_times(times),
            Handle::Simulated(file) => {
                let [accessed, modified] = times::parts(times)?;
                file.set_times(accessed, modified)
            }
        }
    }

    pub(super) fn set_len(&self, size: u64) -> io::Result<()> {
        match self {
            Handle::Real(file) => file.set_len(size),
            Handle::Simulated(file) => file.set_len(size),
        }
    }

    pub(super) fn sync_all(&self) -> io::Result<()> {
        match self {
            Handle::Real(file) => file.sync_all(),
            Handle::Simulated(file) => file.sync(),
        }
    }

    pub(super) fn sync_data(&self) -> io::Result<()> {
        match self {
            Handle::Real(file) => file.sync_data(),
            Handle::Simulated(file) => file.sync(),
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Handle> {
        match self {
            Handle::Real(file) => file.try_clone().map(Handle::Real),
            Handle::Simulated(file) => file.try_clone().map(Handle::Simulated),
        }
    }

    /// Returns the file of the standard library.
    pub(super) fn into_std(self) -> io::Result<std::fs::File> {
        match self {
            Handle::Real(file) => Ok(file),
            Handle::Simulated(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a file of a simulated disk is no file of the standard library; use the methods of \
                 `nodeloop::fs::File` instead",
            )),
        }
    }
}
