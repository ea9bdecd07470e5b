//! What a signal does to the process: its default as long as no loop listens to it.
//!
//! A handler that was installed once stays, because other libraries may hang on it. So the first
//! one that is installed for a signal does what the system would have done, as long as nobody
//! listens. Node puts the default back when the last listener goes; so does this, to the eye. A
//! signal that was ignored before (`SIGPIPE` is by every Rust program, `SIGHUP` under `nohup`) is
//! ignored again.
//!
//! One table for the process, behind a lock that is held for a look-up or for a system call; the
//! handler itself reads one atomic, and takes no lock.

use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{FORBIDDEN, SIGPIPE};
use signal_hook::low_level::{pipe, signal_name, unregister};

use crate::reactor::registrations::SignalNumber;

/// A writer that gets one byte for each signal of a number; until it is dropped.
pub(crate) struct Listening {
    number: SignalNumber,
    id: SigId,
}

/// How a signal is listened to in the whole process.
struct Disposition {
    /// Read by the handler. Sequentially consistent, as signal-hook reads it.
    nobody_listens: Arc<AtomicBool>,
    listening: usize,
}

static TABLE: Mutex<BTreeMap<SignalNumber, Disposition>> = Mutex::new(BTreeMap::new());

fn table() -> MutexGuard<'static, BTreeMap<SignalNumber, Disposition>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listening {
    pub(crate) fn new(number: SignalNumber, writer: mio::unix::pipe::Sender) -> io::Result<Self> {
        if FORBIDDEN.contains(&number) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "this signal can't be listened to: it can't be caught, or is raised by a fault \
                 to which the program can't return",
            ));
        }
        let mut table = table();
        let disposition = match table.entry(number) {
            Entry::Occupied(disposition) => disposition.into_mut(),
            Entry::Vacant(vacant) => {
                let nobody_listens = Arc::new(AtomicBool::new(true));
                // A real-time signal has no name; nothing stands in for its default.
                if signal_name(number).is_some() && !is_ignored(number) {
                    let condition = nobody_listens.clone();
                    signal_hook::flag::register_conditional_default(number, condition)?;
                }
                vacant.insert(Disposition {
                    nobody_listens,
                    listening: 0,
                })
            }
        };
        let id = pipe::register(number, writer)?;
        disposition.listening += 1;
        disposition.nobody_listens.store(false, Ordering::SeqCst);
        Ok(Listening { number, id })
    }
}

/// Whether the process ignores a signal that no loop has listened to yet.
fn is_ignored(number: SignalNumber) -> bool {
    // Only Linux tells without unsafe code; elsewhere what a Rust program does from the start.
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return number == SIGPIPE;
    };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = u32::try_from(number - 1).unwrap_or(u32::MAX);
    ignored.is_some_and(|mask| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut table = table();
        if let Some(disposition) = table.get_mut(&self.number) {
            disposition.listening -= 1;
            let nobody_listens = disposition.listening == 0;
            disposition
                .nobody_listens
                .store(nobody_listens, Ordering::SeqCst);
        }
        unregister(self.id);
    }
}
