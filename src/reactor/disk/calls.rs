//! The functions of `std::fs`, made of the operations of a disk in the way in which those of std are
//! made of system calls on Linux.

use std::collections::BTreeMap;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::errno::{Errno, Result};
use super::files::FileId;
use super::inode::InodeNumber;
use super::volume::ROOT;
use super::{Attributes, Disk, EntryFacts, Follow, Kind, Node, OpenFlags, Position, Volume};

/// A descriptor of an open file on a disk. It is closed when it is dropped.
pub(crate) struct DiskFile {
    disk: Disk,
    id: FileId,
}

/// How many bytes a copy moves at once.
const COPIED_AT_ONCE: usize = 64 * 1024;

impl Disk {
    pub(crate) fn open(&self, path: &Path, flags: OpenFlags) -> io::Result<DiskFile> {
        let id = self.lock().open(path, flags)?;
        let disk = self.clone();
        Ok(DiskFile { disk, id })
    }

    pub(crate) fn read_all(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.lock().read_file(path)?)
    }

    pub(crate) fn write_all(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        Ok(self.lock().write_file(path, contents)?)
    }

    pub(crate) fn copy(&self, from: &Path, to: &Path) -> io::Result<u64> {
        Ok(self.lock().copy(from, to)?)
    }

    pub(crate) fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        Ok(self.lock().create_dir(path, mode)?)
    }

    pub(crate) fn create_dirs(&self, path: &Path, mode: u32) -> io::Result<()> {
        Ok(self.lock().create_dir_all(path, mode)?)
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        Ok(self.lock().remove_file(path)?)
    }

    pub(crate) fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Ok(self.lock().remove_dir(path)?)
    }

    pub(crate) fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        Ok(self.lock().remove_dir_all(path)?)
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(self.lock().rename(from, to)?)
    }

    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Attributes> {
        Ok(self.lock().metadata(path, Follow::Yes)?)
    }

    pub(crate) fn symlink_metadata(&self, path: &Path) -> io::Result<Attributes> {
        Ok(self.lock().metadata(path, Follow::IfSlash)?)
    }

    pub(crate) fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.lock().canonicalize(path)?)
    }

    pub(crate) fn hard_link(&self, original: &Path, link: &Path) -> io::Result<()> {
        Ok(self.lock().hard_link(original, link)?)
    }

    pub(crate) fn symlink(&self, original: &Path, link: &Path) -> io::Result<()> {
        Ok(self.lock().symlink(original, link)?)
    }

    /// Creates the name of a Unix domain socket, and returns the number of its inode.
    pub(crate) fn create_socket(&self, path: &Path) -> io::Result<InodeNumber> {
        Ok(self.lock().create_socket(path)?)
    }

    /// Returns the inode of a Unix domain socket to which the program may connect, or `None` if the path
    /// leads to something else.
    pub(crate) fn find_socket(&self, path: &Path) -> io::Result<Option<InodeNumber>> {
        Ok(self.lock().find_socket(path)?)
    }

    pub(crate) fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.lock().read_link(path)?)
    }

    pub(crate) fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        Ok(self.lock().set_mode(path, mode)?)
    }

    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has owners"))]
    pub(crate) fn set_owner(
        &self,
        path: &Path,
        (user, group): (Option<u32>, Option<u32>),
        follows: bool,
    ) -> io::Result<()> {
        let follow = if follows {
            Follow::Yes
        } else {
            Follow::IfSlash
        };
        Ok(self.lock().set_owner((path, follow), user, group)?)
    }

    pub(crate) fn try_exists(&self, path: &Path) -> io::Result<bool> {
        match self.lock().metadata(path, Follow::Yes) {
            Ok(_) => Ok(true),
            Err(Errno::NotFound) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Returns the entries of a directory, sorted by name.
    pub(crate) fn read_dir(&self, path: &Path) -> io::Result<Vec<EntryFacts>> {
        Ok(self.lock().read_dir(path)?)
    }
}

impl DiskFile {
    fn call<T>(&self, call: impl FnOnce(&mut Volume, FileId) -> Result<T>) -> io::Result<T> {
        Ok(call(&mut self.disk.lock(), self.id)?)
    }

    pub(crate) fn read(&self, target: &mut [u8]) -> io::Result<usize> {
        self.call(|volume, id| volume.read(id, Position::Cursor, target))
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.call(|volume, id| volume.write_all(id, Position::Cursor, bytes))
    }

    #[cfg_attr(windows, allow(dead_code, reason = "`fs` has it only on Unix"))]
    pub(crate) fn read_at(&self, target: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(|volume, id| volume.read(id, Position::At(offset), target))
    }

    #[cfg_attr(windows, allow(dead_code, reason = "`fs` has it only on Unix"))]
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.call(|volume, id| volume.write(id, Position::At(offset), bytes))
    }

    #[cfg_attr(windows, allow(dead_code, reason = "`fs` has it only on Unix"))]
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.call(|volume, id| volume.write_all(id, Position::At(offset), bytes))
    }

    pub(crate) fn seek(&self, target: SeekFrom) -> io::Result<u64> {
        self.call(|volume, id| volume.seek(id, target))
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.call(|volume, id| volume.set_length(id, length))
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.call(Volume::sync_file)
    }

    pub(crate) fn metadata(&self) -> io::Result<Attributes> {
        self.call(Volume::file_attributes)
    }

    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.call(|volume, id| volume.set_file_mode(id, mode))
    }

    #[cfg_attr(windows, allow(dead_code, reason = "`fs` has it only on Unix"))]
    pub(crate) fn set_owner(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        self.call(|volume, id| volume.set_file_owner(id, user, group))
    }

    pub(crate) fn set_times(
        &self,
        accessed: Option<Duration>,
        modified: Option<Duration>,
    ) -> io::Result<()> {
        self.call(|volume, id| volume.set_times(id, accessed, modified))
    }

    pub(crate) fn try_clone(&self) -> io::Result<DiskFile> {
        self.call(Volume::duplicate)?;
        let disk = self.disk.clone();
        Ok(DiskFile { disk, id: self.id })
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        self.disk.lock().close(self.id);
    }
}

