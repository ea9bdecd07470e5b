//! The effect of a signal on the process: its default action as long as no loop listens to it.
//!
//! A signal handler stays installed, because other libraries may rely on it. The first handler of
//! a signal therefore runs the signal's default action as long as no loop listens. The visible
//! effect is that of Node, which restores the default when the last listener is removed. A signal
//! that was ignored originally (Rust programs ignore `SIGPIPE`; `nohup` ignores `SIGHUP`) is
//! ignored again.
//!
//! A signal that was sent while a loop listened may reach its handler later, on another thread.
//! The default action is therefore restored only when no such signal is left; see `in_flight.rs`.
//!
//! The process has one table. Its lock is held for a look-up, for system calls, and until the
//! signals in flight have been handled. The signal handler itself reads one atomic and acquires no
//! lock.

use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{FORBIDDEN, SIGCHLD, SIGCONT, SIGPIPE, SIGURG, SIGWINCH};
use signal_hook::low_level::{pipe, signal_name, unregister};

use super::in_flight::{has_bit, wait_until_handled};
use crate::reactor::registrations::SignalNumber;

/// The signals whose default action has no effect on a running process.
const HARMLESS: [SignalNumber; 4] = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH];

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
    /// Whether the default action, if it is restored, ends or stops the process.
    is_harmful: bool,
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
                let has_default = signal_name(number).is_some() && !is_ignored(number);
                if has_default {
                    let condition = is_default.clone();
                    signal_hook::flag::register_conditional_default(number, condition)?;
                }
                vacant.insert(Disposition {
                    is_default,
                    is_harmful: has_default && !HARMLESS.contains(&number),
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
    has_bit(&status, "SigIgn:", number)
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut table = table();
        if let Some(disposition) = table.get_mut(&self.number) {
            disposition.subscriptions -= 1;
            if disposition.subscriptions == 0 {
                if disposition.is_harmful {
                    wait_until_handled(self.number);
                }
                // It also waits until every handler that is running has returned.
                unregister(self.id);
                disposition.is_default.store(true, Ordering::SeqCst);
                return;
            }
        }
        unregister(self.id);
    }
}
