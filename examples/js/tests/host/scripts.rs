//! Ordinary scripts, and the scripts of bugs that other runtimes had: `NAME.out` is what Node 20 printed.
//!
//! With `node` of release 20 on the path, the recordings are checked as well.
//! `NODELOOP_JS_RECORD=1` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{host, node_20, path, run, tests, text_of};

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

/// From Node 22 on, one of these errors has another text. The texts are what those releases print.
#[test]
fn errors_have_the_codes_and_texts_of_each_release() {
    let script = tests().join("scripts/coded_errors.js");
    let of_20 = fs::read_to_string(script.with_extension("js.out")).unwrap();
    let text = "The value argument must be specified";
    let changed = of_20.replace(
        &format!("  TypeError: {text}"),
        &format!("  TypeError [ERR_MISSING_ARGS]: The \"{text}\" argument must be specified"),
    );
    assert_ne!(of_20, changed);
    for release in ["22", "24", "26"] {
        let output = host(&["--virtual-time", "--node", release, path(&script)]);
        assert_eq!(text_of(&output), changed, "{release}");
    }
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
