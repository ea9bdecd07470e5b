//! The host against Node: scripts with recorded outputs, recorded programs, and the command line.

mod cases;
mod command_line;
mod messages;
mod scripts;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nodeloop::process::{Command, Output};
use nodeloop::time;

/// No program of the tests runs for longer, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a program to its end. One that does not end is killed, and the test fails.
fn run(program: impl AsRef<Path>, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program.as_ref());
    command.env_remove("NODE_OPTIONS");
    command.envs(environment.iter().copied());
    output_of(command, program.as_ref(), arguments)
}

fn output_of(mut command: Command, program: &Path, arguments: &[&str]) -> Output {
    command.args(arguments);
    nodeloop::block_on(async {
        let output = time::timeout(LIMIT, command.output()).await;
        let output =
            output.unwrap_or_else(|_| panic!("{} {arguments:?} does not end", program.display()));
        output.unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    })
}

/// Runs the host.
fn host(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_nodeloop-js"), arguments, &[])
}

/// Runs a program with `text` on its standard input.
fn run_with_stdin(program: &str, arguments: &[&str], text: &str) -> Output {
    let input = Script::new("stdin.js", text);
    let mut command = Command::new(program);
    command.env_remove("NODE_OPTIONS");
    command.stdin(File::open(input.path()).unwrap());
    output_of(command, Path::new(program), arguments)
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

/// What a test compares: standard output, then the exit code.
fn text_of(output: &Output) -> String {
    let code = output
        .status
        .code()
        .map_or("none".to_owned(), |code| code.to_string());
    format!(
        "{}exit code {code}\n",
        String::from_utf8_lossy(&output.stdout)
    )
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn path(path: &Path) -> &str {
    path.to_str()
        .expect("the paths of the repository are UTF-8")
}

/// A file of a test, removed at its end.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, text: &str) -> Script {
        let file = std::env::temp_dir().join(format!("nodeloop-js-{}-{name}", std::process::id()));
        fs::write(&file, text).unwrap();
        Script(file)
    }

    fn path(&self) -> &str {
        path(&self.0)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn errors_of(output: &nodeloop::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
