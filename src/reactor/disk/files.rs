//! Open files: descriptors, and the operations on them.

use std::path::Path;
use std::time::Duration;

use super::content::Content;
use super::errno::{Errno, Result};
use super::faults::{DiskOperation, Extent};
use super::inode::{Attributes, InodeNumber, Kind, Node};
use super::journal::Edit;
use super::volume::{Follow, Last, READ, Volume, WRITE, parts};

/// The longest file.
const MAX_LENGTH: u64 = i64::MAX as u64;

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OpenFlags {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    /// Fails if the path ends in a symbolic link: `O_NOFOLLOW`.
    pub(crate) no_follow: bool,
    /// Fails if the path is no directory: `O_DIRECTORY`.
    pub(crate) directory: bool,
    /// Every write is durable when it returns: `O_SYNC` and `O_DSYNC`.
    pub(crate) sync: bool,
    /// The permissions of a file that is created; `None` for `0o666`.
    pub(crate) mode: Option<u32>,
}

/// Where a position is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    Cursor,
    #[cfg_attr(windows, allow(dead_code, reason = "`fs` has it only on Unix"))]
    At(u64),
}

/// An open file: what its descriptors share.
pub(super) struct Description {
    pub(super) inode: InodeNumber,
    flags: OpenFlags,
    cursor: u64,
    /// How many descriptors share it.
    descriptors: u64,
    /// The path that it was opened with, for the faults.
    path: Box<Path>,
}

/// The number of an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    pub(super) index: usize,
    /// How many times the disk had crashed when the file was opened.
    pub(super) crashes: u64,
}

impl Position {
    fn check(self) -> Result<()> {
        let is_valid = !matches!(self, Position::At(offset) if offset > MAX_LENGTH);
        is_valid.then_some(()).ok_or(Errno::InvalidInput)
    }
}

impl OpenFlags {
    /// Takes over flags of `open` that have a meaning on a simulated disk.
    #[cfg(unix)]
    pub(crate) fn set_custom(&mut self, flags: i32) {
        use rustix::fs::OFlags;

        let flags = OFlags::from_bits_retain(flags as _);
        self.no_follow = flags.contains(OFlags::NOFOLLOW);
        self.directory = flags.contains(OFlags::DIRECTORY);
        self.sync = flags.intersects(OFlags::SYNC | OFlags::DSYNC);
        self.append |= flags.contains(OFlags::APPEND);
        self.truncate |= flags.contains(OFlags::TRUNC);
    }

    fn check(self) -> Result<()> {
        let writes = self.write || self.append;
        let has_access = self.read || writes;
        let changes = self.truncate || self.create || self.create_new;
        let contradicts = self.append && self.truncate && !self.create_new;
        let is_valid = has_access && (writes || !changes) && !contradicts;
        is_valid.then_some(()).ok_or(Errno::InvalidInput)
    }

    fn writes(self) -> bool {
        self.write || self.append
    }
}

impl Volume {
    pub(super) fn open(&mut self, path: &Path, flags: OpenFlags) -> Result<FileId> {
        flags.check()?;
        parts(path)?;
        self.reserve_descriptor()?;
        self.fault(DiskOperation::Open, path)?;
        let number = self.open_inode(path, flags)?;
        self.inode_mut(number).descriptors += 1;
        let index = self.open.insert(Description {
            inode: number,
            flags,
            cursor: 0,
            descriptors: 1,
            path: path.into(),
        });
        Ok(FileId {
            index,
            crashes: self.crashes,
        })
    }

    fn reserve_descriptor(&self) -> Result<()> {
        let is_full = self.max_open.is_some_and(|max| self.descriptors() >= max);
        (!is_full).then_some(()).ok_or(Errno::TooManyOpenFiles)
    }

    /// Returns how many descriptors are open.
    pub(super) fn descriptors(&self) -> usize {
        let counts = self.open.iter().map(|(_, file)| file.descriptors);
        counts.sum::<u64>() as usize
    }

