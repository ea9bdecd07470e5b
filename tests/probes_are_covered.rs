//! Every program recorded from Node has its counterpart in a test, and every program that a test
//! names exists.
//!
//! A test names a probe by its file, `16-drain-between-lists.js`, or as "probe 16".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Probes without a test, and why.
const EXCEPTIONS: [(&str, &str); 2] = [
    (
        "95",
        "foreign thenables: there are none, a foreign future is awaited",
    ),
    ("99", "a defect of Node 20, not copied (R59)"),
];

#[test]
fn every_probe_has_a_test() {
    let tests = texts_of_tests();
    let mut missing = Vec::new();
    for (number, file) in probes() {
        let is_tested = tests.iter().any(|text| names(text, &number, &file));
        let exception = EXCEPTIONS.iter().find(|(known, _)| *known == number);
        match (is_tested, exception) {
            (false, None) => missing.push(format!("{file} has no test")),
            (true, Some((_, reason))) => {
                missing.push(format!("{file} is tested, yet an exception: {reason}"));
            }
            _ => {}
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn every_probe_that_is_named_exists() {
    let known: BTreeSet<String> = probes().into_values().collect();
    let mut strangers = BTreeSet::new();
    for text in texts_of_tests() {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
        let files = words.filter(|word| word.ends_with(".js") && number_of(word).is_some());
        strangers.extend(
            files
                .filter(|file| !known.contains(*file))
                .map(str::to_owned),
        );
    }
    assert!(strangers.is_empty(), "no such probe: {strangers:?}");
}

/// Whether a text names the probe.
fn names(text: &str, number: &str, file: &str) -> bool {
    let by_number = format!("probe {number}");
    text.contains(file)
        || text
            .split(&by_number)
            .skip(1)
            .any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The files of all probes, by number, as they write it.
fn probes() -> BTreeMap<String, String> {
    let mut probes = BTreeMap::new();
    for path in files_of("tests/node/probes", "js") {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let number = number_of(&file).unwrap_or_else(|| panic!("{file} has no number"));
        if let Some(twin) = probes.insert(number.to_owned(), file.clone()) {
            panic!("{file} and {twin} have the same number");
        }
    }
    assert!(probes.len() > 100, "the probes are not where they were");
    probes
}

/// The number in front of `16-drain-between-lists.js`.
fn number_of(file: &str) -> Option<&str> {
    let (number, _) = file.split_once('-')?;
    number.parse::<u32>().is_ok().then_some(number)
}

/// What stands in the tests, this file aside.
fn texts_of_tests() -> Vec<String> {
    let mut paths = files_of("tests", "rs");
    paths.retain(|path| !path.ends_with(file!()));
    let read = |path: PathBuf| fs::read_to_string(path).expect("a test can be read");
    paths.into_iter().map(read).collect()
}

fn files_of(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).expect("the directory exists");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect()
}