impl Volume {
    /// Opens a file for `call`, and closes it.
    fn with_file<T>(
        &mut self,
        path: &Path,
        flags: OpenFlags,
        call: impl FnOnce(&mut Volume, FileId) -> Result<T>,
    ) -> Result<T> {
        let id = self.open(path, flags)?;
        let result = call(self, id);
        self.close(id);
        result
    }

    pub(super) fn read_file(&mut self, path: &Path) -> Result<Vec<u8>> {
        self.with_file(path, OpenFlags::for_reading(), |volume, id| {
            let mut bytes = Vec::new();
            let mut buffer = vec![0; COPIED_AT_ONCE];
            loop {
                match volume.read(id, Position::Cursor, &mut buffer)? {
                    0 => return Ok(bytes),
                    count => bytes.extend_from_slice(&buffer[..count]),
                }
            }
        })
    }

    pub(super) fn write_file(&mut self, path: &Path, contents: &[u8]) -> Result<()> {
        self.with_file(path, OpenFlags::for_replacing(None), |volume, id| {
            volume.write_all(id, Position::Cursor, contents)
        })
    }

    /// Copies the contents and the permissions, as `std::fs::copy` does.
    fn copy(&mut self, from: &Path, to: &Path) -> Result<u64> {
        self.with_file(from, OpenFlags::for_reading(), |volume, source| {
            let facts = volume.file_attributes(source)?;
            if facts.kind != Kind::File {
                return Err(Errno::InvalidInput);
            }
            let flags = OpenFlags::for_replacing(Some(facts.mode));
            volume.with_file(to, flags, |volume, target| {
                volume.set_file_mode(target, facts.mode)?;
                let mut buffer = vec![0; COPIED_AT_ONCE];
                let mut copied = 0;
                loop {
                    let count = volume.read(source, Position::Cursor, &mut buffer)?;
                    if count == 0 {
                        return Ok(copied);
                    }
                    volume.write_all(target, Position::Cursor, &buffer[..count])?;
                    copied += count as u64;
                }
            })
        })
    }

