//! Every program recorded from Node has a test, and every program that a test names exists. The same
//! holds for the rules of the guide, which name their probes and the files that keep them.
//!
//! A test names a probe in a comment, by its file, `16-drain-between-lists.js`, or as "probe
//! 16", and contains the lines that Node printed, in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The test binaries.
const FOLDERS: [&str; 7] = ["fs", "house", "kit", "net", "process", "races", "rules"];

/// Probes without a test, and why.
const EXCEPTIONS: [(&str, &str); 2] = [
    (
        "95",
        "Rust has no foreign thenables: a foreign future is awaited",
    ),
    ("99", "a defect of Node 20, not copied (R59)"),
];

/// Probes whose test expects other lines than the recorded ones, and why.
const OTHER_LINES: [(&str, &str); 11] = [
    ("05", "real time is only about equal to virtual time"),
    ("26", "the origin and the code are one type of payload"),
    (
        "27",
        "a `Duration` is never NaN, undefined, text or negative",
    ),
    ("86", "the order of the lines shows what was freed"),
    (
        "92",
        "a listed deviation: an error in place of an exit code",
    ),
    ("93", "recorded as one line"),
    ("170", "there is no event `spawn`"),
    ("172", "the line with the data shows it"),
    ("173", "a signal is reported by its number"),
    ("177", "children of other tests also cause signals"),
    (
        "106",
        "the reason of a rejection that was handled meanwhile is gone",
    ),
];

#[test]
fn every_probe_has_a_test() {
    let tests = tests();
    let mut missing = Vec::new();
    for (number, file) in probes() {
        let named: Vec<&Test> = (tests.iter())
            .filter(|test| test.names(&number, &file))
            .collect();
        let exception = EXCEPTIONS.iter().find(|(known, _)| *known == number);
        match (named.is_empty(), exception) {
            (true, None) => missing.push(format!("{file} has no test")),
            (true, Some(_)) => continue,
            (false, Some((_, reason))) => {
                missing.push(format!("{file} is tested, yet an exception: {reason}"));
            }
            (false, None) => {}
        }
        let recorded = recorded(&file);
        let is_expected = named
            .iter()
            .any(|test| recorded.iter().all(|lines| test.expects(lines)));
        let other_lines = OTHER_LINES.iter().any(|(known, _)| *known == number);
        if is_expected == other_lines && exception.is_none() {
            let tests: Vec<&str> = named.iter().map(|test| &*test.name).collect();
            let how = if is_expected { "does" } else { "does not" };
            missing.push(format!("{file}: {tests:?} {how} expect what it printed"));
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// A file that no `mod` line names is not compiled, and its tests do not run.
#[test]
fn every_file_is_a_module_of_its_binary() {
    let mut missing = Vec::new();
    for folder in FOLDERS {
        let main = read(&format!("tests/{folder}"), "main.rs");
        for path in files_of(&format!("tests/{folder}"), "rs") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if name != "main" && !main.contains(&format!("mod {name};\n")) {
                missing.push(format!("{folder}/{name}"));
            }
        }
    }
    assert!(missing.is_empty(), "name them in main.rs: {missing:?}");
}

/// A `#[test]` with the comment above it.
struct Test {
    name: String,
    comment: String,
    body: String,
}

impl Test {
    /// Whether it names the probe, above or inside.
    fn names(&self, number: &str, file: &str) -> bool {
        names(&self.comment, number, file) || names(&self.body, number, file)
    }

    /// Whether the test contains these lines as string literals, in this order. Quotation marks are
    /// ignored: `Debug` writes some where `console.log` writes none.
    fn expects(&self, lines: &[String]) -> bool {
        let texts = texts_in(&self.body);
        let mut texts = texts.iter().map(|text| without_marks(text));
        lines
            .iter()
            .all(|line| texts.any(|text| text == without_marks(line)))
    }
}

fn without_marks(text: &str) -> String {
    text.replace(['"', '\'', '\\'], "")
}

/// The string literals in a piece of source, without those in comments.
fn texts_in(source: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            'r' if chars.peek() == Some(&'#') => {
                let rest: String = chars.clone().skip(2).collect();
                let text = rest.split("\"#").next().unwrap_or_default().to_owned();
                chars.nth(text.chars().count() + 3);
                texts.push(text);
            }
            '"' => {
                let mut text = String::new();
                while let Some(c) = chars.next_if(|c| *c != '"') {
                    text.push(c);
                    if c == '\\' {
                        text.extend(chars.next());
                    }
                }
                chars.next();
                texts.push(text);
            }
            _ => {}
        }
    }
    texts
}

/// Every test of the crate.
fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for text in texts_of_tests() {
        for (at, attribute) in text.match_indices("\n#[test]\n") {
            let above = text[..at].lines().rev();
            let comment: Vec<&str> = above.take_while(|line| line.starts_with("///")).collect();
            let below = &text[at + attribute.len()..];
            let body = below.split_inclusive("\n}\n").next().unwrap_or(below);
            let name = body
                .split("fn ")
                .nth(1)
                .and_then(|rest| rest.split('(').next());
            tests.push(Test {
                name: name.expect("a test is a function").to_owned(),
                comment: comment.join("\n"),
                body: body.to_owned(),
            });
        }
    }
    assert!(tests.len() > 200, "the tests were not found");
    tests
}

