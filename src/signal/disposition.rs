//! The effect of a signal on the process: its default action as long as no loop listens to it.
//!
//! A signal handler stays installed, because other libraries may rely on it. The first handler of
//! a signal therefore runs the signal's default action as long as no loop listens. The visible
//! effect is that of Node, which restores the default when the last listener is removed. A signal
//! that was ignored originally (Rust programs ignore `SIGPIPE`; `nohup` ignores `SIGHUP`) is
//! ignored again.
//!
//! The process has one table. Its lock is held for a look-up or a system call. The signal handler
//! itself reads one atomic and acquires no lock.

use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{FORBIDDEN, SIGPIPE};
use signal_hook::low_level::{pipe, signal_name, unregister};

use crate::reactor::registrations::SignalNumber;

/// Writes one byte into a pipe for each signal of a number, until it is dropped.
pub(crate) struct Subscription {
    number: SignalNumber,
    id: SigId,
}

/// The state of a signal in the whole process.
struct Disposition {
    /// Whether the default action applies; read by the signal handler. The accesses are
    /// sequentially consistent, as those of signal-hook are.
    is_default: Arc<AtomicBool>,
    subscriptions: usize,
}

static TABLE: Mutex<BTreeMap<SignalNumber, Disposition>> = Mutex::new(BTreeMap::new());

fn table() -> MutexGuard<'static, BTreeMap<SignalNumber, Disposition>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscription {
    pub(crate) fn new(number: SignalNumber, writer: mio::unix::pipe::Sender) -> io::Result<Self> {
        if FORBIDDEN.contains(&number) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "cannot listen to a signal that cannot be caught or reports a fault: choose \
                 another signal",
            ));
        }
        let mut table = table();
        let disposition = match table.entry(number) {
            Entry::Occupied(disposition) => disposition.into_mut(),
            Entry::Vacant(vacant) => {
                let is_default = Arc::new(AtomicBool::new(true));
                // signal-hook cannot emulate the default action of an unnamed, real-time signal.
                if signal_name(number).is_some() && !is_ignored(number) {
                    let condition = is_default.clone();
                    signal_hook::flag::register_conditional_default(number, condition)?;
                }
                vacant.insert(Disposition {
                    is_default,
                    subscriptions: 0,
                })
            }
        };
        let id = pipe::register(number, writer)?;
        disposition.subscriptions += 1;
        disposition.is_default.store(false, Ordering::SeqCst);
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
            let is_default = disposition.subscriptions == 0;
            disposition.is_default.store(is_default, Ordering::SeqCst);
        }
        unregister(self.id);
    }
}
