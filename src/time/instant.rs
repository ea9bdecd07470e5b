//! Points in time on the clock of a loop.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::event_loop::current::try_current;
use crate::reactor::clock::machine_now;

/// A point in time on the clock of the loop that runs on this thread.
///
/// Unlike `std::time::Instant` it follows virtual time. Instants of two loops can be compared if
/// both clocks are real.
///
/// No operator panics: `+` and `-` stop at the latest and at the earliest instant, and the
/// difference of two instants is zero if the second is later. The methods named `checked_…` return
/// `None` in these cases.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::time::{Instant, sleep};
///
/// nodeloop::test::run(async |_| {
///     let start = Instant::now();
///     sleep(Duration::from_secs(60)).await; // virtual time
///     assert_eq!(start.elapsed(), Duration::from_secs(60));
///     assert_eq!(start - Instant::now(), Duration::ZERO);
///     assert_eq!(start.checked_duration_since(Instant::now()), None);
/// });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    pub(super) since_base: Duration,
}

impl Instant {
    /// Returns the current time of the running loop's clock, or of the machine's outside of a loop.
    pub fn now() -> Instant {
        let since_base = try_current().map_or_else(machine_now, |state| state.clock.now());
        Instant { since_base }
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is later.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is later.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.since_base.saturating_sub(earlier.since_base)
    }

    /// Returns the time from `earlier` to this instant, or `None` if `earlier` is later.
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.since_base.checked_sub(earlier.since_base)
    }

    /// Returns the time from this instant to now.
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// Returns this instant plus `duration`, or `None` if it cannot be represented.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        let since_base = self.since_base.checked_add(duration)?;
        Some(Instant { since_base })
    }

    /// Returns this instant minus `duration`, or `None` if it cannot be represented.
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        let since_base = self.since_base.checked_sub(duration)?;
        Some(Instant { since_base })
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant {
            since_base: self.since_base.saturating_add(duration),
        }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant {
            since_base: self.since_base.saturating_sub(duration),
        }
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}
