//! What a program logs under the rules of each release of Node.

use std::ops::RangeBounds;

use super::limit::{default_limit, watch};
use super::{Log, test};
use nodeloop::{Handle, NodeRelease};

#[allow(unused_imports)] // every test binary uses a part of them
pub use nodeloop::NodeRelease::{V20, V22, V24, V26};

/// The logs of a program, one for each release, of which none has been asserted yet.
pub struct Traces(Vec<(NodeRelease, Log)>);

/// Runs `script` as [`trace`](super::trace) does, under the rules of each release.
#[track_caller]
pub fn traces(script: impl FnOnce(Log) + Clone + 'static) -> Traces {
    let releases = NodeRelease::ALL.iter();
    Traces(
        releases
            .map(|release| (*release, trace_in(*release, script.clone())))
            .collect(),
    )
}

/// Runs `script` as [`trace`](super::trace) does, under the rules of `release`.
#[track_caller]
pub fn trace_in(release: NodeRelease, script: impl FnOnce(Log) + 'static) -> Log {
    let _limit = default_limit();
    let log = Log::new();
    let scripts = log.clone();
    let kit = test::TestBuilder::new().node(release);
    kit.run_script(move |_| {
        watch(Handle::current());
        script(scripts);
    });
    log
}

impl Traces {
    /// Asserts that the log of every release in a range has exactly these lines.
    #[track_caller]
    pub fn assert<const N: usize>(
        mut self,
        releases: impl RangeBounds<NodeRelease>,
        expected: [&str; N],
    ) -> Traces {
        let all = std::mem::take(&mut self.0);
        let (these, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(release, _)| releases.contains(release));
        assert!(!these.is_empty(), "no release is left in this range");
        for (release, log) in these {
            println!("the order of Node {}", release.major()); // shown if the assertion fails
            log.assert(expected);
        }
        self.0 = others;
        self
    }
}

/// Fails if a release was not asserted.
impl Drop for Traces {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let left: Vec<u32> = self.0.iter().map(|(release, _)| release.major()).collect();
            assert!(left.is_empty(), "assert what Node {left:?} logs");
        }
    }
}
