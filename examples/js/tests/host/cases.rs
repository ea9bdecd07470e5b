//! The recorded programs of `tests/node/cases`, as JavaScript on the host, on virtual time.
//!
//! `interpret.cjs` is the script that ran them in Node. Each program runs under the rules of one release
//! whose trace it has; `NODELOOP_JS_RELEASES=all` runs it under all.
//!
//! The programs of `NODELOOP_CASES` and `NODELOOP_NODE` (`tests/node_cases.rs` describes both) run on the
//! real clock, or with `NODELOOP_JS_TIME=virtual` on virtual time.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{host, path, tests};

#[test]
fn recorded_programs_print_what_node_printed() {
    let node = tests().join("../../../tests/node");
    let all = std::env::var("NODELOOP_JS_RELEASES").is_ok_and(|releases| releases == "all");
    let mut report = Report::default();
    for (index, file) in cases_in(&node.join("cases")).into_iter().enumerate() {
        let case = read(&file);
        let releases = case["releases"]
            .as_array()
            .expect("a recorded case lists its releases");
        let releases: Vec<u64> = releases.iter().filter_map(Json::as_u64).collect();
        let chosen = match all {
            true => releases,
            false => vec![releases[index % releases.len()]],
        };
        for release in chosen {
            report.judge(&file, release, true, &trace_of(&case, release));
        }
    }
    assert!(
        report.matching > 300,
        "only {} programs were compared",
        report.matching
    );
    report.finish();
}

#[test]
fn fresh_programs_print_what_node_printed() {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(fresh) = variable("NODELOOP_CASES") else {
        println!("skipped: NODELOOP_CASES names no fresh programs");
        return;
    };
    let release = variable("NODELOOP_NODE").map_or(20, |major| major.parse().unwrap());
    let is_virtual = std::env::var("NODELOOP_JS_TIME").is_ok_and(|time| time == "virtual");
    let mut report = Report::default();
    for directory in fresh.split(':').filter(|name| !name.is_empty()) {
        for file in cases_in(Path::new(directory)) {
            report.judge(&file, release, is_virtual, &labels(&read(&file)["expect"]));
        }
    }
    report.finish();
}

#[derive(Default)]
struct Report {
    matching: usize,
    differing: Vec<String>,
}

impl Report {
    /// Runs a program and compares. On the real clock a busy machine can be too late for a program, so one
    /// that differs has two more runs.
    fn judge(&mut self, file: &Path, release: u64, is_virtual: bool, expected: &[String]) {
        let runs = if is_virtual { 1 } else { 3 };
        let mut trace = Vec::new();
        for _ in 0..runs {
            trace = trace_on_host(file, release, is_virtual);
            if trace == expected {
                self.matching += 1;
                return;
            }
        }
        let file = file.display();
        self.differing.push(format!(
            "{file}, Node {release}:\n  Node: {expected:?}\n  host: {trace:?}"
        ));
    }

    fn finish(self) {
        println!("{} programs match", self.matching);
        assert!(self.differing.is_empty(), "{}", self.differing.join("\n"));
    }
}

fn trace_on_host(file: &Path, release: u64, is_virtual: bool) -> Vec<String> {
    let interpreter = tests().join("../../../tests/node/interpret.cjs");
    let release = release.to_string();
    let mut arguments = vec!["--node", &release];
    if is_virtual {
        arguments.push("--virtual-time");
    }
    arguments.extend([path(&interpreter), path(file)]);
    let output = host(&arguments);
    serde_json::from_slice(&output.stdout).map_or_else(
        |_| vec![String::from_utf8_lossy(&output.stderr).into_owned()],
        |trace| labels(&trace),
    )
}

fn cases_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("no cases in {}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    files
}

fn read(file: &Path) -> Json {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The trace that a release prints: that of the last release up to it with a trace of its own.
fn trace_of(case: &Json, release: u64) -> Vec<String> {
    let own = (20..=release)
        .rev()
        .map(|major| &case["expectIn"][major.to_string()]);
    let trace = own.chain([&case["expect"]]).find(|trace| trace.is_array());
    labels(trace.expect("a case has a trace"))
}

fn labels(trace: &Json) -> Vec<String> {
    let trace = trace.as_array().expect("a trace is a list").iter();
    trace
        .map(|label| label.as_str().expect("a label is a text").to_owned())
        .collect()
}
