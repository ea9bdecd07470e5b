//! Functions that exist only on Windows: symbolic links of two kinds.

use std::io;
use std::path::Path;

use super::job::two_path_job;
use crate::promise::TryPromise;

/// A file that contains nothing, and discards what is written.
pub(super) const NULL_DEVICE: &str = "NUL";

/// The permissions of a new directory. Windows has none to set.
#[derive(Debug, Clone, Default)]
pub(super) struct DirMode;

impl DirMode {
    pub(super) fn to_std(&self) -> std::fs::DirBuilder {
        std::fs::DirBuilder::new()
    }
}

/// Creates the symbolic link `link` to the file `original`.
#[track_caller]
pub fn symlink_file(
    original: impl AsRef<Path>,
    link: impl AsRef<Path>,
) -> TryPromise<(), io::Error> {
    let work = std::os::windows::fs::symlink_file;
    two_path_job("fs::symlink_file", original, link, work)
}

/// Creates the symbolic link `link` to the directory `original`.
#[track_caller]
pub fn symlink_dir(
    original: impl AsRef<Path>,
    link: impl AsRef<Path>,
) -> TryPromise<(), io::Error> {
    let work = std::os::windows::fs::symlink_dir;
    two_path_job("fs::symlink_dir", original, link, work)
}
