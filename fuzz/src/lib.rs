//! The parts that the fuzz targets share.

pub mod formats;
pub mod model;
pub mod program;
pub mod remote;
pub mod sockets;
pub mod subject;
pub mod value;

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
