//! The structure of `src`: which module may import which, which files read the clock, and how long a
//! file may be.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the bottom to the top. A file belongs to the longest entry that its module path
/// starts with. It imports from lower floors, and within its own top-level module also from its own
/// floor. `lib.rs` and the guide are above all floors.
#[rustfmt::skip]
const FLOORS: &[&[&str]] = &[
    &["async_local::context", "phases::macrotask", "reactor", "reactor::clock", "reactor::journal"],
    &["hooks::foreign", "hooks::listener", "hooks::listener_list", "hooks::microtask_source", "hooks::rejection", "hooks::unhandled", "observe::active_resource", "observe::event", "reactor::main_waker", "reactor::remote_queue", "reactor::task_waker"],
    &["blocking::pool", "hooks::uncaught", "hooks::warning", "observe::position", "observe::starvation", "reactor::poller", "reactor::registrations", "reactor::world"],
    &["event_loop::release", "process::children"],
    &["phases"],
    &["observe::registry", "signal::dispatch", "signal::kind", "signal::source"],
    &["event_loop::current", "event_loop::destructors", "event_loop::eager", "event_loop::external", "event_loop::failure", "event_loop::journaled", "event_loop::main_future", "event_loop::notify", "event_loop::runner", "event_loop::state", "event_loop::status", "event_loop::tasks", "event_loop::trampoline"], // where the API and the loop meet
    &["async_local", "event_loop::checkpoint", "event_loop::invoke", "event_loop::shutdown", "hooks", "observe", "promise", "schedule::yield_now"],
    &["blocking", "event_loop", "recording", "runtime::handle", "schedule", "time"],
    &["flight_recorder"],
    &["abort", "host", "io", "runtime", "task_group"],
    &["events", "fs", "net", "signal", "test"],
    &["hyper", "prelude", "process", "worker"],
];

/// The most modules that `lib.rs` declares.
const ROOT_MODULES: usize = 28;

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
        let relative = path.strip_prefix(root).unwrap();
        *path = relative
            .iter()
            .collect::<Vec<_>>()
            .join(OsStr::new("/"))
            .into();
    }
    files.sort();
    files
}

/// A source without its comments. A line with a string that contains `//` is cut there, which no check
/// depends on.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        Some(at) => &line[..at],
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that a source names as `crate::a::b::C` or in a `use crate::{a, b::{C, D}}`, and the
/// same with `super`, each with the prefix `crate::` or `super::` and without groups.
fn imports(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "_$:".contains(c)) {
                continue;
            }
            expand("", &code[at..], &mut paths);
        }
    }
    paths
}

/// Reads one path, or a group of paths in braces, at the start of `text`; returns the rest of it.
fn expand<'a>(prefix: &str, text: &'a str, paths: &mut Vec<String>) -> &'a str {
    let mut rest = text.trim_start();
    let mut path = prefix.to_owned();
    loop {
        if let Some(mut group) = rest.strip_prefix('{') {
            loop {
                group = group.trim_start();
                if let Some(after) = group.strip_prefix('}') {
                    return after;
                }
                group = expand(&path, group, paths).trim_start();
                group = group.strip_prefix(',').unwrap_or(group);
                if group.is_empty() {
                    return group;
                }
            }
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        path += &rest[..end];
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(after) if end > 0 => {
                path += "::";
                rest = after;
            }
            _ => {
                paths.push(path);
                let skipped = rest.find([',', '}', ';', '\n']).unwrap_or(rest.len());
                return &rest[skipped..];
            }
        }
    }
}

/// The module of a file: `promise::task` for `src/promise/task.rs`.
fn module_of(path: &Path) -> String {
    let path = path.strip_prefix("src").unwrap().with_extension("");
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    parts.join("::")
}

/// The module that an import of the module `from` names: the longest one that exists.
fn resolve(import: &str, from: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = import;
    if let Some(after) = rest.strip_prefix("crate::") {
        rest = after;
    } else {
        parts = from.split("::").collect();
        while let Some(after) = rest.strip_prefix("super::") {
            parts.pop();
            rest = after;
        }
    }
    parts.extend(rest.split("::"));
    let lengths = (1..=parts.len()).rev();
    lengths
        .map(|length| parts[..length].join("::"))
        .find(|module| modules.contains(module))
        // An inline module of the file `from`.
        .or_else(|| import.starts_with("super::").then(|| from.to_owned()))
}

