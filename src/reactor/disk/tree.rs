//! The operations on paths.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::errno::{Errno, Result};
use super::faults::DiskOperation;
use super::inode::{Attributes, InodeNumber, Kind, Node};
use super::journal::Edit;
use super::volume::{Follow, Found, Last, READ, SEARCH, Volume, WRITE, new_directory, parts};

/// An entry of a directory, with what is known without another operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryFacts {
    pub(crate) name: OsString,
    pub(crate) inode: InodeNumber,
    pub(crate) kind: Kind,
}

impl Volume {
    /// Checks that the user may add entries to a directory and remove them.
    pub(super) fn check_editable(&self, directory: InodeNumber) -> Result<()> {
        if self.inode(directory).links == 0 {
            return Err(Errno::NotFound); // a directory that was removed
        }
        self.check(directory, WRITE | SEARCH)
    }

    /// Resolves the path of an entry that is to be created.
    fn new_entry(&self, path: &Path) -> Result<(Found, OsString)> {
        let found = self.walk(path, Follow::No)?;
        let name = found.name().ok_or(Errno::AlreadyExists)?.to_owned();
        match found.inode {
            Some(_) => Err(Errno::AlreadyExists),
            None => Ok((found, name)),
        }
    }

    fn link_new(&mut self, parent: InodeNumber, name: OsString, number: InodeNumber) {
        let edit = Edit {
            directory: parent,
            name,
            to: Some(number),
        };
        self.edit(vec![edit], &[]);
    }

    pub(super) fn create_dir(&mut self, path: &Path, mode: u32) -> Result<()> {
        self.fault(DiskOperation::Create, path)?;
        let (found, name) = self.new_entry(path)?;
        self.check_editable(found.parent)?;
        let mode = mode & !self.user.umask & 0o1777;
        let number = self.add(new_directory(found.parent), mode);
        self.link_new(found.parent, name, number);
        Ok(())
    }

    pub(super) fn symlink(&mut self, original: &Path, link: &Path) -> Result<()> {
        self.fault(DiskOperation::Create, link)?;
        parts(original)?;
        let (found, name) = self.new_entry(link)?;
        if found.has_slash {
            return Err(Errno::NotFound);
        }
        self.check_editable(found.parent)?;
        let number = self.add(Node::Symlink(original.to_owned()), 0o777);
        self.link_new(found.parent, name, number);
        Ok(())
    }

    /// Creates the name of a Unix domain socket, and returns its inode.
    pub(super) fn create_socket(&mut self, path: &Path) -> Result<InodeNumber> {
        self.fault(DiskOperation::Create, path)?;
        let (found, name) = self.new_entry(path)?;
        if found.has_slash {
            return Err(Errno::NotFound);
        }
        self.check_editable(found.parent)?;
        let mode = 0o777 & !self.user.umask;
        let number = self.add(Node::Socket, mode);
        self.link_new(found.parent, name, number);
        Ok(number)
    }

    /// Returns the inode of a Unix domain socket to which the user may connect, or `None` if the path
    /// leads to something else.
    pub(super) fn find_socket(&self, path: &Path) -> Result<Option<InodeNumber>> {
        let number = self.find(path, Follow::Yes)?;
        self.check(number, WRITE)?;
        let is_socket = matches!(self.inode(number).node, Node::Socket);
        Ok(is_socket.then_some(number))
    }

    pub(super) fn hard_link(&mut self, original: &Path, link: &Path) -> Result<()> {
        self.fault(DiskOperation::Create, link)?;
        let number = self.find(original, Follow::IfSlash)?;
        let (found, name) = self.new_entry(link)?;
        if found.has_slash {
            return Err(Errno::NotFound);
        }
        self.check_editable(found.parent)?;
        if self.is_directory(number) {
            return Err(Errno::NotOwner);
        }
        self.link_new(found.parent, name, number);
        Ok(())
    }

    /// Removes a file or a symbolic link.
    pub(super) fn remove_file(&mut self, path: &Path) -> Result<()> {
        self.fault(DiskOperation::Remove, path)?;
        let found = self.walk(path, Follow::No)?;
        let name = found.name().ok_or(Errno::IsADirectory)?.to_owned();
        let number = found.inode.ok_or(Errno::NotFound)?;
        if found.has_slash && !self.is_directory(number) {
            return Err(Errno::NotADirectory);
        }
        if found.has_slash {
            return Err(Errno::IsADirectory);
        }
        self.check(found.parent, WRITE | SEARCH)?;
        if self.is_directory(number) {
            return Err(Errno::IsADirectory);
        }
        self.remove_entry(found.parent, name, &[]);
        Ok(())
    }

