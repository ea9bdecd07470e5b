//! The fuzz targets of nodeloop; `fuzz_targets` has their entries.
//!
//! | target | what it runs | what it checks |
//! |---|---|---|
//! | [`model`] | a tree of operations, on virtual time | the log is that of a naive model of the rules |
//! | [`sockets`] | two peers of a TCP or Unix stream, each with a script | bytes in order, one end, no descriptor lost, the loop ends |
//! | [`formats`] | seeds, addresses and paths that are read; recordings that are written | agreement with `std` and `serde_json` |
//! | [`recordings`] | the bytes of a recording, read and replayed | no panic, no wait, no memory beyond a bound; a part contains the records before its end |
//! | [`worlds`] | the scripts of `sockets` in a simulated world, with short reads and writes, delays and resets | as `sockets`, and two runs of one seed are equal |
//! | [`remote`] | three threads with handles of a loop | each message is run or dropped, once |
//!
//! `.ci/fuzz.sh [SECONDS_PER_TARGET]` runs all of them. `cargo run --example random -- TARGET` runs random
//! inputs without a fuzzer, with a stable compiler. To keep what a long run has found, minimise it into
//! the corpus of the repository:
//!
//!     target/HOST/release/TARGET -merge=1 corpus/TARGET target/corpus/TARGET
//!
//! The model finds deliberate breaks of `tests/breaks` from the corpus of the repository, each in up to a
//! minute. A change of the operations should keep that; the numbers are executed inputs:
//!
//! | break | found after |
//! |---|---|
//! | `R22-late-by-one` | 6 |
//! | `R37-no-snapshot` | 126 |
//! | `R43-one-turn` | 912 |
//! | `R70-removal-is-not-announced` | 4,941 |
//! | `R34-refresh-is-kept` | 23,146 |
//!
//! Each crash becomes a test with a name in `tests` of the library, written by hand from the input.

pub mod formats;
pub mod model;
pub mod program;
pub mod recordings;
pub mod remote;
pub mod sockets;
pub mod subject;
pub mod value;
pub mod worlds;

/// Describes the first difference of two logs, with what came before it.
pub fn first_difference(expected: &[String], logged: &[String]) -> Option<String> {
    if expected == logged {
        return None;
    }
    let same = expected
        .iter()
        .zip(logged)
        .take_while(|(one, other)| one == other);
    let at = same.count();
    Some(format!(
        "the logs differ at entry {at}\nboth: {:?}\nthe model: {:?}\nthe crate: {:?}",
        &expected[at.saturating_sub(20)..at],
        &expected[at..expected.len().min(at + 10)],
        &logged[at..logged.len().min(at + 10)],
    ))
}