/// The entry of [`FLOORS`] that a module belongs to.
fn floor_of(module: &str) -> Option<usize> {
    let belongs = |entry: &str| {
        module == entry
            || module
                .strip_prefix(entry)
                .is_some_and(|rest| rest.starts_with("::"))
    };
    let entries = FLOORS.iter().enumerate();
    let entries = entries.flat_map(|(floor, entries)| entries.iter().map(move |e| (floor, *e)));
    entries
        .filter(|(_, entry)| belongs(entry))
        .max_by_key(|(_, entry)| entry.len())
        .map(|(floor, _)| floor)
}

fn top_of(module: &str) -> &str {
    module.split("::").next().unwrap()
}

fn assert_none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn imports_point_downwards() {
    let files = sources("src");
    let modules: BTreeSet<String> = files.iter().map(|(path, _)| module_of(path)).collect();
    let floors = FLOORS.iter().flat_map(|entries| entries.iter());
    let mut problems: Vec<String> = floors
        .filter(|entry| !modules.contains(**entry))
        .map(|entry| format!("FLOORS names `{entry}`, which is not a module"))
        .collect();
    for (path, text) in &files {
        let (module, at) = (module_of(path), path.display());
        if module == "lib" || module == "guide" {
            continue;
        }
        let Some(floor) = floor_of(&module) else {
            problems.push(format!("{at}: add it to FLOORS"));
            continue;
        };
        for import in imports(&code(text)) {
            let Some(target) = resolve(&import, &module, &modules) else {
                problems.push(format!(
                    "{at}: `{import}` names no module: import it from the module that defines it"
                ));
                continue;
            };
            let is_inside = top_of(&target) == top_of(&module);
            let other = floor_of(&target).unwrap_or(usize::MAX);
            if other > floor || (other == floor && !is_inside) {
                problems.push(format!(
                    "{at}: `{module}` is on floor {floor} and imports `{target}` of floor {other}"
                ));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn src_has_few_root_modules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = fs::read_dir(root).unwrap();
    let names = entries.map(|entry| entry.unwrap().path().with_extension(""));
    let modules: BTreeSet<PathBuf> = names.filter(|name| !name.ends_with("lib")).collect();
    assert!(
        modules.len() <= ROOT_MODULES,
        "src has {} root modules, at most {ROOT_MODULES}: {modules:?}",
        modules.len()
    );
}

/// The phases import neither each other nor the loop that runs them.
#[test]
fn phases_do_not_import_each_other() {
    let mut problems = Vec::new();
    for (path, text) in sources("src/phases") {
        let code = code(&text);
        // A part of a phase may import its parent, and all may import what a phase returns.
        let is_phase = path.components().count() == 3;
        let siblings = code.replace("crate::phases::macrotask", "");
        if siblings.contains("crate::phases") || (is_phase && code.contains("super::")) {
            problems.push(format!("{}: imports a sibling", path.display()));
        }
    }
    assert_none(problems);
}

/// Exploration decides what arrives next. The loop uses it through `Delivery` only.
#[test]
fn exploration_is_confined_to_its_files() {
    let may_name = |path: &str| {
        path.starts_with("src/phases/poll/delivery")
            || path.starts_with("src/test")
            || path.starts_with("src/reactor/choices.rs")
            || path.starts_with("src/reactor/journal") // follows another order of a recording
            || path.starts_with("src/reactor/world") // asks for its faults, delays and orders
            || path.starts_with("src/reactor/disk") // chooses faults and what a crash loses
            || path.starts_with("src/guide")
            || ["src/lib.rs", "src/runtime/builder.rs"].contains(&path)
    };
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap();
        let words = text.to_lowercase();
        if !may_name(path) && ["explor", "seed"].iter().any(|word| words.contains(word)) {
            problems.push(format!("{path}: names exploration; use `Delivery` instead"));
        }
    }
    assert_none(problems);
}

#[test]
fn only_one_file_reads_the_clock() {
    let reads = |code: &str| {
        code.contains("SystemTime")
            || code
                .match_indices("Instant::now")
                .any(|(at, _)| !code[..at].ends_with("time::"))
    };
    let allowed = [
        "src/fs/metadata.rs", // the times of files, as std has them
        "src/reactor/clock.rs",
        "src/time/instant.rs", // its own `Instant`, which uses the clock
    ];
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap();
        if reads(&code(&text)) && !allowed.contains(&path) {
            problems.push(format!(
                "{path}: reads the clock; pass `now` as an argument instead"
            ));
        }
        if path != "src/reactor/clock.rs" && code(&text).contains("std::time::Instant") {
            problems.push(format!(
                "{path}: names the `Instant` of std; use that of `time` instead"
            ));
        }
    }
    assert_none(problems);
}

#[test]
fn few_files_move_a_virtual_clock() {
    let allowed = [
        "src/event_loop/embed.rs",               // `advance`
        "src/phases/poll/collect.rs",            // nothing else can run
        "src/phases/poll/delivery/explorer.rs",  // a millisecond may have passed
        "src/phases/poll/delivery/journaled.rs", // to the time of the recording
        "src/reactor/clock.rs",
    ];
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap();
        if code(&text).contains("jump_to(") && !allowed.contains(&path) {
            problems.push(format!("{path}: moves the clock; let the poll phase do it"));
        }
    }
    assert_none(problems);
}

