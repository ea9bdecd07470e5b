//! The README shows programs that were run, and what they print.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::limit::limit;
use crate::skip::skip;

const README: &str = include_str!("../../README.md");

/// What the test of the README expects of the reader's project.
const FILE_IN_README: &str = "src/lib.rs";

mod order {
    include!("readme/order.rs");
}

mod program {
    include!("readme/program.rs");

    pub fn run() {
        main();
    }
}

/// The blocks of code in the README, with their language.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts = README.split("\n```").skip(1).step_by(2);
    let blocks = parts.map(|part| part.split_once('\n').expect("a block has lines"));
    blocks.collect()
}

fn assert_shows(language: &str, text: &str) {
    let shown = blocks().contains(&(language, text.trim_end()));
    assert!(
        shown,
        "the README does not have this `{language}` block:\n{text}"
    );
}

/// Runs a test of this program alone.
fn run_alone(test: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", test, "--include-ignored", "--nocapture"]);
    command.env("RUST_BACKTRACE", "0");
    command.output().expect("this program can be run again")
}

#[test]
fn the_program_prints_its_lines_in_their_order() {
    let _limit = limit();
    assert_shows("rust", include_str!("readme/program.rs"));
    let output = run_alone("readme::run_the_program");
    let printed = String::from_utf8(output.stdout).unwrap();
    let is_line = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let lines: Vec<&str> = printed.lines().filter(is_line).collect();
    let expected = [
        "1 main future",
        "2 tick",
        "3 microtask",
        "4 awaited",
        "5 immediate",
        "6 timer",
    ];
    assert_eq!(lines, expected, "{printed}");
}

#[test]
#[ignore = "run by the test above, which reads its output"]
fn run_the_program() {
    println!(); // the harness has not ended its line
    program::run();
}

#[test]
fn the_failing_test_prints_the_difference_that_the_readme_shows() {
    let _limit = limit();
    let source = include_str!("readme/order.rs");
    let (before, after) = source.split_once("#[should_panic]").unwrap();
    let (comment, after) = after.split_once('\n').unwrap();
    assert!(comment.starts_with(" //"));
    assert_shows("rust", &format!("{before}{after}"));

    let output = run_alone("readme::order::reports_before_it_saves");
    let printed = String::from_utf8(output.stderr).unwrap();
    let at = printed.find("panicked at").expect("the test fails");
    let report = printed[at..].split("\nnote: ").next().unwrap();
    // The README has one line less, and another file.
    let removed = before.lines().count() + 1;
    let mut shown = String::new();
    for part in report.split_inclusive("order.rs:") {
        let number = part.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        match number.parse::<usize>() {
            Ok(line) if line > removed && !shown.is_empty() => {
                shown += &(line - 1).to_string();
                shown += &part[number.len()..];
            }
            _ => shown += part,
        }
    }
    let path = file!().replace("readme.rs", "readme/order.rs");
    assert_shows("text", &shown.replace(&path, FILE_IN_README));
}

/// The ratios are those of the comparison's own README, which the published crate does not contain, and
/// of the guide.
#[test]
fn the_ratios_are_those_that_were_measured() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/README.md");
    let Ok(measured) = fs::read_to_string(path) else {
        return skip("the comparison is not part of this copy");
    };
    let guide = include_str!("../../src/guide/performance.md");
    let start = README.find("| row of the comparison |").unwrap();
    let table = README[start..].split("\n\n").next().unwrap();
    let mut count = 0;
    for row in cells_of(table).skip(2) {
        let [title, peer, ratio, to_tokio] = row[..] else {
            panic!("{row:?}");
        };
        let line = cells_of(&measured).find(|cells| cells[0] == title && cells.len() == 6);
        let line = line.unwrap_or_else(|| panic!("{title} was not measured"));
        assert!(line[3].starts_with(peer), "{title}: {}", line[3]);
        assert_eq!(line[4], ratio, "{title}");
        let line = cells_of(guide).find(|cells| cells[0] == title);
        let line = line.unwrap_or_else(|| panic!("{title} is not in the guide"));
        assert_eq!(
            [line[1], line[2], line[4]],
            [peer, ratio, to_tokio],
            "{title}"
        );
        count += 1;
    }
    assert!(count > 5, "{count} ratios");
}

fn cells_of(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = table.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}
