//! Keeps the house: who may import whom, who reads the clock, how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the bottom to the top. A module imports from the layers above it in this list
/// (those below it in the house), never from its own layer. `lib.rs` and the guide stand above all.
#[rustfmt::skip]
const LAYERS: &[&[&str]] = &[
    &["chance", "clock", "context", "macrotask"],
    &["rejection", "remote", "waits"],
    &["phases", "pool", "queues", "uncaught"],
    &["signals", "watch"],
    &["current"], // where the API and the loop meet
    &["async_local", "checkpoint", "hooks", "observe", "promise", "teardown", "why_alive", "yield_now"],
    &["blocking", "event_loop", "handle", "picture", "schedule", "time"],
    &["abort", "entry", "io"],
    &["fs", "hyper", "net", "signal", "test"],
    &["process", "worker"],
];

/// The longest file.
const LINES: usize = 600;

/// Every file of `folder` and below that ends in `.rs`.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn gather(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder of the crate") {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                into.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    gather(&root.join(folder), &mut files);
    for (path, _) in &mut files {
        *path = path.strip_prefix(root).unwrap().to_owned();
    }
    files.sort();
    files
}

/// A source without its comments. Good enough for this house: no string in it holds `//`.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        Some(at) => &line[..at],
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that a source names as `crate::module` or `use crate::{module, …}`.
fn imports(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_word).collect()
    };
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            modules.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = true;
        for (at, c) in group.char_indices() {
            if item && !c.is_whitespace() && depth == 0 && c != '}' {
                modules.push(word(&group[at..]));
                item = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => item = true,
                _ => {}
            }
        }
    }
    modules
}

/// The top module of a file: `promise` for `src/promise.rs` and for `src/promise/task.rs`.
fn module_of(path: &Path) -> String {
    let first = path.components().nth(1).unwrap().as_os_str();
    Path::new(first)
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

fn assert_none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn imports_point_downwards() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        if module == "lib" || module == "guide" {
            continue;
        }
        let Some(&layer) = layer_of.get(&*module) else {
            problems.push(format!("{}: give it a place in LAYERS", path.display()));
            continue;
        };
        for import in imports(&code(&text)) {
            let at = path.display();
            match layer_of.get(&*import) {
                _ if import == module => {}
                None => problems.push(format!(
                    "{at}: names `crate::{import}`, which is no module: import it from where it is"
                )),
                Some(&other) if other >= layer => problems.push(format!(
                    "{at}: `{module}` is in layer {layer} and imports `{import}` of layer {other}"
                )),
                Some(_) => {}
            }
        }
    }
    assert_none(problems);
}

/// The phases do not know each other, and have nothing to do with the loop that runs them.
#[test]
fn phases_do_not_know_each_other() {
    let mut problems = Vec::new();
    for (path, text) in sources("src/phases") {
        let code = code(&text);
        // What is deeper than a phase may know its parent.
        let is_phase = path.components().count() == 3;
        if code.contains("crate::phases") || (is_phase && code.contains("super::")) {
            problems.push(format!("{}: imports a sibling", path.display()));
        }
    }
    assert_none(problems);
}

#[test]
fn one_file_reads_the_clock() {
    let reads = |code: &str| {
        code.contains("SystemTime")
            || code
                .match_indices("Instant::now")
                .any(|(at, _)| !code[..at].ends_with("time::"))
    };
    let allowed = [
        "src/clock.rs",
        "src/time.rs", // has an `Instant` of its own, that asks the clock
    ];
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap();
        if reads(&code(&text)) && !allowed.contains(&path) {
            problems.push(format!("{path}: reads the clock; be handed `now` instead"));
        }
        if path != "src/clock.rs" && code(&text).contains("std::time::Instant") {
            problems.push(format!("{path}: knows the machine's `Instant`"));
        }
    }
    assert_none(problems);
}

#[test]
fn no_test_sleeps_and_nothing_is_unsafe() {
    let mut problems = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        let (path, code) = (path.to_str().unwrap(), code(&text));
        let may_sleep = [
            "src/clock.rs",            // `block_for` on the real clock
            "tests/house/layers.rs",   // this line
            "tests/house/examples.rs", // waits for other processes
            "tests/rules/reactor.rs",  // lets real time pass, which must not count
        ];
        if code.contains("thread::sleep") && !may_sleep.contains(&path) {
            problems.push(format!(
                "{path}: sleeps; move the virtual clock, or wait for a message"
            ));
        }
        let is_unsafe = |line: &str| line.contains("unsafe ") && !line.contains('"');
        if code.lines().any(is_unsafe) {
            problems.push(format!("{path}: unsafe code"));
        }
    }
    assert_none(problems);
}

#[test]
fn files_stay_short() {
    let long = |(path, text): (PathBuf, String)| {
        let lines = text.lines().count();
        (lines > LINES).then(|| format!("{}: {lines} lines, at most {LINES}", path.display()))
    };
    assert_none(sources("src").into_iter().filter_map(long).collect());
}

#[test]
fn the_parser_of_this_file_finds_all_imports() {
    let text = "
        use crate::clock::Clock; // crate::comment
        use crate::{macrotask::{Macrotask, Work}, phases::check::Check,
            pool};
        fn f() { crate::queues::g(); mycrate::not_ours() }
    ";
    let found = imports(&code(text));
    assert_eq!(found, ["clock", "macrotask", "phases", "pool", "queues"]);
}
