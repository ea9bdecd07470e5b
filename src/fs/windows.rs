//! Functions that exist only on Windows: symbolic links of two kinds.

use std::fs::Permissions;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::job::two_path_job;
use super::metadata::since_epoch;
use crate::promise::TryPromise;
use crate::reactor::disk::{Attributes, Kind, Times};

/// A file that contains nothing, and discards what is written.
pub(super) const NULL_DEVICE: &str = "NUL";

/// The permissions of a new directory. Windows has none to set.
#[derive(Debug, Clone, Default)]
pub(super) struct DirMode;

impl DirMode {
    pub(super) fn to_std(&self) -> std::fs::DirBuilder {
        std::fs::DirBuilder::new()
    }

    /// Returns the permissions for a simulated disk.
    pub(super) fn bits(&self) -> u32 {
        0o777
    }
}

/// Returns the bits of permissions.
pub(super) fn mode_of(permissions: &Permissions) -> u32 {
    if permissions.readonly() { 0o555 } else { 0o777 }
}

/// Returns the permissions of a file of a simulated disk.
pub(super) fn permissions(attributes: &Attributes) -> Permissions {
    // Only metadata of the operating system contains permissions that can be changed.
    let metadata = std::fs::metadata(".").expect("the working directory exists");
    let mut permissions = metadata.permissions();
    permissions.set_readonly(attributes.mode & 0o222 == 0);
    permissions
}

/// Returns what a recording contains of metadata.
pub(super) fn attributes_of(metadata: &std::fs::Metadata) -> Attributes {
    let since_epoch = |time: io::Result<_>| time.map_or(Duration::ZERO, since_epoch);
    Attributes {
        inode: 0,
        kind: match metadata.file_type() {
            file_type if file_type.is_dir() => Kind::Directory,
            file_type if file_type.is_symlink() => Kind::Symlink,
            _ => Kind::File,
        },
        length: metadata.len(),
        allocated: metadata.len(),
        mode: mode_of(&metadata.permissions()),
        user: 0,
        group: 0,
        links: 1,
        times: Times {
            accessed: since_epoch(metadata.accessed()),
            modified: since_epoch(metadata.modified()),
            changed: since_epoch(metadata.modified()),
            created: since_epoch(metadata.created()),
        },
    }
}

/// Creates the symbolic link `link` to the file `original`.
#[track_caller]
pub fn symlink_file(
    original: impl AsRef<Path>,
    link: impl AsRef<Path>,
) -> TryPromise<(), io::Error> {
    two_path_job(
        "fs::symlink_file",
        original,
        link,
        |system, original, link| {
            system.symlink(&original, &link, |original, link| {
                std::os::windows::fs::symlink_file(original, link)
            })
        },
    )
}

/// Creates the symbolic link `link` to the directory `original`.
#[track_caller]
pub fn symlink_dir(
    original: impl AsRef<Path>,
    link: impl AsRef<Path>,
) -> TryPromise<(), io::Error> {
    two_path_job(
        "fs::symlink_dir",
        original,
        link,
        |system, original, link| {
            system.symlink(&original, &link, |original, link| {
                std::os::windows::fs::symlink_dir(original, link)
            })
        },
    )
}
