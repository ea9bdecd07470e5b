//! What of the directories a crash may lose.
//!
//! Every change of entries is one [`Change`]. A crash keeps, of each directory, the changes before a
//! moment that is chosen for that directory. A change that concerns several directories, such as a
//! rename from one to the other, is kept in all of them or in none. A sync of a directory makes its
//! changes durable, and those that they depend on.
//!
//! Invariant: an applied change depends only on applied changes, so that a crash loses nothing that
//! was only moved.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;

use super::inode::{InodeNumber, Kind, Node};
use super::volume::{ROOT, Volume};
use crate::reactor::choices::Choices;

/// The most changes that are pending. The oldest is written back when there are more.
const MAX_PENDING: usize = 1024;

#[derive(Default)]
pub(super) struct Journal {
    pending: VecDeque<Change>,
}

/// A change of entries that happens completely or not at all.
pub(super) struct Change {
    /// The directories whose earlier changes it depends on.
    directories: Vec<InodeNumber>,
    edits: Vec<Edit>,
}

pub(super) struct Edit {
    pub(super) directory: InodeNumber,
    pub(super) name: OsString,
    /// The new inode; `None` removes the entry.
    pub(super) to: Option<InodeNumber>,
}

impl Volume {
    /// Makes the edits, and records them as one change. `others` are directories that the change
    /// depends on besides those whose entries it edits: one that is moved or removed.
    pub(super) fn edit(&mut self, edits: Vec<Edit>, others: &[InodeNumber]) {
        let mut directories = others.to_vec();
        for edit in &edits {
            directories.push(edit.directory);
            if let Some(number) = edit.to {
                self.inode_mut(number).durable_links += 1;
            }
        }
        directories.sort_unstable();
        directories.dedup();
        // The journal keeps the directories.
        for number in &directories {
            self.inode_mut(*number).durable_links += 1;
        }
        for edit in &edits {
            self.set_entry(edit.directory, &edit.name, edit.to)
                .expect("entries are edited in directories only");
        }
        self.journal
            .pending
            .push_back(Change { directories, edits });
        if self.journal.pending.len() > MAX_PENDING
            && let Some(oldest) = self.journal.pending.pop_front()
        {
            self.make_durable(oldest);
        }
    }

    /// Makes the entries of a directory durable.
    pub(super) fn sync_directory(&mut self, number: InodeNumber) {
        let mut concerned = BTreeSet::from([number]);
        let mut pending = std::mem::take(&mut self.journal.pending);
        let mut durable = VecDeque::new();
        let mut rest = VecDeque::new();
        while let Some(change) = pending.pop_back() {
            if change.directories.iter().any(|it| concerned.contains(it)) {
                concerned.extend(&change.directories);
                durable.push_front(change);
            } else {
                rest.push_front(change);
            }
        }
        self.journal.pending = rest;
        for change in durable {
            self.make_durable(change);
        }
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.journal.pending) {
            self.make_durable(change);
        }
        for inode in self.inodes.values_mut() {
            if let Node::File(content) = &mut inode.node {
                content.sync();
            }
        }
    }

    fn make_durable(&mut self, change: Change) {
        let mut released = change.directories;
        for Edit {
            directory,
            name,
            to,
        } in change.edits
        {
            let Ok(directory) = self.directory_mut(directory) else {
                continue;
            };
            released.extend(match to {
                Some(number) => directory.synced.insert(name, number),
                None => directory.synced.remove(&name),
            });
        }
        self.release(released);
    }

    fn discard(&mut self, change: Change) {
        let mut released = change.directories;
        released.extend(change.edits.into_iter().filter_map(|edit| edit.to));
        self.release(released);
    }

    fn release(&mut self, released: Vec<InodeNumber>) {
        for number in &released {
            self.inode_mut(*number).durable_links -= 1;
        }
        for number in released {
            self.free_unused(number);
        }
    }

    /// Turns the disk into what a restart finds. All descriptors are closed.
    pub(super) fn crash(&mut self, choices: &Choices) {
        self.crashes += 1;
        let paths = self.paths();
        for (_, description) in std::mem::take(&mut self.open) {
            self.inode_mut(description.inode).descriptors = 0;
        }
        for change in self.choose_durable(choices, &paths) {
            self.make_durable(change);
        }
        self.reset_entries();
        for (number, inode) in &mut self.inodes {
            if let Node::File(content) = &mut inode.node {
                content.crash(choices, path_of(&paths, *number));
            }
        }
    }

    /// Removes all pending changes, and returns those that a crash keeps.
    fn choose_durable(
        &mut self,
        choices: &Choices,
        paths: &BTreeMap<InodeNumber, String>,
    ) -> Vec<Change> {
        let pending = std::mem::take(&mut self.journal.pending);
        let mut moments = BTreeMap::<InodeNumber, u64>::new();
        for change in &pending {
            for number in &change.directories {
                *moments.entry(*number).or_default() += 1;
            }
        }
        for (number, moment) in &mut moments {
            let changes = *moment;
            let options = usize::try_from(changes).map_or(usize::MAX, |changes| changes + 1);
            *moment -= choices.choose(options, |lost| {
                let path = path_of(paths, *number);
                format!(
                    "the crash lost the last {lost} of {changes} changes of the entries of {path}"
                )
            }) as u64;
        }
        let (mut durable, mut lost) = (Vec::new(), Vec::new());
        for change in pending {
            if change.directories.iter().all(|number| moments[number] > 0) {
                for number in &change.directories {
                    moments.entry(*number).and_modify(|moment| *moment -= 1);
                }
                durable.push(change);
            } else {
                for number in &change.directories {
                    moments.insert(*number, 0);
                }
                lost.push(change);
            }
        }
        for change in lost {
            self.discard(change);
        }
        durable
    }

    /// Makes the durable entries those that a program sees, and drops what cannot be reached.
    fn reset_entries(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.links = 0;
            if let Node::Directory(directory) = &mut inode.node {
                directory.entries.clear();
            }
        }
        self.inode_mut(ROOT).links = 1;
        let mut reached = vec![ROOT];
        while let Some(number) = reached.pop() {
            let Ok(directory) = self.directory_mut(number) else {
                continue;
            };
            directory.entries = directory.synced.clone();
            let entries: Vec<_> = directory.entries.values().copied().collect();
            for entry in entries {
                let inode = self.inode_mut(entry);
                inode.links += 1;
                if let Node::Directory(directory) = &mut inode.node {
                    directory.parent = number;
                }
                if inode.kind() == Kind::Directory && inode.links == 1 {
                    reached.push(entry);
                }
            }
        }
        self.inodes.retain(|_, inode| inode.links > 0);
        for inode in self.inodes.values_mut() {
            inode.durable_links = inode.links;
        }
    }
}

fn path_of(paths: &BTreeMap<InodeNumber, String>, number: InodeNumber) -> &str {
    paths.get(&number).map_or("a removed file", String::as_str)
}