    fn remove_entry(&mut self, directory: InodeNumber, name: OsString, others: &[InodeNumber]) {
        let edit = Edit {
            directory,
            name,
            to: None,
        };
        self.edit(vec![edit], others);
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> Result<()> {
        self.fault(DiskOperation::Remove, path)?;
        let found = self.walk(path, Follow::No)?;
        let name = match found.last {
            Last::Name(name) => name,
            Last::Root => return Err(Errno::Busy),
            Last::Dot => return Err(Errno::InvalidInput),
            Last::DotDot => return Err(Errno::DirectoryNotEmpty),
        };
        let number = found.inode.ok_or(Errno::NotFound)?;
        self.check(found.parent, WRITE | SEARCH)?;
        if !self.directory(number)?.entries.is_empty() {
            return Err(Errno::DirectoryNotEmpty);
        }
        self.remove_entry(found.parent, name, &[number]);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.fault(DiskOperation::Rename, from)?;
        let old = self.walk(from, Follow::No)?;
        let new = self.walk(to, Follow::No)?;
        let old_name = old.name().ok_or(Errno::Busy)?.to_owned();
        let new_name = new.name().ok_or(Errno::Busy)?.to_owned();
        let moved = old.inode.ok_or(Errno::NotFound)?;
        let is_directory = self.is_directory(moved);
        if !is_directory && (old.has_slash || new.has_slash) {
            return Err(Errno::NotADirectory);
        }
        if self.contains(moved, new.parent) {
            return Err(Errno::InvalidInput);
        }
        if new
            .inode
            .is_some_and(|target| self.contains(target, old.parent))
        {
            return Err(Errno::DirectoryNotEmpty);
        }
        if new.inode == Some(moved) {
            return Ok(());
        }
        self.check(old.parent, WRITE | SEARCH)?;
        self.check_editable(new.parent)?;
        let mut others = Vec::new();
        if let Some(target) = new.inode {
            self.check_replaceable(target, is_directory)?;
            others.extend(self.is_directory(target).then_some(target));
        }
        if is_directory {
            if old.parent != new.parent {
                self.check(moved, WRITE)?;
            }
            others.push(moved);
        }
        let target = new.inode.map(|target| self.directory(target));
        if let Some(Ok(directory)) = target
            && !directory.entries.is_empty()
        {
            return Err(Errno::DirectoryNotEmpty);
        }
        let insert = Edit {
            directory: new.parent,
            name: new_name,
            to: Some(moved),
        };
        let remove = Edit {
            directory: old.parent,
            name: old_name,
            to: None,
        };
        self.edit(vec![insert, remove], &others);
        if let Ok(directory) = self.directory_mut(moved) {
            directory.parent = new.parent;
        }
        Ok(())
    }

    /// Checks that a rename may replace `target`.
    fn check_replaceable(&self, target: InodeNumber, with_directory: bool) -> Result<()> {
        match (&self.inode(target).node, with_directory) {
            (Node::Directory(_), false) => Err(Errno::IsADirectory),
            (Node::File(_) | Node::Symlink(_) | Node::Socket, true) => Err(Errno::NotADirectory),
            _ => Ok(()),
        }
    }

    /// Returns whether `outer` is a directory that is `inner` or contains it.
    fn contains(&self, outer: InodeNumber, inner: InodeNumber) -> bool {
        let mut here = inner;
        loop {
            if here == outer {
                return true;
            }
            match self.directory(here) {
                Ok(directory) if directory.parent != here => here = directory.parent,
                _ => return false,
            }
        }
    }

    pub(super) fn metadata(&mut self, path: &Path, follow: Follow) -> Result<Attributes> {
        self.fault(DiskOperation::Metadata, path)?;
        let number = self.find(path, follow)?;
        Ok(self.attributes(number))
    }

    pub(super) fn read_link(&mut self, path: &Path) -> Result<PathBuf> {
        self.fault(DiskOperation::Metadata, path)?;
        let number = self.find(path, Follow::IfSlash)?;
        match &self.inode(number).node {
            Node::Symlink(target) => Ok(target.clone()),
            Node::File(_) | Node::Directory(_) | Node::Socket => Err(Errno::InvalidInput),
        }
    }

    pub(super) fn canonicalize(&mut self, path: &Path) -> Result<PathBuf> {
        self.fault(DiskOperation::Metadata, path)?;
        let found = self.walk(path, Follow::Yes)?;
        found.inode.ok_or(Errno::NotFound)?;
        Ok(self.path_of(&found))
    }

    pub(super) fn set_mode(&mut self, path: &Path, mode: u32) -> Result<()> {
        self.fault(DiskOperation::SetMetadata, path)?;
        let number = self.find(path, Follow::Yes)?;
        self.set_inode_mode(number, mode)
    }

    pub(super) fn set_inode_mode(&mut self, number: InodeNumber, mode: u32) -> Result<()> {
        self.check_owner(number)?;
        let now = self.now;
        let inode = self.inode_mut(number);
        inode.mode = mode & 0o7777;
        inode.times.changed = now;
        Ok(())
    }

    pub(super) fn set_owner(
        &mut self,
        (path, follow): (&Path, Follow),
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<()> {
        self.fault(DiskOperation::SetMetadata, path)?;
        let number = self.find(path, follow)?;
        self.set_inode_owner(number, user, group)
    }

    /// Only root may give a file away; its owner may set the owner and the group that it has.
    pub(super) fn set_inode_owner(
        &mut self,
        number: InodeNumber,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<()> {
        let now = self.now;
        let (is_root, own) = (self.is_root(), self.user);
        let inode = self.inode_mut(number);
        let keeps_user = user.is_none_or(|user| user == inode.user);
        let keeps_group = group.is_none_or(|group| group == inode.group || group == own.group);
        let changes_nothing = user.is_none() && group.is_none();
        let is_owner = inode.user == own.user;
        if !(is_root || changes_nothing || (is_owner && keeps_user && keeps_group)) {
            return Err(Errno::NotOwner);
        }
        inode.user = user.unwrap_or(inode.user);
        inode.group = group.unwrap_or(inode.group);
        inode.times.changed = now;
        Ok(())
    }

    pub(super) fn read_dir(&mut self, path: &Path) -> Result<Vec<EntryFacts>> {
        self.fault(DiskOperation::Open, path)?;
        let number = self.find(path, Follow::Yes)?;
        self.directory(number)?;
        self.check(number, READ)?;
        let entries = &self.directory(number)?.entries;
        let facts = entries.iter().map(|(name, inode)| EntryFacts {
            name: name.clone(),
            inode: *inode,
            kind: self.inode(*inode).kind(),
        });
        Ok(facts.collect())
    }
}
