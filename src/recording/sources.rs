//! Reads the source lines around the locations of a recording.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::record::Place;

/// A file of at most this many lines is included completely.
const WHOLE_FILE_LINES: usize = 300;
/// How many lines before and after a location are included from a longer file.
const CONTEXT_LINES: usize = 12;
/// Longer files are not read: they are not source files.
const MAX_BYTES: u64 = 4 << 20;

/// Lines and their numbers.
type Lines = Vec<(usize, String)>;

/// Returns the lines around `locations`, by file name. Files that cannot be read are left out.
///
/// A file in `given` is not read.
pub(super) fn around<'a>(
    places: impl Iterator<Item = &'a Place>,
    given: &BTreeMap<String, String>,
) -> BTreeMap<&'a str, Lines> {
    let mut by_file: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for place in places {
        let line = usize::try_from(place.line).unwrap_or(0);
        by_file.entry(&place.file).or_default().push(line);
    }
    let shown = by_file.into_iter().filter_map(|(file, locations)| {
        let text = match given.get(file) {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(read(file)?),
        };
        Some((file, lines(&text, &locations)))
    });
    shown.collect()
}

fn lines(text: &str, locations: &[usize]) -> Lines {
    let numbered = (1..).zip(text.lines());
    let is_short = text.lines().nth(WHOLE_FILE_LINES).is_none();
    let is_near = |number: usize| {
        locations
            .iter()
            .any(|location| location.abs_diff(number) <= CONTEXT_LINES)
    };
    numbered
        .filter(|(number, _)| is_short || is_near(*number))
        .map(|(number, line)| (number, line.to_owned()))
        .collect()
}

/// Reads a source file. Its name is relative to the directory of the compiler, usually the root of a
/// workspace: the current directory, that of the package, or a parent of these.
fn read(file: &str) -> Option<String> {
    let roots = [
        env::current_dir().ok(),
        env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
    ];
    let roots: Vec<PathBuf> = roots.into_iter().flatten().collect();
    let candidates = roots.iter().flat_map(|root| root.ancestors());
    let mut candidates = candidates.map(|folder| folder.join(file));
    let found = candidates.find(|path| is_source(path))?;
    fs::read_to_string(found).ok()
}

fn is_source(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    fn numbers(lines: &Lines) -> Vec<usize> {
        lines.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_short_file_is_whole_and_a_long_one_has_gaps() {
        let text = |count: usize| {
            (1..=count)
                .map(|n| format!("line {n}\n"))
                .collect::<String>()
        };
        assert_eq!(
            numbers(&lines(&text(WHOLE_FILE_LINES), &[5])).len(),
            WHOLE_FILE_LINES
        );
        let long = lines(&text(WHOLE_FILE_LINES + 1), &[1, 3, 200]);
        let expected: Vec<usize> = (1..=15).chain(188..=212).collect();
        assert_eq!(numbers(&long), expected);
        assert_eq!(long[0].1, "line 1");
        assert_eq!(lines("", &[1]), Lines::new());
    }

    #[test]
    fn this_file_is_found_and_missing_files_are_left_out() {
        let here = [Place::of(Location::caller())];
        let text = around(here.iter(), &BTreeMap::new());
        let here: Vec<_> = text.values().collect();
        assert!(here.iter().any(|lines| !lines.is_empty()));
        assert_eq!(read("no/such/file.rs"), None);
        assert_eq!(read("src"), None, "a directory");
    }
}
