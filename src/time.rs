//! Time for `async` code, and functions for virtual time.
//!
//! A sleep is a timer like that of [`set_timeout`](crate::set_timeout) (R41). It counts whole
//! milliseconds, rounded *up*, and accepts any delay. The code after `sleep(…).await` runs in the
//! drain after its timer, before the next timer.
//!
//! | function | waits |
//! |---|---|
//! | [`sleep`], [`sleep_until`] | for a duration, until an [`Instant`] |
//! | [`timeout`], [`timeout_at`] | for a future, at most for a duration or until an [`Instant`] |
//! | [`interval`](interval()), [`interval_at`] | for each tick; [`MissedTickBehavior`] decides what a late consumer gets |
//!
//! Their futures implement [`FusedFuture`](futures::future::FusedFuture), so that they can be used in
//! `futures::select!`.
//!
//! Three functions are for tests, whose clock is mostly [virtual](crate::Builder::virtual_time):
//!
//! | function | effect |
//! |---|---|
//! | [`block_for`] | time passes and nothing runs, as during a busy callback |
//! | [`wait_for_jobs`] | jobs of the pool finish and no time passes |
//! | [`advance`] | time passes and everything that becomes due runs |

mod control;
mod instant;
mod interval;
mod sleep;
mod timeout;

use std::time::Duration;

pub use control::{advance, block_for, simulate_completion, wait_for_jobs};
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, Tick, interval, interval_at};
#[cfg(feature = "hyper")]
pub(crate) use sleep::{Progress, drop_timer, poll_timer};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

/// Rounds up to whole milliseconds, at least one, and so few that a deadline cannot overflow.
pub(crate) fn ceil_ms(duration: Duration) -> u64 {
    let ms = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    let ms = duration.as_secs().saturating_mul(1_000).saturating_add(ms);
    ms.clamp(1, u64::MAX / 4)
}
