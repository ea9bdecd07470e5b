//! Recordings that are written to files, as requested by `--html FILE` and `--trace FILE`.

use std::cell::Cell;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Recording;
use super::file::check;
use crate::observe::{self, Event, EventContext, EveryLoopHandle, Observer};

/// Records every loop that is built on this thread from now on, if the command line of the program
/// contains `--html FILE` for the page, `--trace FILE` for the trace, or both. Otherwise it does
/// nothing. Other arguments are ignored.
///
/// The title is the name of the program. Programs that parse their command line themselves can use
/// [`record_to_files`].
///
/// ```
/// let _recording = nodeloop::recording::from_args(); // at the start of `main`
/// nodeloop::run(async { /* … */ });
/// ```
///
/// # Panics
///
/// Panics if one of the two options is not followed by a file name, if a file can't be written, and if both have
/// the same path.
#[track_caller]
pub fn from_args() -> RecordingGuard {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let html = file_of("--html", &arguments);
    let trace = file_of("--trace", &arguments);
    record_to_files(&program_name(), html.as_deref(), trace.as_deref())
}

/// Records every loop that is built on this thread from now on, and writes the page, the trace or
/// both to the given files. Without a file it does nothing.
///
/// The files are written at the end of each run, including a run that
/// [`nodeloop::exit`](crate::exit) ends, and when the returned guard is dropped, if there are new
/// events. The name of a written file, or an error at that time, for example of a full disk, is printed
/// to standard error.
///
/// # Panics
///
/// Panics if a file can't be written, for example because its directory does not exist, and if both have the
/// same path.
#[track_caller]
pub fn record_to_files(title: &str, html: Option<&Path>, trace: Option<&Path>) -> RecordingGuard {
    if html.is_none() && trace.is_none() {
        return RecordingGuard {
            installed: None,
            files: None,
        };
    }
    for file in html.into_iter().chain(trace) {
        if let Err(error) = check(file) {
            let file = file.display();
            panic!(
                "{file} can't be written: {error}; pass a file in a directory that can be written to"
            );
        }
    }
    assert!(
        html != trace,
        "the page and the trace have the same file, {}; pass one for each",
        html.unwrap_or(Path::new("")).display()
    );
    let files = Files {
        recording: Recording::new(title),
        html: html.map(Path::to_owned),
        trace: trace.map(Path::to_owned),
        saved: Rc::default(),
    };
    RecordingGuard {
        installed: Some(observe::every_loop(files.clone())),
        files: Some(files),
    }
}

/// Keeps [`record_to_files`] or [`from_args`] active. After it is dropped, newly built loops are not
/// recorded.
#[must_use = "dropping the guard ends the recording; bind it with `let _recording = …`"]
#[derive(Debug)]
pub struct RecordingGuard {
    installed: Option<EveryLoopHandle>,
    files: Option<Files>,
}

impl RecordingGuard {
    /// Returns the recording, if there is one.
    pub fn recording(&self) -> Option<&Recording> {
        self.files.as_ref().map(|files| &files.recording)
    }
}

impl Drop for RecordingGuard {
    fn drop(&mut self) {
        drop(self.installed.take());
        if let Some(files) = &self.files {
            files.save();
        }
    }
}

/// Returns the file of `option`: `--html FILE` or `--html=FILE`.
#[track_caller]
fn file_of(option: &str, arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let file = if argument == option {
            arguments.next().map(OsString::as_os_str)
        } else {
            let text = argument.to_str().unwrap_or_default();
            match text
                .strip_prefix(option)
                .and_then(|rest| rest.strip_prefix('='))
            {
                Some(file) => Some(OsStr::new(file)),
                None => continue,
            }
        };
        match file {
            Some(file) if !file.is_empty() => return Some(PathBuf::from(file)),
            _ => panic!("`{option}` has no file name; pass one, as in `{option} FILE`"),
        }
    }
    None
}

fn program_name() -> String {
    let program = env::args_os().next().map(PathBuf::from);
    let name = program.as_deref().and_then(Path::file_stem);
    name.map_or_else(
        || "a run".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// A recording, and the files to write it to.
#[derive(Debug, Clone)]
struct Files {
    recording: Recording,
    html: Option<PathBuf>,
    trace: Option<PathBuf>,
    /// The number of events in the files that were written last.
    saved: Rc<Cell<Option<usize>>>,
}

impl Files {
    /// Writes the files if there are new events.
    fn save(&self) {
        let events = self.recording.len() + self.recording.omitted();
        if self.saved.replace(Some(events)) == Some(events) {
            return;
        }
        if let Some(file) = &self.html {
            report("page", file, self.recording.save_html(file));
        }
        if let Some(file) = &self.trace {
            report("trace", file, self.recording.save_trace(file));
        }
    }
}

impl Observer for Files {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        self.recording.observe(event, context);
        if *event == Event::RunEnd {
            self.save();
        }
    }
}

fn report(what: &str, file: &Path, result: io::Result<()>) {
    match result {
        Ok(()) => eprintln!("the {what} of this run was written to {}", file.display()),
        Err(error) => eprintln!(
            "the {what} could not be written to {}: {error}",
            file.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(arguments: &[&str]) -> Option<String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        file_of("--html", &arguments).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_file_follows_the_option_or_is_part_of_it() {
        assert_eq!(file(&[]), None);
        assert_eq!(file(&["other", "--htmlx", "x"]), None);
        assert_eq!(
            file(&["other", "--html", "a.html", "more"]).unwrap(),
            "a.html"
        );
        assert_eq!(file(&["--html=b.html"]).unwrap(), "b.html");
        for arguments in [&["--html"][..], &["--html", ""], &["--html="]] {
            assert!(std::panic::catch_unwind(|| file(arguments)).is_err());
        }
    }
}
