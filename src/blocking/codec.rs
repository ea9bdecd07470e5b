//! How the result of a job becomes a part of a recording.

use crate::reactor::journal::value::{Input, Output, Value};

/// Writes and reads the result of a job.
pub(super) trait Codec<R>: 'static {
    /// Whether results are recorded. Otherwise a replay runs the job again.
    const IS_RECORDED: bool;

    fn encode(result: &R, out: &mut Output);
    fn decode(input: &mut Input<'_>) -> Option<R>;
}

/// Results are not recorded.
pub(super) struct Opaque;

impl<R> Codec<R> for Opaque {
    const IS_RECORDED: bool = false;

    fn encode(_: &R, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<R> {
        None
    }
}

/// Results have a type that a recording can contain.
pub(super) struct Encoded;

impl<R: Value> Codec<R> for Encoded {
    const IS_RECORDED: bool = true;

    fn encode(result: &R, out: &mut Output) {
        result.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<R> {
        R::decode(input)
    }
}
