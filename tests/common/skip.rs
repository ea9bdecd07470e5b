//! Tests that cannot run on this machine: skipped with a reason, and counted.

use std::io::Write;
use std::panic::Location;

/// Reports that the calling test, or the rest of it, cannot run here.
///
/// The line is written past the harness, which captures what a test prints, and added to the file
/// `skipped` in cargo's `target/tmp`. `.ci/run` starts with an empty file and ends with its lines.
#[track_caller]
pub fn skip(reason: impl std::fmt::Display) {
    let location = Location::caller();
    let line = format!(
        "skipped: {reason} ({}:{})\n",
        location.file(),
        location.line()
    );
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(file)
        .expect("the list of skipped tests can be written");
    file.write_all(line.as_bytes())
        .expect("the list of skipped tests can be written");
}
