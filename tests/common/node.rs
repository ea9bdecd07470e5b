//! Node as the other side: scripts of `tests/node`, run by the `node` on the `PATH`.

#![allow(dead_code)] // every test binary uses a part of it

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Whether there is a `node`; says so if not. With `NODELOOP_REQUIRE_NODE` set there has to be.
pub fn is_here() -> bool {
    let is_here = Command::new("node").arg("--version").output().is_ok();
    assert!(
        is_here || std::env::var_os("NODELOOP_REQUIRE_NODE").is_none(),
        "NODELOOP_REQUIRE_NODE is set, and `node` is not on the PATH"
    );
    if !is_here {
        println!("`node` is not on the PATH: this was not compared with it");
    }
    is_here
}

/// A script that runs. It is killed when this is dropped before its end.
pub struct Node {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Node {
    /// Starts a script of `tests/node`.
    pub fn start<A: ToString>(script: &str, arguments: &[A]) -> Node {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
        let mut child = Command::new("node")
            .arg(folder.join(script))
            .args(arguments.iter().map(ToString::to_string))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`node` starts");
        let output = child.stdout.take().expect("it is piped");
        Node {
            child,
            output: BufReader::new(output),
        }
    }

    /// The next line that it prints. Blocks.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it prints text");
        line.trim_end().to_owned()
    }

    /// The rest of what it prints. Blocks until it has ended, which it must do well.
    pub fn finish(mut self) -> Vec<String> {
        let mut rest = String::new();
        self.output
            .read_to_string(&mut rest)
            .expect("it prints text");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {rest}");
        rest.lines().map(str::to_owned).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