/// What Node printed: Node 20, and each later release that prints something else than the one before it.
fn recorded(file: &str) -> Vec<Vec<String>> {
    let name = file.trim_end_matches(".js");
    let outputs = files_of("tests/node/probes", "out").into_iter();
    let outputs = outputs.filter(|path| {
        let output = path.file_name().unwrap().to_string_lossy();
        let release = output
            .strip_prefix(name)
            .and_then(|rest| rest.strip_suffix(".out"));
        release.is_some_and(|release| release.is_empty() || release.starts_with('.'))
    });
    let lines_of = |path: PathBuf| {
        let output = fs::read_to_string(path).expect("an output can be read");
        output.lines().map(str::to_owned).collect()
    };
    let recorded: Vec<Vec<String>> = outputs.map(lines_of).collect();
    assert!(!recorded.is_empty(), "{file} was not recorded");
    recorded
}

#[test]
fn every_probe_that_is_named_exists() {
    let known: BTreeSet<String> = probes().into_values().collect();
    let mut unknown = BTreeSet::new();
    for text in texts_of_tests() {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
        let files = words.filter(|word| word.ends_with(".js") && number_of(word).is_some());
        unknown.extend(
            files
                .filter(|file| !known.contains(*file))
                .map(str::to_owned),
        );
    }
    assert!(unknown.is_empty(), "no such probe: {unknown:?}");
}

#[test]
fn every_rule_has_a_test_a_probe_and_a_file_that_keeps_it() {
    let tests = texts_of_tests();
    let known = probes();
    let mut problems = Vec::new();
    let mut unlisted: BTreeSet<u32> = known.keys().map(|number| number.parse().unwrap()).collect();
    unlisted.remove(&95); // thenables, which the crate does not have
    let mut next = 1;
    for row in include_str!("../../src/guide/rules.md").lines() {
        let Some(cells) = row.strip_prefix("| **R") else {
            continue;
        };
        let cells: Vec<&str> = cells.split(" | ").collect();
        let rule = cells[0].trim_end_matches("**");
        let (files, numbers) = (cells[cells.len() - 2], cells[cells.len() - 1]);
        assert_eq!(rule, next.to_string(), "the rules are listed in order");
        next += 1;
        for range in numbers.trim_end_matches(" |").split(", ") {
            let (first, last) = range.split_once('–').unwrap_or((range, range));
            for number in [first, last] {
                if !known.contains_key(number) {
                    problems.push(format!("R{rule}: there is no probe {number}"));
                }
            }
            let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
            unlisted.retain(|number| !(first..=last).contains(number));
        }
        if files == "—" {
            continue; // a rule that is not kept
        }
        if !tests.iter().any(|text| names_rule(text, rule)) {
            problems.push(format!("R{rule} has no test that names it"));
        }
        for file in files.split(", ").map(|file| file.trim_matches('`')) {
            if !names_rule(&read("src", file), rule) {
                problems.push(format!("R{rule} is not named in {file}"));
            }
        }
    }
    let unlisted = unlisted.iter();
    problems.extend(unlisted.map(|number| format!("no rule names the probe {number}")));
    assert_eq!(next, 73, "the guide has the rules up to R72");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Whether a text names the rule, alone or inside of a range (`R20–R36`).
fn names_rule(text: &str, rule: &str) -> bool {
    let wanted: u32 = rule.parse().expect("a number");
    let number = |text: &str| -> Option<u32> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    text.split('R').skip(1).any(|rest| {
        let Some(first) = number(rest) else {
            return false;
        };
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let last = after.strip_prefix("–R").and_then(number);
        (first..=last.unwrap_or(first)).contains(&wanted)
    })
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

/// The files of all probes, by the number in their name.
fn probes() -> BTreeMap<String, String> {
    let mut probes = BTreeMap::new();
    for path in files_of("tests/node/probes", "js") {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let number = number_of(&file).unwrap_or_else(|| panic!("{file} has no number"));
        if let Some(twin) = probes.insert(number.to_owned(), file.clone()) {
            panic!("{file} and {twin} have the same number");
        }
    }
    assert!(probes.len() > 100, "the probes were not found");
    probes
}

/// The number that `16-drain-between-lists.js` begins with.
fn number_of(file: &str) -> Option<&str> {
    let (number, _) = file.split_once('-')?;
    number.parse::<u32>().is_ok().then_some(number)
}

/// The sources of the tests, without this file.
fn texts_of_tests() -> Vec<String> {
    let mut paths = files_of("tests", "rs");
    for folder in FOLDERS {
        paths.extend(files_of(&format!("tests/{folder}"), "rs"));
    }
    paths.retain(|path| !path.ends_with(file!()));
    let read = |path: PathBuf| fs::read_to_string(path).expect("a test can be read");
    paths.into_iter().map(read).collect()
}

fn read(folder: &str, file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files_of(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).expect("the directory exists");
    let paths = entries.map(|entry| entry.expect("the entry can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect()
}
