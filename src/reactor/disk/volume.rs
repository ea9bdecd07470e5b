//! The tree of a disk: how a path is resolved, who may do what, and when an inode is gone.
//!
//! The rules are those of Linux (`path_resolution(7)`, `fs/namei.c` of version 6).

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use slab::Slab;

use super::content::Content;
use super::errno::{Errno, Result};
use super::faults::Faults;
use super::files::Description;
use super::inode::{Attributes, Directory, Entries, Inode, InodeNumber, Kind, Node};
use super::journal::Journal;

pub(super) const ROOT: InodeNumber = 1;

/// How many symbolic links one path may lead through.
const MAX_LINKS: usize = 40;

const MAX_NAME: usize = 255;
const MAX_PATH: usize = 4096;

/// The bits of a mode, for the owner.
pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const SEARCH: u32 = 1;

/// Who uses the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) user: u32,
    pub(super) group: u32,
    /// The permissions that a new file does not get.
    pub(super) umask: u32,
}

/// A disk with the descriptors that are open on it.
pub(super) struct Volume {
    pub(super) inodes: BTreeMap<InodeNumber, Inode>,
    last_inode: InodeNumber,
    pub(super) journal: Journal,
    pub(super) open: Slab<Description>,
    /// How many times the disk has crashed. A descriptor of an earlier time is closed.
    pub(super) crashes: u64,
    pub(super) capacity: Option<u64>,
    pub(super) max_open: Option<usize>,
    /// The time that changes are stamped with, since the epoch of Unix.
    pub(super) now: Duration,
    pub(super) user: User,
    pub(super) faults: Faults,
    /// Whether the test itself uses the disk, which has all permissions.
    pub(super) acts_for_test: bool,
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Yes,
    /// Always, and the file may be created. A path that ends in a slash fails.
    ToCreate,
    /// Only if the path ends in a slash.
    IfSlash,
    /// Never: the entry itself is created, removed or renamed.
    No,
}

/// The last part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    Name(OsString),
    Root,
    Dot,
    DotDot,
}

/// What a path leads to.
pub(super) struct Found {
    pub(super) parent: InodeNumber,
    pub(super) last: Last,
    pub(super) inode: Option<InodeNumber>,
    /// Whether the path ends in a slash.
    pub(super) has_slash: bool,
}

impl Found {
    /// Returns the name for an entry that is created, removed or renamed.
    pub(super) fn name(&self) -> Option<&OsStr> {
        match &self.last {
            Last::Name(name) => Some(name),
            Last::Root | Last::Dot | Last::DotDot => None,
        }
    }
}

impl Volume {
    pub(super) fn new() -> Volume {
        let mut volume = Volume {
            inodes: BTreeMap::new(),
            last_inode: ROOT,
            journal: Journal::default(),
            open: Slab::new(),
            crashes: 0,
            capacity: None,
            max_open: None,
            now: Duration::ZERO,
            user: User {
                user: 1000,
                group: 1000,
                umask: 0o022,
            },
            faults: Faults::default(),
            acts_for_test: false,
        };
        let mut root = Inode::new(new_directory(ROOT), Duration::ZERO);
        (root.mode, root.links, root.durable_links) = (0o777, 1, 1);
        volume.inodes.insert(ROOT, root);
        volume
    }

    pub(super) fn inode(&self, number: InodeNumber) -> &Inode {
        self.inodes
            .get(&number)
            .expect("a number that is in use has an inode")
    }

    pub(super) fn inode_mut(&mut self, number: InodeNumber) -> &mut Inode {
        self.inodes
            .get_mut(&number)
            .expect("a number that is in use has an inode")
    }