    pub(super) fn create_dir_all(&mut self, path: &Path, mode: u32) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        match self.create_dir(path, mode) {
            Ok(()) => return Ok(()),
            Err(Errno::NotFound) => {}
            Err(_) if self.is_directory_at(path) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        let parent = path.parent().ok_or(Errno::NotFound)?;
        self.create_dir_all(parent, mode)?;
        match self.create_dir(path, mode) {
            Err(_) if self.is_directory_at(path) => Ok(()),
            result => result,
        }
    }

    fn is_directory_at(&self, path: &Path) -> bool {
        let number = self.find(path, Follow::Yes);
        number.is_ok_and(|number| self.is_directory(number))
    }

    fn remove_dir_all(&mut self, path: &Path) -> Result<()> {
        match self.metadata(path, Follow::IfSlash)?.kind {
            Kind::Symlink => self.remove_file(path),
            Kind::File | Kind::Socket => Err(Errno::NotADirectory),
            Kind::Directory => {
                // std refers to the directory by a descriptor: the path may lead through an entry that
                // is removed.
                let directory = self.canonicalize(path)?;
                for entry in self.read_dir(path)? {
                    let below = directory.join(&entry.name);
                    match entry.kind {
                        Kind::Directory => self.remove_dir_all(&below)?,
                        Kind::File | Kind::Symlink | Kind::Socket => self.remove_file(&below)?,
                    }
                }
                match self.remove_dir(path) {
                    Err(Errno::NotFound) => Ok(()),
                    result => result,
                }
            }
        }
    }

    /// Makes a file or a directory, and the entries that lead to it, durable.
    pub(super) fn sync_path(&mut self, path: &Path) -> Result<()> {
        let found = self.walk(path, Follow::Yes)?;
        if let Some(number) = found.inode {
            match &mut self.inode_mut(number).node {
                Node::File(content) => content.sync(),
                Node::Directory(_) => self.sync_directory(number),
                Node::Symlink(_) | Node::Socket => {}
            }
        }
        let mut here = found.parent;
        loop {
            self.sync_directory(here);
            let parent = self.directory(here)?.parent;
            if here == parent {
                return Ok(());
            }
            here = parent;
        }
    }

    /// Returns the paths of all files, symbolic links and sockets, sorted.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        self.for_each_path(|number, path| {
            if !self.is_directory(number) {
                files.push(path.to_owned());
            }
        });
        files.sort();
        files
    }

    /// Returns a path of each inode that has one.
    pub(super) fn paths(&self) -> BTreeMap<InodeNumber, String> {
        let mut paths = BTreeMap::new();
        self.for_each_path(|number, path| {
            paths.insert(number, path.display().to_string());
        });
        paths
    }

    fn for_each_path(&self, mut visit: impl FnMut(InodeNumber, &Path)) {
        let mut directories = vec![(ROOT, PathBuf::from("/"))];
        visit(ROOT, Path::new("/"));
        while let Some((number, path)) = directories.pop() {
            let Ok(directory) = self.directory(number) else {
                continue;
            };
            for (name, entry) in &directory.entries {
                let below = path.join(name);
                visit(*entry, &below);
                if self.is_directory(*entry) {
                    directories.push((*entry, below));
                }
            }
        }
    }
}

impl OpenFlags {
    fn for_reading() -> OpenFlags {
        OpenFlags {
            read: true,
            ..OpenFlags::default()
        }
    }

    /// Returns the flags of `File::create`.
    fn for_replacing(mode: Option<u32>) -> OpenFlags {
        OpenFlags {
            write: true,
            create: true,
            truncate: true,
            mode,
            ..OpenFlags::default()
        }
    }
}
