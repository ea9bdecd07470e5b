//! The files to which loops of this process record.
//!
//! Two loops that write to one file would damage it. Another process is not noticed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The canonical paths of the files.
static CLAIMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that belongs to one loop.
pub(super) struct Claim(PathBuf);

/// Creates a file, or empties it if no other loop records to it. What is no regular file has no claim.
pub(super) fn create(path: &Path) -> io::Result<(File, Option<Claim>)> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Ok((file, None));
    }
    let path = fs::canonicalize(path)?;
    if !claimed().insert(path.clone()) {
        let text = "another loop of this process records to it; use a file for each loop";
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
    }
    let claim = Claim(path);
    file.set_len(0)?;
    Ok((file, Some(claim)))
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.0);
    }
}

fn claimed() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}