/// A library prints nothing that its user has not asked for: it emits a warning instead.
#[test]
fn few_files_print() {
    let allowed = [
        "src/observe/slow_callbacks.rs", // an observer that the program installs to print
        "src/recording.rs",              // a function of that name
        "src/recording/arguments.rs",    // where the run that was asked for on the command line is
        "src/reactor/journal/writer.rs", // the recording of a failed run is lost, and its loop is over
        "src/runtime.rs", // the line of a callback whose panic `run` continues, after its loop
        "src/test/replay.rs", // a replay in a test ends early, because the file is damaged
        "src/test/report.rs", // the decisions of a seed that the environment names
        "src/test/world/failure.rs", // the time, the seed and the log of a test that fails
    ];
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let (path, code) = (path.to_str().unwrap(), code(&text));
        let prints = code.contains("print!(") || code.contains("println!(");
        if prints && !allowed.contains(&path) {
            problems.push(format!("{path}: prints; emit a `Warning` instead"));
        }
    }
    assert_none(problems);
}

#[test]
fn nothing_sleeps_and_nothing_is_unsafe() {
    let mut problems = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        let (path, code) = (path.to_str().unwrap(), code(&text));
        let may_sleep = [
            "src/reactor/clock.rs",             // `block_for` on the real clock
            "src/signal/source/disposition.rs", // waits for signals in flight, on a worker thread
            "tests/house/layers.rs",            // this line
            "tests/house/examples.rs",          // waits for other processes
            "tests/kit/explore_all.rs",         // a job that takes time
            "tests/rules/reactor.rs", // lets real time pass, which virtual time must ignore
        ];
        if code.contains("thread::sleep") && !may_sleep.contains(&path) {
            problems.push(format!(
                "{path}: sleeps; advance the virtual clock or wait for a message instead"
            ));
        }
        let is_unsafe = |line: &str| line.contains("unsafe ") && !line.contains('"');
        let is_planted = path.starts_with("tests/sanitizers/"); // faults that a sanitizer must report
        if code.lines().any(is_unsafe) && !is_planted {
            problems.push(format!("{path}: unsafe code"));
        }
    }
    assert_none(problems);
}

