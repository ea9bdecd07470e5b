//! The signals that were sent and have not been handled yet.
//!
//! A signal is in flight from the time it is sent until its handler has read whether the default
//! action applies. A thread that is not scheduled can delay that for long, even if the sender has
//! returned. libuv has the same gap between `uv__signal_stop` (`signal.c`) and the main thread's
//! handler; it is short there, because the main thread of Node receives the signals and also
//! removes the listeners.
//!
//! Linux reports for each thread which signals are pending. While a handler runs, its signal is
//! blocked in its thread. The handlers installed here never sleep, so a thread in which the signal
//! is blocked is between the delivery and the end of the handler only if it is running. It has left
//! the handler when it has run for [`HANDLER_NS`] more; a thread that blocks the signal on purpose
//! is recognized by this, too.
//!
//! Between the removal of a signal from the pending ones and the start of its handler there are a
//! few instructions of the kernel that are not visible. If other threads are running, the state is
//! therefore read a second time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::reactor::registrations::SignalNumber;

/// The number of scans after which the default action is restored in any case, after about a second:
/// a signal that every thread blocks stays pending.
const MAX_SCANS: usize = 7_000;

/// More than a handler of signal-hook runs for.
const HANDLER_NS: u64 = 100_000;

/// The time between two scans of the threads.
const PAUSE: Duration = Duration::from_micros(100);

/// Waits until no signal of this number is in flight, on a system that reports it.
pub(super) fn wait_until_handled(number: SignalNumber) {
    let mut first_run_ns = BTreeMap::new();
    let mut previous = Flight::Likely;
    for _ in 0..MAX_SCANS {
        let Some(threads) = thread_directories() else {
            return;
        };
        let flight = scan(number, threads, &mut first_run_ns);
        if flight == Flight::None || flight.max(previous) == Flight::Unlikely {
            return;
        }
        previous = flight;
        thread::sleep(PAUSE);
    }
}

/// Whether a signal is in flight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flight {
    /// No other thread runs, and no signal is pending.
    None,
    /// No signal is pending, and no handler runs.
    Unlikely,
    /// A signal is pending, or a thread may be in its handler.
    Likely,
}

/// Returns the directories in `/proc` of all threads of the process except for this one.
fn thread_directories() -> Option<Vec<PathBuf>> {
    let own = fs::read_link("/proc/thread-self").ok()?;
    let directories = fs::read_dir("/proc/self/task").ok()?;
    let directories = directories.filter_map(|entry| Some(entry.ok()?.path()));
    let others = directories.filter(|path| path.file_name() != own.file_name());
    Some(others.collect())
}

/// Reads the state of the threads. `first_run_ns` has, for the threads that may be in a handler, the
/// time for which they had run when they were first seen there.
fn scan(
    number: SignalNumber,
    threads: Vec<PathBuf>,
    first_run_ns: &mut BTreeMap<PathBuf, u64>,
) -> Flight {
    let mut flight = Flight::None;
    for thread in threads {
        let Ok(status) = fs::read_to_string(thread.join("status")) else {
            continue; // it has ended
        };
        let is_pending = has_bit(&status, "ShdPnd:", number) || has_bit(&status, "SigPnd:", number);
        let is_running = field(&status, "State:").is_some_and(|state| state.starts_with('R'));
        let is_blocked = has_bit(&status, "SigBlk:", number);
        let may_be_in_handler = !is_pending && is_running && is_blocked && {
            let run_ns = run_ns(&thread);
            let first = *first_run_ns.entry(thread.clone()).or_insert(run_ns);
            run_ns.saturating_sub(first) <= HANDLER_NS
        };
        if !is_blocked {
            first_run_ns.remove(&thread);
        }
        flight = flight.max(match is_running {
            _ if is_pending || may_be_in_handler => Flight::Likely,
            true => Flight::Unlikely,
            false => Flight::None,
        });
    }
    flight
}

/// Returns for how long a thread has run; zero if it is not known.
fn run_ns(thread: &Path) -> u64 {
    let text = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = status.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

/// Returns whether a signal is in a set of `/proc/…/status`, which is a hexadecimal number.
pub(super) fn has_bit(status: &str, name: &str, number: SignalNumber) -> bool {
    let set = field(status, name).and_then(|set| u64::from_str_radix(set, 16).ok());
    let bit = u32::try_from(number - 1).unwrap_or(u32::MAX);
    set.is_some_and(|set| set.checked_shr(bit).unwrap_or(0) & 1 == 1)
}
