//! The account of what must come back.
//!
//! Each activity has a [`Ledger`]. It adds to the ledger what it expects before it causes it, and
//! what has come back when it sees it. At the end of the activity both must be equal.
//!
//! Invariant: an activity is registered from its start until its ledger was compared, so that the
//! watchdog can report what an activity that does not end still waits for.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nodeloop::Promise;

/// What can come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    Activity,
    Reply,
    Byte,
    Callback,
    Event,
    Message,
    Task,
    Job,
    Child,
    Signal,
    Abort,
    Panic,
    Rejection,
    Context,
    Loop,
}

pub const ITEMS: [(Item, &str); 15] = [
    (Item::Activity, "activities"),
    (Item::Reply, "replies"),
    (Item::Byte, "bytes"),
    (Item::Callback, "callbacks"),
    (Item::Event, "events"),
    (Item::Message, "messages"),
    (Item::Task, "tasks"),
    (Item::Job, "jobs"),
    (Item::Child, "children"),
    (Item::Signal, "signals"),
    (Item::Abort, "aborts"),
    (Item::Panic, "panics"),
    (Item::Rejection, "rejections"),
    (Item::Context, "contexts"),
    (Item::Loop, "other loops"),
];

#[derive(Debug, Default)]
struct Counts {
    owed: [AtomicU64; ITEMS.len()],
    back: [AtomicU64; ITEMS.len()],
}

impl Counts {
    const fn new() -> Counts {
        Counts {
            owed: [const { AtomicU64::new(0) }; ITEMS.len()],
            back: [const { AtomicU64::new(0) }; ITEMS.len()],
        }
    }

    /// Returns what was owed and what came back of one item.
    ///
    /// The counters are statistics: the task that compares them has awaited the end of the tasks that count.
    fn of(&self, item: Item) -> (u64, u64) {
        let index = item as usize;
        let owed = self.owed[index].load(Ordering::Relaxed);
        (owed, self.back[index].load(Ordering::Relaxed))
    }

    /// Describes what is missing, or came twice.
    fn missing(&self) -> String {
        let mut text = String::new();
        for (item, name) in ITEMS {
            let (owed, back) = self.of(item);
            if owed != back {
                let _ = write!(text, "; of {owed} {name}, {back} came back");
            }
        }
        text
    }
}

static TOTAL: Counts = Counts::new();
static FAILURES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static RUNNING: Mutex<Vec<Ledger>> = Mutex::new(Vec::new());

/// The part of the account that belongs to one activity. Clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    name: &'static str,
    number: u64,
    seed: u64,
    started: Instant,
    counts: Counts,
}

impl Ledger {
    /// Starts an account, and registers it for the watchdog.
    pub fn open(name: &'static str, number: u64, seed: u64) -> Ledger {
        let ledger = Ledger(Arc::new(Entry {
            name,
            number,
            seed,
            started: Instant::now(),
            counts: Counts::default(),
        }));
        lock(&RUNNING).push(ledger.clone());
        ledger.owe(Item::Activity, 1);
        ledger
    }

    /// Adds what must come back.
    pub fn owe(&self, item: Item, count: u64) {
        self.0.counts.owed[item as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Adds what has come back.
    pub fn back(&self, item: Item, count: u64) {
        self.0.counts.back[item as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Returns what is missing of an item.
    pub fn is_even(&self, item: Item) -> bool {
        let (owed, back) = self.0.counts.of(item);
        owed == back
    }

    /// Owes an item that comes back when the returned value is dropped.
    pub fn until_dropped(&self, item: Item) -> Owed {
        self.owe(item, 1);
        Owed(self.clone(), item)
    }

    /// Spawns a task that is owed: its future must be dropped, finished or not.
    #[track_caller]
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Promise<T> {
        let owed = self.until_dropped(Item::Task);
        nodeloop::spawn(async move {
            let _owed = owed;
            future.await
        })
    }

    /// Ends the account. Reports what is missing, and `error`, as failures of the activity.
    pub fn close(&self, error: Option<&str>) {
        self.back(Item::Activity, 1);
        let missing = self.0.counts.missing();
        match error {
            Some(error) => fail(format_args!("{self}: {error}{missing}")),
            None if !missing.is_empty() => fail(format_args!("{self}: ended{missing}")),
            None => {}
        }
        for (item, _) in ITEMS {
            let (owed, back) = self.0.counts.of(item);
            TOTAL.owed[item as usize].fetch_add(owed, Ordering::Relaxed);
            TOTAL.back[item as usize].fetch_add(back, Ordering::Relaxed);
        }
        lock(&RUNNING).retain(|other| !Arc::ptr_eq(&other.0, &self.0));
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = &self.0;
        write!(
            f,
            "{} number {} of seed {}",
            entry.name, entry.number, entry.seed
        )
    }
}

/// Something that has come back when this is dropped.
#[derive(Debug)]
pub struct Owed(Ledger, Item);

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.back(self.1, 1);
    }
}

/// Adds a failure, and prints it.
pub fn fail(failure: impl fmt::Display) {
    let failure = failure.to_string();
    eprintln!("FAILED: {failure}");
    lock(&FAILURES).push(failure);
}

/// Returns the failures so far.
pub fn failures() -> Vec<String> {
    lock(&FAILURES).clone()
}

pub fn has_failed() -> bool {
    !lock(&FAILURES).is_empty()
}

/// Describes the activities that have been running for longer than `limit`.
pub fn overdue(limit: Duration) -> Vec<String> {
    let running = lock(&RUNNING);
    let overdue = running
        .iter()
        .filter(|ledger| ledger.0.started.elapsed() > limit);
    overdue
        .map(|ledger| format!("{ledger}: not ended{}", ledger.0.counts.missing()))
        .collect()
}

/// Returns the totals of all activities that have ended: name, owed, came back.
pub fn totals() -> impl Iterator<Item = (&'static str, u64, u64)> {
    ITEMS.into_iter().map(|(item, name)| {
        let (owed, back) = TOTAL.of(item);
        (name, owed, back)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
