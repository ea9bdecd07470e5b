//! Files, directories, symbolic links and sockets, and their attributes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::content::Content;

/// The number of an inode, which is never used again.
pub(crate) type InodeNumber = u64;

pub(super) type Entries = BTreeMap<OsString, InodeNumber>;

pub(super) struct Inode {
    pub(super) node: Node,
    /// The permissions, without the type.
    pub(super) mode: u32,
    pub(super) user: u32,
    pub(super) group: u32,
    /// How many entries of directories name it.
    pub(super) links: u64,
    /// How many descriptors are open.
    pub(super) descriptors: u64,
    /// How many entries that a crash may bring back name it.
    pub(super) durable_links: u64,
    pub(super) times: Times,
}

pub(super) enum Node {
    File(Content),
    Directory(Directory),
    Symlink(PathBuf),
    /// The name of a Unix domain socket. The network knows which socket has it.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has these sockets"))]
    Socket,
}

pub(super) struct Directory {
    pub(super) parent: InodeNumber,
    pub(super) entries: Entries,
    /// The entries after the last sync of the directory.
    pub(super) synced: Entries,
}

/// The times of an inode, since the epoch of Unix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) accessed: Duration,
    pub(crate) modified: Duration,
    pub(crate) changed: Duration,
    pub(crate) created: Duration,
}

impl Times {
    pub(super) fn all_at(now: Duration) -> Times {
        Times {
            accessed: now,
            modified: now,
            changed: now,
            created: now,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Socket,
}

/// What the metadata of a file consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) inode: InodeNumber,
    pub(crate) kind: Kind,
    pub(crate) length: u64,
    /// The number of bytes of the disk that it takes.
    pub(crate) allocated: u64,
    pub(crate) mode: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) links: u64,
    pub(crate) times: Times,
}

impl Inode {
    pub(super) fn new(node: Node, now: Duration) -> Inode {
        Inode {
            node,
            mode: 0o777,
            user: 0,
            group: 0,
            links: 0,
            descriptors: 0,
            durable_links: 0,
            times: Times::all_at(now),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.node {
            Node::File(_) => Kind::File,
            Node::Directory(_) => Kind::Directory,
            Node::Symlink(_) => Kind::Symlink,
            Node::Socket => Kind::Socket,
        }
    }

    /// Returns whether a program can reach it.
    pub(super) fn is_live(&self) -> bool {
        self.links > 0 || self.descriptors > 0
    }

    pub(super) fn touch(&mut self, now: Duration) {
        self.times.modified = now;
        self.times.changed = now;
    }

    pub(super) fn attributes(&self, inode: InodeNumber, subdirectories: u64) -> Attributes {
        let (length, allocated, links) = match &self.node {
            Node::File(content) => (content.length(), content.allocated(), self.links),
            Node::Directory(_) if self.links == 0 => (0, 0, 0),
            Node::Directory(_) => (0, 0, 2 + subdirectories),
            Node::Symlink(target) => (target.as_os_str().len() as u64, 0, self.links),
            Node::Socket => (0, 0, self.links),
        };
        Attributes {
            inode,
            kind: self.kind(),
            length,
            allocated,
            mode: self.mode,
            user: self.user,
            group: self.group,
            links,
            times: self.times,
        }
    }
}
