//! Ordinary scripts, and the scripts of bugs that other runtimes had: `NAME.out` is what Node 20 printed.
//!
//! With `node` of release 20 on the path, the recordings are checked as well.
//! `NODELOOP_JS_RECORD=1` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{host, path, run, tests, text_of};

#[test]
fn ordinary_scripts_print_what_node_prints() {
    compare("scripts", &["--virtual-time"]);
}

#[test]
fn scripts_of_order_bugs_print_what_node_prints() {
    // They block the thread with loops that read the clock, which moves on virtual time, too.
    compare("order_bugs", &[]);
    compare("order_bugs", &["--virtual-time"]);
}

fn compare(folder: &str, options: &[&str]) {
    let node = node_20();
    let mut differing = Vec::new();
    for script in scripts(folder) {
        let recording = PathBuf::from(format!("{}.out", script.display()));
        if let Some(node) = node {
            check_recording(node, &script, &recording);
        }
        let recorded = fs::read_to_string(&recording).unwrap();
        let arguments: Vec<&str> = [options, &["--node", "20", path(&script)]].concat();
        let output = host(&arguments);
        let printed = text_of(&output);
        if printed != recorded {
            let errors = String::from_utf8_lossy(&output.stderr);
            differing.push(format!(
                "{}\n-- Node:\n{recorded}\n-- host:\n{printed}\n{errors}",
                script.display()
            ));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Compares a recording with what Node prints now, or records it. Node needs the real clock, and a busy
/// machine can be late, so it has three runs.
fn check_recording(node: &str, script: &Path, recording: &Path) {
    let print = || text_of(&run(node, &[path(script)], &[]));
    if std::env::var_os("NODELOOP_JS_RECORD").is_some() {
        fs::write(recording, print()).unwrap();
    }
    let recorded = fs::read_to_string(recording).unwrap();
    let mut printed = print();
    for _ in 0..2 {
        if printed != recorded {
            printed = print();
        }
    }
    assert_eq!(
        printed,
        recorded,
        "Node prints something else than {}",
        recording.display()
    );
}

fn scripts(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(tests().join(folder)).unwrap();
    let mut scripts: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|script| {
        script
            .extension()
            .is_some_and(|end| end == "js" || end == "mjs")
    });
    scripts.sort();
    assert!(
        scripts.len() > 5,
        "{folder} has only {} scripts",
        scripts.len()
    );
    scripts
}

/// The program `node`, if it is one of the release that the recordings are from.
fn node_20() -> Option<&'static str> {
    let version = std::process::Command::new("node").arg("--version").output();
    match version {
        Ok(output) if output.stdout.starts_with(b"v20.") => Some("node"),
        _ => {
            println!("skipped: there is no Node 20 to compare the recordings with");
            None
        }
    }
}
