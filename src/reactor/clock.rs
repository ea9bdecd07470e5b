//! The clock of a loop: real or virtual.
//!
//! This is the only file that reads the machine's clock; everything else receives `now` as an
//! argument. A virtual clock moves only by [`Clock::block_for`] and by [`Clock::jump_to`], which
//! `advance` calls, and the poll phase when nothing else can run. `tests/house/layers.rs` checks
//! both. The clock of a host of a simulated world follows the time of the world, which the scheduler of the
//! test kit moves. While a callback of the host blocks, its clock is ahead of that.
//!
//! Invariant: a clock never goes backwards.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use self::machine::Base;
use crate::reactor::journal::Journal;

/// The machine's `Instant`, for the signatures of other crates.
#[cfg(feature = "hyper")]
pub(crate) type MachineInstant = std::time::Instant;

/// The time of one loop, counted from an arbitrary start.
pub(crate) struct Clock {
    kind: Kind,
}

enum Kind {
    /// Counts from [`base`], which all real clocks of the process share.
    Real(Base),
    Virtual(Cell<Duration>),
    /// A real clock whose readings are recorded, or come from a recording.
    Journaled(Journal),
    World {
        shared: Rc<Cell<Duration>>,
        /// The end of the last callback that blocked.
        own: Rc<Cell<Duration>>,
    },
}

impl Clock {
    pub(crate) fn real() -> Clock {
        Clock {
            kind: Kind::Real(base()),
        }
    }

    pub(crate) fn virtual_time() -> Clock {
        Clock {
            kind: Kind::Virtual(Cell::new(Duration::ZERO)),
        }
    }

    pub(crate) fn journaled(journal: Journal) -> Clock {
        Clock {
            kind: Kind::Journaled(journal),
        }
    }

    /// Creates the clock of a host of a simulated world, whose time is `shared`, or `own`
    /// if that is later.
    pub(crate) fn of_world(shared: Rc<Cell<Duration>>, own: Rc<Cell<Duration>>) -> Clock {
        Clock {
            kind: Kind::World { shared, own },
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        !matches!(self.kind, Kind::Real(_) | Kind::Journaled(_))
    }

    pub(crate) fn now(&self) -> Duration {
        match &self.kind {
            Kind::Real(base) => base.elapsed(),
            Kind::Virtual(now) => now.get(),
            Kind::World { shared, own } => shared.get().max(own.get()),
            Kind::Journaled(journal) => journaled_now(journal),
        }
    }

    /// Reads the clock for an observer, a report or a wait. The program does not see this reading, so it is
    /// not recorded.
    pub(crate) fn unrecorded_now(&self) -> Duration {
        match &self.kind {
            Kind::Journaled(journal) => journal.unrecorded_now(),
            _ => self.now(),
        }
    }

    /// Returns the time in whole milliseconds, the unit in which Node's timers count.
    pub(crate) fn now_ms(&self) -> u64 {
        whole_ms(self.now())
    }

    /// Moves a virtual clock to `target`, unless it is already there or past it.
    pub(crate) fn jump_to(&self, target: Duration) {
        match &self.kind {
            Kind::Real(_) | Kind::Journaled(_) => unreachable!("only a virtual clock can jump"),
            Kind::Virtual(now) => now.set(now.get().max(target)),
            Kind::World { own, .. } => own.set(own.get().max(target)),
        }
    }

    /// Lets time pass while nothing runs, as a busy callback does.
    pub(crate) fn block_for(&self, duration: Duration) {
        match &self.kind {
            Kind::Journaled(journal) if journal.is_replay() => {} // the next reading is later
            Kind::Real(_) | Kind::Journaled(_) => std::thread::sleep(duration),
            Kind::Virtual(now) => now.set(now.get().saturating_add(duration)),
            Kind::World { own, .. } => own.set(self.now().saturating_add(duration)),
        }
    }
}

#[cold]
fn journaled_now(journal: &Journal) -> Duration {
    journal.now()
}

/// Returns a reading of a clock in whole milliseconds, the unit in which Node's timers count.
pub(crate) fn whole_ms(now: Duration) -> u64 {
    // A virtual clock can be moved to `Duration::MAX`, which overflows a `u64` of milliseconds.
    now.as_secs()
        .saturating_mul(1_000)
        .saturating_add(u64::from(now.subsec_millis()))
}

/// Returns the time of the machine outside of any loop, on the scale of every real [`Clock`].
pub(crate) fn machine_now() -> Duration {
    base().elapsed()
}

/// Converts a reading of a clock to the machine's `Instant`. Readings of a virtual clock are
/// converted as if it had started with the process.
#[cfg(feature = "hyper")]
pub(crate) fn machine_instant(since_base: Duration) -> MachineInstant {
    // A time that cannot be represented is too far away to be waited for.
    const FAR: Duration = Duration::from_secs(1 << 32);
    let base = base().instant;
    base.checked_add(since_base).unwrap_or_else(|| base + FAR)
}

/// Converts the machine's `Instant` to a reading of a clock; zero for an earlier one.
#[cfg(feature = "hyper")]
pub(crate) fn since_base(instant: MachineInstant) -> Duration {
    instant.saturating_duration_since(base().instant)
}

/// Returns the moment from which the real clocks of this process count.
fn base() -> Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    *BASE.get_or_init(Base::now)
}

/// The moments of the machine's clock.
///
/// Every timer reads the clock (R26), and the difference of two `Instant`s takes as many instructions as the
/// reading itself. Here a base is a whole second, so that the difference to it needs no carry. Without glibc
/// rustix may not find the function that reads the clock without a system call.
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    not(target_feature = "crt-static")
))]
mod machine {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    #[derive(Debug, Clone, Copy)]
    pub(super) struct Base {
        secs: i64,
        #[cfg(feature = "hyper")]
        pub(super) instant: super::MachineInstant,
    }

    impl Base {
        pub(super) fn now() -> Base {
            let now = clock_gettime(ClockId::Monotonic); // that of `Instant`
            Base {
                secs: now.tv_sec,
                #[cfg(feature = "hyper")]
                instant: super::MachineInstant::now() - Duration::from_nanos(now.tv_nsec as u64),
            }
        }

        #[inline(always)] // a part of `Clock::now`
        pub(super) fn elapsed(self) -> Duration {
            let now = clock_gettime(ClockId::Monotonic);
            Duration::new((now.tv_sec - self.secs) as u64, now.tv_nsec as u32)
        }
    }
}

/// The moments of the machine's clock, elsewhere.
#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    not(target_feature = "crt-static")
)))]
mod machine {
    use std::time::{Duration, Instant};

    #[derive(Debug, Clone, Copy)]
    pub(super) struct Base {
        pub(super) instant: Instant,
    }

    impl Base {
        pub(super) fn now() -> Base {
            let instant = Instant::now();
            Base { instant }
        }

        pub(super) fn elapsed(self) -> Duration {
            self.instant.elapsed()
        }
    }
}
