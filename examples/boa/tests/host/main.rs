//! The host on Boa against Node: the recorded and the fresh programs, as `examples/js` runs them.

#[path = "../../../js/tests/host/cases.rs"]
mod cases;
mod scripts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use nodeloop::process::{Command, Output};
use nodeloop::time;

/// No program of the tests runs for longer, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the host. A program that does not end is killed, and the test fails.
fn host(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nodeloop-boa"));
    command.args(arguments).env_remove("NODE_OPTIONS");
    nodeloop::block_on(async {
        let output = time::timeout(LIMIT, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end"));
        output.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    })
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn path(path: &Path) -> &str {
    path.to_str()
        .expect("the paths of the repository are UTF-8")
}
