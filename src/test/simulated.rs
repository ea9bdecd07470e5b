//! Completions whose time is not known exactly.

use std::ops::RangeInclusive;
use std::panic::Location;
use std::time::Duration;

use crate::event_loop::current::current;
use crate::time::simulate_completion;

/// Calls `callback` as the completion of an operation that takes a time in `range`, such as the reply
/// of a peer.
///
/// It is a [`simulate_completion`] after the shortest time. An [exploration](super::explore) lets
/// the operation take longer, by a whole number of milliseconds, so that it may complete before or
/// after other operations, timers and jobs.
///
/// The only order that is kept is that of one operation: it completes in its range after its start.
/// Operations that run at the same time complete in any order, as the replies of different peers or
/// of different connections do. If the order of two is guaranteed, as for two replies on one
/// connection, start the second one in the callback of the first.
///
/// # Panics
///
/// Panics if `range` is empty, and if called outside of an event loop.
///
/// # Examples
///
/// ```should_panic
/// use std::time::Duration;
/// use nodeloop::{set_timeout, test};
///
/// let ms = Duration::from_millis;
/// // The peer mostly replies within 5 ms, but the test must not depend on it.
/// test::explore(20, async |t| {
///     let log = t.log();
///     test::complete_within(ms(5)..=ms(50), log.callback("reply"));
///     set_timeout(ms(30), log.callback("timeout"));
///     t.until_idle().await;
///     log.assert_order(["reply", "timeout"]);
/// });
/// ```
#[track_caller]
pub fn complete_within(range: RangeInclusive<Duration>, callback: impl FnOnce() + 'static) {
    let (shortest, longest) = range.into_inner();
    assert!(
        shortest <= longest,
        "the range of durations is empty: its start must not be after its end"
    );
    let delivery = &current("test::complete_within").poll.delivery;
    let duration = delivery.duration_within(shortest, longest, Location::caller());
    simulate_completion(duration, callback);
}
