//! Tests in processes of their own, and the descriptors that this process has open.

use std::any::type_name;
use std::process::{Command, Stdio};

/// Set in a process that runs a single test, to the name of the test.
const ALONE: &str = "NODELOOP_TEST_ALONE";

/// The name by which the harness knows a test function.
pub fn name_of<F: Fn()>(_test: F) -> &'static str {
    let path = type_name::<F>();
    path.split_once("::").expect("a path with the crate").1
}

/// A command that runs this program again, with one test in it.
pub fn command_of<F: Fn()>(test: F) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", name_of(test), "--include-ignored", "--nocapture"]);
    command.stdin(Stdio::null());
    command
}

/// Runs `test` in a process of its own, for tests that count or change what belongs to a process.
///
/// Returns `true` in the calling process, after the test has passed in the new process, and `false` in
/// the new process: `if in_own_process(this_test) { return; }`.
#[track_caller]
pub fn in_own_process<F: Fn()>(test: F) -> bool {
    in_own_process_with(test, &[])
}

/// As [`in_own_process`], with variables of the environment.
#[track_caller]
pub fn in_own_process_with<F: Fn()>(test: F, variables: &[(&str, &str)]) -> bool {
    let name = name_of(&test);
    if std::env::var(ALONE).as_deref() == Ok(name) {
        return false;
    }
    let mut command = command_of(test);
    command.env(ALONE, name).envs(variables.iter().copied());
    let output = command.output().expect("this program can be run again");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    print!("{text}");
    assert!(
        output.status.success(),
        "{name} has failed: {text}\n{errors}"
    );
    assert!(
        text.contains("1 passed"),
        "{name} was not run: {text}\n{errors}"
    );
    true
}

/// How many descriptors this process has open.
#[cfg(unix)]
pub fn open_descriptors() -> usize {
    super::limit::forget_ended_loops();
    std::fs::read_dir("/dev/fd")
        .expect("a list of descriptors")
        .count()
}

/// How many descriptors are open once those above `before` are closed. A thread of the pool that
/// has found no more work may outlive its loop for a moment and holds the loop's wake-up
/// descriptor until then.
#[cfg(unix)]
pub fn descriptors_left(before: usize) -> usize {
    use std::time::{Duration, Instant};

    let ends = Instant::now() + super::limit::scaled(Duration::from_secs(5));
    while open_descriptors() > before && Instant::now() < ends {
        std::thread::yield_now();
    }
    open_descriptors()
}