    pub(super) fn directory(&self, number: InodeNumber) -> Result<&Directory> {
        match &self.inode(number).node {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) | Node::Symlink(_) | Node::Socket => Err(Errno::NotADirectory),
        }
    }

    pub(super) fn directory_mut(&mut self, number: InodeNumber) -> Result<&mut Directory> {
        match &mut self.inode_mut(number).node {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) | Node::Symlink(_) | Node::Socket => Err(Errno::NotADirectory),
        }
    }

    pub(super) fn content_mut(&mut self, number: InodeNumber) -> Result<&mut Content> {
        match &mut self.inode_mut(number).node {
            Node::File(content) => Ok(content),
            Node::Directory(_) => Err(Errno::IsADirectory),
            Node::Symlink(_) => Err(Errno::TooManyLinks),
            Node::Socket => Err(Errno::NoSuchDevice),
        }
    }

    pub(super) fn is_directory(&self, number: InodeNumber) -> bool {
        self.inode(number).kind() == Kind::Directory
    }

    /// Returns how many more bytes can be allocated.
    pub(super) fn free(&self) -> u64 {
        self.capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    /// Returns the number of bytes that all files take.
    pub(super) fn used(&self) -> u64 {
        let live = self.inodes.values().filter(|inode| inode.is_live());
        live.map(|inode| match &inode.node {
            Node::File(content) => content.allocated(),
            Node::Directory(_) | Node::Symlink(_) | Node::Socket => 0,
        })
        .sum()
    }

    pub(super) fn is_root(&self) -> bool {
        self.acts_for_test || self.user.user == 0
    }

    /// Checks a permission of the user of the disk.
    pub(super) fn check(&self, number: InodeNumber, wanted: u32) -> Result<()> {
        let inode = self.inode(number);
        let shift = if self.user.user == inode.user {
            6
        } else if self.user.group == inode.group {
            3
        } else {
            0
        };
        let is_allowed = self.is_root() || (inode.mode >> shift) & wanted == wanted;
        is_allowed.then_some(()).ok_or(Errno::PermissionDenied)
    }

    /// Checks that the user may change the attributes of an inode.
    pub(super) fn check_owner(&self, number: InodeNumber) -> Result<()> {
        let is_owner = self.inode(number).user == self.user.user;
        (is_owner || self.is_root())
            .then_some(())
            .ok_or(Errno::NotOwner)
    }

    /// Resolves a path that must exist.
    pub(super) fn find(&self, path: &Path, follow: Follow) -> Result<InodeNumber> {
        self.walk(path, follow)?.inode.ok_or(Errno::NotFound)
    }

    /// Resolves a path, whose last part need not exist.
    pub(super) fn walk(&self, path: &Path, follow: Follow) -> Result<Found> {
        let mut has_slash = ends_in_slash(path);
        let mut rest = VecDeque::from(parts(path)?);
        let (mut here, mut links) = (ROOT, 0);
        loop {
            let part = rest.pop_front().ok_or(Errno::NotFound)?;
            let entries = &self.directory(here)?.entries;
            self.check(here, SEARCH)?;
            let is_last = rest.is_empty();
            let parent = here;
            let inode = match &part {
                Last::Root => Some(ROOT),
                Last::Dot => Some(here),
                Last::DotDot => Some(self.directory(here)?.parent),
                Last::Name(name) if name.len() > MAX_NAME => return Err(Errno::NameTooLong),
                Last::Name(name) => entries.get(name).copied(),
            };
            let is_name = matches!(part, Last::Name(_));
            if is_last && is_name && has_slash && follow == Follow::ToCreate {
                return Err(Errno::IsADirectory);
            }
            if let Some(number) = inode
                && let Node::Symlink(target) = &self.inode(number).node
                && follows(follow, is_last, has_slash)
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::TooManyLinks);
                }
                has_slash |= is_last && ends_in_slash(target);
                for part in parts(target)?.into_iter().rev() {
                    rest.push_front(part);
                }
                continue;
            }
            if is_last {
                if has_slash && matches!(follow, Follow::Yes | Follow::IfSlash) {
                    inode.map_or(Ok(()), |number| self.directory(number).map(drop))?;
                }
                return Ok(Found {
                    parent,
                    last: part,
                    inode,
                    has_slash,
                });
            }
            here = inode.ok_or(Errno::NotFound)?;
        }
    }

    /// Returns the absolute path of what `found` is, without symbolic links.
    pub(super) fn path_of(&self, found: &Found) -> PathBuf {
        let (mut here, mut names) = match (&found.last, found.inode) {
            (Last::Name(name), _) => (found.parent, vec![name.as_os_str()]),
            (_, inode) => (inode.unwrap_or(found.parent), Vec::new()),
        };
        while here != ROOT {
            let Ok(parent) = self.directory(here).map(|directory| directory.parent) else {
                break;
            };
            let entries = self.directory(parent).map(|directory| &directory.entries);
            let mut entries = entries.into_iter().flatten();
            match entries.find(|(_, number)| **number == here) {
                Some((name, _)) => names.push(name),
                None => break, // a directory that was removed
            }
            here = parent;
        }
        names.push(OsStr::new("/"));
        names.into_iter().rev().collect()
    }

    /// Adds an inode that no entry names yet.
    pub(super) fn add(&mut self, node: Node, mode: u32) -> InodeNumber {
        self.last_inode += 1;
        let mut inode = Inode::new(node, self.now);
        inode.mode = mode;
        (inode.user, inode.group) = (self.user.user, self.user.group);
        self.inodes.insert(self.last_inode, inode);
        self.last_inode
    }

    /// Changes one entry of a directory, without making it durable.
    pub(super) fn set_entry(
        &mut self,
        directory: InodeNumber,
        name: &OsStr,
        to: Option<InodeNumber>,
    ) -> Result<()> {
        let now = self.now;
        let entries = &mut self.directory_mut(directory)?.entries;
        let before = match to {
            Some(number) => entries.insert(name.to_owned(), number),
            None => entries.remove(name),
        };
        self.inode_mut(directory).touch(now);
        if let Some(number) = to {
            let inode = self.inode_mut(number);
            inode.links += 1;
            inode.times.changed = now;
        }
        if let Some(number) = before {
            let inode = self.inode_mut(number);
            inode.links -= 1;
            inode.times.changed = now;
            self.free_unused(number);
        }
        Ok(())
    }

    /// Drops an inode that nothing names, neither now nor after a crash.
    pub(super) fn free_unused(&mut self, number: InodeNumber) {
        let mut candidates = vec![number];
        while let Some(number) = candidates.pop() {
            let is_unused = |inode: &Inode| !inode.is_live() && inode.durable_links == 0;
            if !self.inodes.get(&number).is_some_and(is_unused) {
                continue;
            }
            let inode = self.inodes.remove(&number);
            if let Some(Node::Directory(directory)) = inode.map(|inode| inode.node) {
                for (_, entry) in directory.synced {
                    self.inode_mut(entry).durable_links -= 1;
                    candidates.push(entry);
                }
            }
        }
    }

    pub(super) fn attributes(&self, number: InodeNumber) -> Attributes {
        let inode = self.inode(number);
        let subdirectories = match &inode.node {
            Node::Directory(directory) => {
                let entries = directory.entries.values();
                entries.filter(|entry| self.is_directory(**entry)).count()
            }
            Node::File(_) | Node::Symlink(_) | Node::Socket => 0,
        };
        inode.attributes(number, subdirectories as u64)
    }
}

