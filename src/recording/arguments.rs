//! `--html FILE` and `--trace FILE` on the command line of a program.

use std::cell::Cell;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Recording;
use crate::observe::{self, Event, EventContext, EveryLoopHandle, Observer};

/// Records every loop that is built on this thread from now on, if the command line asks for it:
/// `--html FILE` for the page, `--trace FILE` for the trace, or both. Without them it does
/// nothing at all. Other arguments are left to the program.
///
/// It is [`take`] for programs that do not read their command line themselves; the title is the
/// program's name.
///
/// ```
/// let _picture = nodeloop::recording::from_arguments(); // first thing in `main`
/// nodeloop::run(async { /* … */ });
/// ```
///
/// # Panics
///
/// If one of the two stands without a file behind it.
#[track_caller]
pub fn from_arguments() -> Picture {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let html = file_behind("--html", &arguments);
    let trace = file_behind("--trace", &arguments);
    take(&program_name(), html.as_deref(), trace.as_deref())
}

/// Records every loop that is built on this thread from now on, and writes the page, the trace or
/// both to the files that are given. Without any it does nothing at all.
///
/// The files are written at the end of each run, so also when
/// [`nodeloop::exit`](crate::exit) ends the process, and once more when the returned value is
/// dropped, if something was recorded since. A failure to write is told on the standard
/// error output, as is the name of what was written.
#[track_caller]
pub fn take(title: &str, html: Option<&Path>, trace: Option<&Path>) -> Picture {
    if html.is_none() && trace.is_none() {
        return Picture {
            installed: None,
            wanted: None,
        };
    }
    let wanted = Wanted {
        recording: Recording::new(title),
        html: html.map(Path::to_owned),
        trace: trace.map(Path::to_owned),
        saved: Rc::default(),
    };
    Picture {
        installed: Some(observe::every_loop(wanted.clone())),
        wanted: Some(wanted),
    }
}

/// A picture that is being taken, by [`take`] or [`from_arguments`]. Dropping it ends that for
/// loops that are built later.
#[must_use = "dropping it ends the recording: `let _picture = …`"]
#[derive(Debug)]
pub struct Picture {
    installed: Option<EveryLoopHandle>,
    wanted: Option<Wanted>,
}

impl Picture {
    /// The recording, if there is one.
    pub fn recording(&self) -> Option<&Recording> {
        self.wanted.as_ref().map(|wanted| &wanted.recording)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        drop(self.installed.take());
        if let Some(wanted) = &self.wanted {
            wanted.save();
        }
    }
}

/// The file that stands behind `option`, or in it: `--html FILE` or `--html=FILE`.
#[track_caller]
fn file_behind(option: &str, arguments: &[OsString]) -> Option<PathBuf> {
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
            _ => panic!("`{option}` needs the name of a file behind it: `{option} picture`"),
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

/// A recording, and the files that are to be made of it.
#[derive(Debug, Clone)]
struct Wanted {
    recording: Recording,
    html: Option<PathBuf>,
    trace: Option<PathBuf>,
    /// How many events the files have.
    saved: Rc<Cell<Option<usize>>>,
}

impl Wanted {
    /// Writes the files, if anything has happened since.
    fn save(&self) {
        let events = self.recording.len() + self.recording.left_off();
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

impl Observer for Wanted {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        self.recording.observe(event, context);
        if *event == Event::RunEnd {
            self.save();
        }
    }
}

fn report(what: &str, file: &Path, result: io::Result<()>) {
    match result {
        Ok(()) => eprintln!("the {what} of this run is in {}", file.display()),
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
        file_behind("--html", &arguments).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_file_stands_behind_the_option_or_in_it() {
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
