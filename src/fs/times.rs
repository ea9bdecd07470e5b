//! The contents of a [`FileTimes`], which std does not return.

use std::fs::{File, FileTimes};
use std::io;
use std::time::Duration;

use super::metadata::since_epoch;

/// Returns the access time and the modification time, where they are set, since the epoch of Unix.
///
/// Only the operating system can read them: this sets the times of a temporary file to known ones,
/// then to `times`, and compares.
pub(super) fn parts(times: FileTimes) -> io::Result<[Option<Duration>; 2]> {
    let thread = std::thread::current().id();
    let name = format!("nodeloop-times-{}-{thread:?}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::create(&path)?;
    let read = |file: &File| {
        let metadata = file.metadata()?;
        io::Result::Ok([metadata.accessed()?, metadata.modified()?].map(since_epoch))
    };
    let result = (|| {
        let unset = file.metadata()?.modified()? - Duration::from_secs(1_000_000);
        let known = FileTimes::new().set_accessed(unset).set_modified(unset);
        file.set_times(known)?;
        let before = read(&file)?;
        file.set_times(times)?;
        let after = read(&file)?;
        Ok([0, 1].map(|at| (after[at] != before[at]).then_some(after[at])))
    })();
    drop(file);
    std::fs::remove_file(&path)?;
    result
}