pub(super) fn new_directory(parent: InodeNumber) -> Node {
    Node::Directory(Directory {
        parent,
        entries: Entries::new(),
        synced: Entries::new(),
    })
}

/// Returns whether a symbolic link in a path is followed.
fn follows(follow: Follow, is_last: bool, has_slash: bool) -> bool {
    !is_last
        || match follow {
            Follow::Yes | Follow::ToCreate => true,
            Follow::IfSlash => has_slash,
            Follow::No => false,
        }
}

/// Cuts a path into its parts. A prefix of Windows is left out: a disk has one volume.
pub(super) fn parts(path: &Path) -> Result<Vec<Last>> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.contains(&0) {
        return Err(Errno::InvalidInput);
    }
    if bytes.len() >= MAX_PATH {
        return Err(Errno::NameTooLong);
    }
    let parts = path.components().filter_map(|component| match component {
        Component::Prefix(_) => None,
        Component::RootDir => Some(Last::Root),
        Component::CurDir => Some(Last::Dot),
        Component::ParentDir => Some(Last::DotDot),
        Component::Normal(name) => Some(Last::Name(name.to_owned())),
    });
    let mut parts: Vec<Last> = parts.collect();
    if parts.is_empty() {
        return Err(Errno::NotFound);
    }
    // `components` leaves out a dot at the end.
    if has_dot_at_end(bytes) && !matches!(parts.last(), Some(Last::Dot)) {
        parts.push(Last::Dot);
    }
    Ok(parts)
}

fn is_separator(byte: u8) -> bool {
    std::path::is_separator(char::from(byte))
}

fn has_dot_at_end(path: &[u8]) -> bool {
    let end = path.iter().rposition(|byte| !is_separator(*byte));
    let Some(end) = end else {
        return false;
    };
    path[end] == b'.' && (end == 0 || is_separator(path[end - 1]))
}

fn ends_in_slash(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.last().is_some_and(|byte| is_separator(*byte))
}
