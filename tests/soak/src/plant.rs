//! Faults that are planted on purpose, to show that the account finds them.

use std::fs::File;
use std::mem;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    LeakDescriptor,
    LoseReply,
    LeakTask,
    LeakMemory,
    LeaveZombie,
    LeaveThread,
}

const PLANTS: [(&str, Plant); 6] = [
    ("leak-descriptor", Plant::LeakDescriptor),
    ("lose-reply", Plant::LoseReply),
    ("leak-task", Plant::LeakTask),
    ("leak-memory", Plant::LeakMemory),
    ("leave-zombie", Plant::LeaveZombie),
    ("leave-thread", Plant::LeaveThread),
];

impl Plant {
    pub fn named(name: &str) -> Result<Plant, String> {
        let known = PLANTS.into_iter().find(|(known, _)| *known == name);
        known
            .map(|(_, plant)| plant)
            .ok_or_else(|| format!("unknown fault `{name}`"))
    }
}

static PLANTED: OnceLock<Plant> = OnceLock::new();
static IS_DONE: AtomicBool = AtomicBool::new(true);

pub fn set(plant: Plant) {
    PLANTED.set(plant).expect("one fault is planted");
}

/// Lets the fault be planted, once the soak knows what it starts with.
pub fn arm() {
    IS_DONE.store(false, Ordering::Relaxed);
}

/// Returns whether this fault is to be planted now: once.
pub fn is_due(plant: Plant) -> bool {
    PLANTED.get() == Some(&plant) && !IS_DONE.swap(true, Ordering::Relaxed)
}

/// Plants what needs no activity. It is called when an activity starts.
pub fn plant_beside_an_activity() {
    match PLANTED.get() {
        Some(Plant::LeakMemory) => mem::forget(vec![0_u8; 64 << 10]), // in every activity
        Some(Plant::LeakDescriptor) if is_due(Plant::LeakDescriptor) => {
            mem::forget(File::open("/dev/null").expect("/dev/null exists"));
        }
        Some(Plant::LeakTask) if is_due(Plant::LeakTask) => {
            nodeloop::spawn(std::future::pending::<()>()).detach();
        }
        Some(Plant::LeaveZombie) if is_due(Plant::LeaveZombie) => {
            mem::forget(Command::new("true").spawn().expect("`true` exists"));
        }
        Some(Plant::LeaveThread) if is_due(Plant::LeaveThread) => {
            let forever = || {
                loop {
                    thread::park();
                }
            };
            let thread = thread::Builder::new().name("planted".to_owned());
            thread.spawn(forever).expect("a thread");
        }
        _ => {}
    }
}
