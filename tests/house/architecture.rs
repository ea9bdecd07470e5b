//! Checks that the chapter on the architecture names files and functions that exist.

use std::fs;
use std::path::Path;

const CHAPTER: &str = include_str!("../../src/guide/architecture.md");

/// The rows of the chapter's paths: a file of `src` and the functions in it.
fn steps() -> Vec<(&'static str, Vec<&'static str>)> {
    let rows = CHAPTER.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, file, functions] = cells[..] else {
            return None;
        };
        let file = file.trim_matches('`');
        let names = functions.split(", ").map(|name| name.trim_matches('`'));
        file.ends_with(".rs").then(|| (file, names.collect()))
    });
    rows.collect()
}

#[test]
fn every_step_names_a_function_of_its_file() {
    let steps = steps();
    assert!(steps.len() > 25, "the chapter has {} steps", steps.len());
    let mut problems = Vec::new();
    for (file, functions) in steps {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let Ok(source) = fs::read_to_string(path) else {
            problems.push(format!("{file}: does not exist"));
            continue;
        };
        for function in functions {
            let starts = ["(", "<"].map(|after| format!("fn {function}{after}"));
            if !starts.iter().any(|start| source.contains(start)) {
                problems.push(format!("{file}: has no function `{function}`"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The files of the path with this title, from the one that follows `first` up to `last`.
fn files_between(title: &str, first: &str, last: &str) -> Vec<&'static str> {
    let (_, after) = CHAPTER.split_once(title).expect("the title of a path");
    let section = after.split("\n# ").next().unwrap();
    let files = section.lines().filter_map(|line| {
        let file = line.split('|').nth(2)?.trim().trim_matches('`');
        file.ends_with(".rs").then_some(file)
    });
    let mut files: Vec<&str> = files.skip_while(|file| *file != first).collect();
    files.dedup();
    let end = files.iter().position(|file| *file == last);
    files
        .drain(1..=end.expect("the last file of the path"))
        .collect()
}

/// The lengths that the crate aims at: at most three files between a queue and user code, four to a task,
/// which the list of tasks owns, and four from a task that fails to the listener for its rejection.
#[test]
fn the_paths_into_user_code_are_short() {
    let invoke = "event_loop/invoke.rs";
    let paths = [
        ("a timer callback", "phases/timers/pass.rs", invoke, 3),
        ("a woken task", "phases/queues.rs", "promise/task.rs", 4),
        ("a rejection", "promise/task.rs", invoke, 4),
        ("bytes from a socket", "phases/poll.rs", invoke, 3),
        ("a blocking job", "reactor/remote_queue.rs", invoke, 3),
    ];
    for (title, first, last, most) in paths {
        let files = files_between(&format!("# The path of {title}"), first, last);
        assert!(files.len() <= most, "{title}: {files:?}");
    }
}
