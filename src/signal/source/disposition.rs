//! The effect of a signal on the process: its default action as long as no loop listens to it.
//!
//! A signal handler stays installed, because other libraries may rely on it. The first handler of
//! a signal therefore runs the signal's default action as long as no loop listens. A signal that was
//! ignored originally (Rust programs ignore `SIGPIPE`; `nohup` ignores `SIGHUP`) is ignored again.
//!
//! A signal is in flight from the time it is sent until its handler runs, which may be on another
//! thread and late if the processors are busy. The system does not report which signals are in
//! flight. When the last loop stops listening, the default action therefore returns only after
//! [`IN_FLIGHT`], by a job of the worker threads. A signal that arrives in between is ignored, so a
//! signal that was sent while a loop listened never gets the default action.
//!
//! The process has one table. Its lock is held for a look-up or a system call. The signal handler
//! itself reads one atomic and acquires no lock.
//!
//! Invariant: a number has at most one job that restores its default action.

use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGPIPE, SIGURG, SIGWINCH};
use signal_hook::low_level::{pipe, signal_name, unregister};

use crate::reactor::registrations::SignalNumber;

/// For how long a signal that was sent while a loop listened may be in flight.
pub(crate) const IN_FLIGHT: Duration = Duration::from_millis(100);

/// The signals whose default action has no effect on a running process.
pub(super) const HARMLESS: [SignalNumber; 4] = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH];

/// Writes one byte into a pipe for each signal of a number, until it is dropped.
pub(crate) struct Subscription {
    number: SignalNumber,
    id: SigId,
}

/// The state of a signal in the whole process.
struct Disposition {
    /// Whether the default action applies; read by the signal handler. The accesses are
    /// sequentially consistent, as those of signal-hook are. `None` if the default action has no
    /// effect.
    is_default: Option<Arc<AtomicBool>>,
    subscriptions: usize,
    /// The number of times that the last subscription was dropped.
    generation: u64,
    /// Whether a job will restore the default action.
    is_restoring: bool,
}

static TABLE: Mutex<BTreeMap<SignalNumber, Disposition>> = Mutex::new(BTreeMap::new());

fn table() -> MutexGuard<'static, BTreeMap<SignalNumber, Disposition>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disposition {
    fn set_default(&self, value: bool) {
        if let Some(is_default) = &self.is_default {
            // Pairs with the load in the handler. It passes nothing but the flag.
            is_default.store(value, Ordering::SeqCst);
        }
    }
}

impl Subscription {
    pub(crate) fn new(number: SignalNumber, writer: mio::unix::pipe::Sender) -> io::Result<Self> {
        let mut table = table();
        let disposition = match table.entry(number) {
            Entry::Occupied(disposition) => disposition.into_mut(),
            Entry::Vacant(vacant) => {
                let has_effect = !HARMLESS.contains(&number) && !is_ignored(number);
                // signal-hook cannot emulate the default action of an unnamed, real-time signal.
                let is_default = (has_effect && signal_name(number).is_some())
                    .then(|| Arc::new(AtomicBool::new(true)));
                if let Some(condition) = is_default.clone() {
                    signal_hook::flag::register_conditional_default(number, condition)?;
                }
                vacant.insert(Disposition {
                    is_default,
                    subscriptions: 0,
                    generation: 0,
                    is_restoring: false,
                })
            }
        };
        let id = pipe::register(number, writer)?;
        disposition.subscriptions += 1;
        disposition.set_default(false);
        Ok(Subscription { number, id })
    }
}

/// Returns whether the process ignores a signal that no loop has listened to yet.
fn is_ignored(number: SignalNumber) -> bool {
    // Only Linux reports it without unsafe code. Elsewhere this is the default of a Rust program.
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return number == SIGPIPE;
    };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = u32::try_from(number - 1).unwrap_or(u32::MAX);
    ignored.is_some_and(|mask| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut table = table();
        if let Some(disposition) = table.get_mut(&self.number) {
            disposition.subscriptions -= 1;
            if disposition.subscriptions == 0 && disposition.is_default.is_some() {
                disposition.generation += 1;
                if !std::mem::replace(&mut disposition.is_restoring, true) {
                    let number = self.number;
                    blocking::unblock(move || restore_default(number)).detach();
                }
            }
        }
        unregister(self.id);
    }
}

/// Restores the default action of a number once nothing has subscribed to it for [`IN_FLIGHT`].
/// Returns without doing so if a loop listens by then: the end of that restores it.
fn restore_default(number: SignalNumber) {
    let mut generation = None;
    loop {
        if let Some(disposition) = table().get_mut(&number) {
            let is_quiet =
                generation.replace(disposition.generation) == Some(disposition.generation);
            if is_quiet || disposition.subscriptions > 0 {
                disposition.is_restoring = false;
                disposition.set_default(disposition.subscriptions == 0);
                return;
            }
        }
        thread::sleep(IN_FLIGHT);
    }
}
