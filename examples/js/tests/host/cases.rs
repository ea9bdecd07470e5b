//! The recorded programs of `tests/node/cases`, as JavaScript on the host, on virtual time.
//!
//! `interpret.cjs` is the script that ran them in Node. Each program runs under the rules of one release
//! whose trace it has; `NODELOOP_JS_RELEASES=all` runs it under all. The directories of `NODELOOP_CASES`
//! (separated by `:`) were traced by the release that `NODELOOP_NODE` names, and run as well;
//! `NODELOOP_JS_TIME=real` runs them on the real clock.

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
            report.judge(&file, release, "--virtual-time", &trace_of(&case, release));
        }
    }
    let fresh = std::env::var("NODELOOP_CASES").unwrap_or_default();
    let release = std::env::var("NODELOOP_NODE").map_or(20, |major| major.parse().unwrap());
    let is_real = std::env::var("NODELOOP_JS_TIME").is_ok_and(|time| time == "real");
    for directory in fresh.split(':').filter(|name| !name.is_empty()) {
        for file in cases_in(Path::new(directory)) {
            let case = read(&file);
            let time = if is_real { "" } else { "--virtual-time" };
            report.judge(&file, release, time, &labels(&case["expect"]));
        }
    }
    let Report {
        matching,
        differing,
    } = report;
    println!("{matching} programs match");
    assert!(
        differing.is_empty() && matching > 300,
        "{}",
        differing.join("\n")
    );
}

#[derive(Default)]
struct Report {
    matching: usize,
    differing: Vec<String>,
}

impl Report {
    fn judge(&mut self, file: &Path, release: u64, time: &str, expected: &[String]) {
        let interpreter = tests().join("../../../tests/node/interpret.cjs");
        let release = release.to_string();
        let mut arguments = vec!["--node", &release];
        arguments.extend([time].into_iter().filter(|time| !time.is_empty()));
        arguments.extend([path(&interpreter), path(file)]);
        let output = host(&arguments);
        let trace = serde_json::from_slice(&output.stdout).map_or_else(
            |_| vec![String::from_utf8_lossy(&output.stderr).into_owned()],
            |trace| labels(&trace),
        );
        if trace == expected {
            self.matching += 1;
        } else {
            let file = file.display();
            self.differing.push(format!(
                "{file}, Node {release}:\n  Node: {expected:?}\n  host: {trace:?}"
            ));
        }
    }
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
