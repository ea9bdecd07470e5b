//! Node as the peer of a test: scripts of `tests/node`, run by the `node` on the `PATH`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::limit::scaled;
use super::skip::skip;

/// How long a script may take for its next line, and to end after its last one.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether there is a `node`; a test that needs one is skipped without it. With
/// `NODELOOP_REQUIRE_NODE` set, a missing `node` is a failure.
#[track_caller]
pub fn is_here() -> bool {
    let is_here = Command::new("node").arg("--version").output().is_ok();
    assert!(
        is_here || std::env::var_os("NODELOOP_REQUIRE_NODE").is_none(),
        "NODELOOP_REQUIRE_NODE is set, and `node` is not on the PATH"
    );
    if !is_here {
        skip("`node` is not on the PATH, nothing is compared with it");
    }
    is_here
}

/// A running script. It is killed when this is dropped before it has ended.
pub struct Node {
    name: String,
    child: Child,
    lines: Receiver<String>,
    limit: Duration,
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
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines() {
                if sender.send(line.expect("a line of text")).is_err() {
                    return; // the test has ended
                }
            }
        });
        Node {
            name: script.to_owned(),
            child,
            lines,
            limit: scaled(LIMIT),
        }
    }

    /// Gives the script `limit` for each wait, for scripts that run longer than others.
    pub fn limit(mut self, limit: Duration) -> Node {
        self.limit = scaled(limit);
        self
    }

    /// The next line that the script prints. Blocks until there is one.
    ///
    /// # Panics
    ///
    /// Panics if there is none within the limit.
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(self.limit) {
            Ok(line) => line.trim_end().to_owned(),
            Err(RecvTimeoutError::Disconnected) => panic!("{} has ended", self.name),
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} has printed nothing within {:?}", self.name, self.limit)
            }
        }
    }

    /// The remaining lines. Blocks until the script has ended.
    ///
    /// # Panics
    ///
    /// Panics if the script does not end within the limit, or not successfully.
    pub fn finish(mut self) -> Vec<String> {
        let ends = Instant::now() + self.limit;
        let mut rest = Vec::new();
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!(
                        "{} has not ended within {:?}: {rest:?}",
                        self.name, self.limit
                    )
                }
            }
        }
        // Its output has ended; the process follows.
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(
                Instant::now() < ends,
                "{} closed its output and runs on",
                self.name
            );
            thread::yield_now();
        };
        assert!(status.success(), "{status}: {rest:?}");
        rest
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