/// The files that may catch a panic of user code or run a task, each with the reason. All other
/// entries into user code are in `event_loop/invoke.rs`.
const ENTRIES: &[(&str, &str)] = &[
    (
        "src/abort/listeners.rs",
        "a listener runs on the stack of `abort`",
    ),
    (
        "src/blocking/pool/workers.rs",
        "a job runs on a thread of the pool",
    ),
    (
        "src/event_loop/destructors.rs",
        "destructors run where the loop drops a value",
    ),
    ("src/event_loop/invoke.rs", "the entries of the loop"),
    (
        "src/event_loop/notify.rs",
        "observers are called outside of the order of the loop",
    ),
    (
        "src/event_loop/shutdown.rs",
        "cancelled tasks run to drop their futures",
    ),
    (
        "src/event_loop/simulated_job.rs",
        "a job of a simulated host runs on the thread of the loop",
    ),
    (
        "src/event_loop/trampoline.rs",
        "the trampoline drops what chains of promises hold",
    ),
    (
        "src/hooks/uncaught.rs",
        "a destructor that panics during cleanup",
    ),
    (
        "src/promise/awaiter.rs",
        "the function of `map` runs where the promise settles",
    ),
    (
        "src/promise/main_task.rs",
        "the text of an error of the main future is made where its promise settles",
    ),
    (
        "src/promise/member.rs",
        "a value that a combinator drops may panic",
    ),
    (
        "src/promise/task.rs",
        "an eager spawn polls its task at once, and a future's panic settles its promise",
    ),
    (
        "src/runtime/handle.rs",
        "the closure of a remote spawn settles its promise",
    ),
    (
        "src/test/world/explore.rs",
        "the body of an exploration sets up a world outside of its loops",
    ),
    (
        "src/test/world/schedule.rs",
        "the script of a world runs outside of its loops",
    ),
];

#[test]
fn user_code_is_entered_in_the_listed_files() {
    let enters = |code: &str| {
        let code = code.split("mod tests {").next().unwrap();
        ["catch_unwind(", ".poll_task(", ".snapshot()"]
            .iter()
            .any(|entry| code.contains(entry))
    };
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap();
        let allowed = ENTRIES.iter().any(|(file, _)| *file == path);
        match (enters(&code(&text)), allowed) {
            (true, false) => {
                problems.push(format!("{path}: enters user code; let invoke.rs do it"))
            }
            (false, true) => problems.push(format!(
                "{path}: enters no user code; remove it from ENTRIES"
            )),
            _ => {}
        }
    }
    assert_none(problems);
}

/// `io` and `net` keep the differences of operating systems in `io/platform.rs` and in modules that
/// exist on one system only, so elsewhere `cfg` only declares modules.
#[test]
fn cfg_is_confined_to_the_platform_file() {
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap();
        let is_concerned = ["src/io", "src/net"].iter().any(|it| path.starts_with(it));
        if !is_concerned || path == "src/io/platform.rs" {
            continue;
        }
        let code = code(&text);
        for (at, _) in code
            .match_indices("cfg")
            .filter(|(at, _)| !code[*at..].starts_with("cfg(test)"))
        {
            let mut below = code[at..].lines().skip(1);
            let item = below.find(|line| !line.starts_with("#["));
            if !item.is_some_and(|line| line.contains("mod ") || line.contains("use ")) {
                problems.push(format!("{path}: has a `cfg`; move it to io/platform.rs"));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn no_file_is_too_long() {
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
        use crate::{macrotask::{Macrotask, Work as W}, phases::check::Check,
            pool};
        use super::state::{self, Life};
        fn f() { crate::queues::g(); mycrate::not_ours() }
    ";
    let found = imports(&code(text));
    let expected = [
        "crate::clock::Clock",
        "crate::macrotask::Macrotask",
        "crate::macrotask::Work",
        "crate::phases::check::Check",
        "crate::pool",
        "crate::queues::g",
        "super::state::self",
        "super::state::Life",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_super_path_is_resolved_from_its_module() {
    let modules = ["a", "a::b", "a::c"].map(str::to_owned).into();
    let resolved = |import, from| resolve(import, from, &modules);
    assert_eq!(resolved("super::c::X", "a::b").as_deref(), Some("a::c"));
    assert_eq!(resolved("super::X", "a::b").as_deref(), Some("a"));
    assert_eq!(resolved("crate::a::b::X", "a").as_deref(), Some("a::b"));
    assert_eq!(resolved("crate::d", "a"), None);
}