    fn open_inode(&mut self, path: &Path, flags: OpenFlags) -> Result<InodeNumber> {
        let creates = flags.create || flags.create_new;
        let follow = match (
            flags.create_new || (creates && flags.no_follow),
            flags.no_follow,
        ) {
            (true, _) => Follow::No,
            (false, true) => Follow::IfSlash,
            (false, false) if creates => Follow::ToCreate,
            (false, false) => Follow::Yes,
        };
        let found = self.walk(path, follow)?;
        if creates && found.has_slash && found.name().is_some() {
            return Err(Errno::IsADirectory);
        }
        let number = match found.inode {
            Some(_) if flags.create_new => return Err(Errno::AlreadyExists),
            Some(number) => number,
            None if creates => return self.create_file(found.parent, &found.last, flags),
            None => return Err(Errno::NotFound),
        };
        let kind = self.inode(number).kind();
        if creates && kind == Kind::Directory {
            return Err(Errno::IsADirectory);
        }
        if flags.directory && kind != Kind::Directory {
            return Err(Errno::NotADirectory);
        }
        if kind == Kind::Symlink {
            return Err(Errno::TooManyLinks); // `no_follow`
        }
        if kind == Kind::Directory && (flags.writes() || flags.truncate) {
            return Err(Errno::IsADirectory);
        }
        let wanted = [(flags.read, READ), (flags.writes(), WRITE)];
        let wanted = wanted.iter().filter(|(is_wanted, _)| *is_wanted);
        self.check(number, wanted.map(|(_, bit)| bit).sum())?;
        if kind == Kind::Socket {
            return Err(Errno::NoSuchDevice);
        }
        if flags.truncate {
            let now = self.now;
            self.content_mut(number)?.set_length(0);
            self.inode_mut(number).touch(now);
        }
        Ok(number)
    }

    fn create_file(
        &mut self,
        parent: InodeNumber,
        last: &Last,
        flags: OpenFlags,
    ) -> Result<InodeNumber> {
        let Last::Name(name) = last else {
            return Err(Errno::IsADirectory);
        };
        self.check_editable(parent)?;
        let mode = flags.mode.unwrap_or(0o666) & !self.user.umask & 0o7777;
        let number = self.add(Node::File(Content::default()), mode);
        let edit = Edit {
            directory: parent,
            name: name.clone(),
            to: Some(number),
        };
        self.edit(vec![edit], &[]);
        Ok(number)
    }

    /// Returns an open file, unless the disk has crashed since.
    fn description(&mut self, id: FileId) -> Result<&mut Description> {
        let is_valid = id.crashes == self.crashes;
        let description = self.open.get_mut(id.index).filter(|_| is_valid);
        description.ok_or(Errno::Io)
    }

    /// Returns the inode of an open file, after the faults of an operation on it.
    fn inode_of(&mut self, id: FileId, operation: DiskOperation) -> Result<InodeNumber> {
        let description = self.description(id)?;
        let (number, path) = (description.inode, description.path.clone());
        self.fault(operation, &path)?;
        Ok(number)
    }

    pub(super) fn duplicate(&mut self, id: FileId) -> Result<()> {
        self.reserve_descriptor()?;
        let description = self.description(id)?;
        description.descriptors += 1;
        let number = description.inode;
        self.inode_mut(number).descriptors += 1;
        Ok(())
    }

    /// Closes a descriptor. It has no effect after a crash, which has closed it.
    pub(super) fn close(&mut self, id: FileId) {
        let Ok(description) = self.description(id) else {
            return;
        };
        description.descriptors -= 1;
        let (number, is_last) = (description.inode, description.descriptors == 0);
        if is_last {
            self.open.remove(id.index);
        }
        self.inode_mut(number).descriptors -= 1;
        self.free_unused(number);
    }

    pub(super) fn read(
        &mut self,
        id: FileId,
        position: Position,
        target: &mut [u8],
    ) -> Result<usize> {
        position.check()?;
        let description = self.description(id)?;
        if !description.flags.read {
            return Err(Errno::BadDescriptor);
        }
        let offset = match position {
            Position::Cursor => description.cursor,
            Position::At(offset) => offset,
        };
        let path = description.path.clone();
        let number = description.inode;
        let extent = Extent::of(target.len());
        let count = self.faults_of(DiskOperation::Read, &path, extent)?;
        let read = self.content_mut(number)?.read(offset, &mut target[..count]);
        if position == Position::Cursor {
            self.description(id)?.cursor += read as u64;
        }
        Ok(read)
    }

    /// Writes the first part of `bytes`: all of them unless the disk is full or a fault says so.
    pub(super) fn write(&mut self, id: FileId, position: Position, bytes: &[u8]) -> Result<usize> {
        position.check()?;
        let description = self.description(id)?;
        if !description.flags.writes() {
            return Err(Errno::BadDescriptor);
        }
        let (number, cursor) = (description.inode, description.cursor);
        let (flags, path) = (description.flags, description.path.clone());
        if bytes.is_empty() {
            return Ok(0);
        }
        let count = self.faults_of(DiskOperation::Write, &path, Extent::of(bytes.len()))?;
        let (free, now) = (self.free(), self.now);
        let content = self.content_mut(number)?;
        let offset = match position {
            _ if flags.append => content.length(),
            Position::Cursor => cursor,
            Position::At(offset) => offset,
        };
        let room = MAX_LENGTH.saturating_sub(offset);
        if room == 0 {
            return Err(Errno::FileTooLarge);
        }
        let count = content.writable(offset, room.min(count as u64), free);
        if count == 0 {
            return Err(Errno::StorageFull);
        }
        content.write(offset, &bytes[..count as usize]);
        if flags.sync {
            content.sync();
        }
        self.inode_mut(number).touch(now);
        if position == Position::Cursor {
            self.description(id)?.cursor = offset + count;
        }
        Ok(count as usize)
    }

    /// Writes all of `bytes`, in as many steps as needed.
    pub(super) fn write_all(
        &mut self,
        id: FileId,
        position: Position,
        mut bytes: &[u8],
    ) -> Result<()> {
        let mut position = position;
        while !bytes.is_empty() {
            let count = self.write(id, position, bytes)?;
            bytes = &bytes[count..];
            if let Position::At(offset) = &mut position {
                *offset += count as u64;
            }
        }
        Ok(())
    }

    pub(super) fn seek(&mut self, id: FileId, target: std::io::SeekFrom) -> Result<u64> {
        use std::io::SeekFrom;

        let description = self.description(id)?;
        let (number, cursor) = (description.inode, description.cursor);
        let target = match target {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => cursor.checked_add_signed(distance),
            SeekFrom::End(distance) => {
                let length = self.attributes(number).length;
                length.checked_add_signed(distance)
            }
        };
        let target = target.filter(|target| *target <= MAX_LENGTH);
        let target = target.ok_or(Errno::InvalidInput)?;
        self.description(id)?.cursor = target;
        Ok(target)
    }

    pub(super) fn set_length(&mut self, id: FileId, length: u64) -> Result<()> {
        if length > MAX_LENGTH {
            return Err(Errno::InvalidInput);
        }
        let number = self.inode_of(id, DiskOperation::SetLength)?;
        let flags = self.description(id)?.flags;
        if !flags.writes() {
            return Err(Errno::InvalidInput);
        }
        let now = self.now;
        self.content_mut(number)?.set_length(length);
        self.inode_mut(number).touch(now);
        Ok(())
    }

    /// Makes the contents of a file, or the entries of a directory, durable.
    pub(super) fn sync_file(&mut self, id: FileId) -> Result<()> {
        let number = self.inode_of(id, DiskOperation::Sync)?;
        if let Node::File(content) = &mut self.inode_mut(number).node {
            content.sync();
        } else {
            self.sync_directory(number);
        }
        Ok(())
    }

    pub(super) fn file_attributes(&mut self, id: FileId) -> Result<Attributes> {
        let number = self.inode_of(id, DiskOperation::Metadata)?;
        Ok(self.attributes(number))
    }

    pub(super) fn set_file_mode(&mut self, id: FileId, mode: u32) -> Result<()> {
        let number = self.inode_of(id, DiskOperation::SetMetadata)?;
        self.set_inode_mode(number, mode)
    }

    #[cfg_attr(windows, allow(dead_code, reason = "`fs` has it only on Unix"))]
    pub(super) fn set_file_owner(
        &mut self,
        id: FileId,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<()> {
        let number = self.inode_of(id, DiskOperation::SetMetadata)?;
        self.set_inode_owner(number, user, group)
    }

    pub(super) fn set_times(
        &mut self,
        id: FileId,
        accessed: Option<Duration>,
        modified: Option<Duration>,
    ) -> Result<()> {
        let number = self.inode_of(id, DiskOperation::SetMetadata)?;
        self.check_owner(number)?;
        let now = self.now;
        let times = &mut self.inode_mut(number).times;
        times.accessed = accessed.unwrap_or(times.accessed);
        times.modified = modified.unwrap_or(times.modified);
        times.changed = now;
        Ok(())
    }
}
