//! What the programs of the races need from outside: operations of unknown duration, a disk, a store.
//!
//! An operation, also a job of the pool, takes effect when it completes, in the loop. That is one of the moments at which the
//! real one may take effect, so every order that a seed shows is one that Node could show.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use nodeloop::{Promise, promise, queue_work, test};

use crate::common::ms;

/// How long an operation of the disk or of a store takes.
pub const QUICK: RangeInclusive<u64> = 1..=9;

/// Performs `effect` as the completion of an operation that takes a time in `range_ms`.
#[track_caller]
pub fn operation<T: 'static>(
    range_ms: RangeInclusive<u64>,
    effect: impl FnOnce() -> T + 'static,
) -> Promise<T> {
    let (promise, resolver) = promise::with_resolver();
    let (shortest, longest) = range_ms.into_inner();
    test::complete_within(ms(shortest)..=ms(longest), move || {
        resolver.resolve(effect());
    });
    promise
}

/// Performs `effect` as the completion of a job of the pool.
#[track_caller]
pub fn job<T: 'static>(effect: impl FnOnce() -> T + 'static) -> Promise<T> {
    let (promise, resolver) = promise::with_resolver();
    queue_work(|| (), move |()| resolver.resolve(effect()));
    promise
}

/// Waits for an operation that has no effect, such as a request to a peer.
#[track_caller]
pub fn request(range_ms: RangeInclusive<u64>) -> Promise<()> {
    operation(range_ms, || ())
}

/// A value of a loop that operations share.
pub type Shared<T> = Rc<RefCell<T>>;

pub fn shared<T>(value: T) -> Shared<T> {
    Rc::new(RefCell::new(value))
}

/// How a disk performs its operations.
#[derive(Clone, Copy, Default)]
enum By {
    /// As operations of unknown duration, which timers may come before.
    #[default]
    Time,
    /// As jobs of the pool, whose order a seed chooses. They hold the clock.
    Jobs,
}

/// The error code of an operation of the disk.
pub type Code = &'static str;

/// A disk whose operations are asynchronous: the part of `fs` that the races use.
#[derive(Clone, Default)]
pub struct Disk {
    by: By,
    /// The content of a file; `None` for a directory.
    entries: Shared<BTreeMap<String, Option<String>>>,
}

impl Disk {
    /// Creates a disk with these directories, whose names end in `/`, and files.
    pub fn with<const N: usize>(entries: [(&str, &str); N]) -> Disk {
        let entries = entries.map(|(path, content)| match path.strip_suffix('/') {
            Some(directory) => (directory.to_owned(), None),
            None => (path.to_owned(), Some(content.to_owned())),
        });
        Disk {
            by: By::Time,
            entries: shared(BTreeMap::from(entries)),
        }
    }

    /// Performs the operations as jobs of the pool.
    pub fn by_jobs(self) -> Disk {
        Disk {
            by: By::Jobs,
            ..self
        }
    }

    /// The paths of everything on the disk.
    pub fn paths(&self) -> Vec<String> {
        self.entries.borrow().keys().cloned().collect()
    }

    /// The content of a file now.
    pub fn content(&self, path: &str) -> Option<String> {
        self.entries.borrow().get(path).cloned().flatten()
    }

    #[track_caller]
    fn change<T: 'static>(
        &self,
        effect: impl FnOnce(&mut BTreeMap<String, Option<String>>) -> T + 'static,
    ) -> Promise<T> {
        let entries = self.entries.clone();
        let effect = move || effect(&mut entries.borrow_mut());
        match self.by {
            By::Time => operation(QUICK, effect),
            By::Jobs => job(effect),
        }
    }

    /// `fs.exists`, `fs.stat` and `fs.lstat`.
    #[track_caller]
    pub fn stat(&self, path: &str) -> Promise<Result<(), Code>> {
        let path = path.to_owned();
        self.change(move |entries| entries.get(&path).map(drop).ok_or("ENOENT"))
    }

    /// `fs.readFile`
    #[track_caller]
    pub fn read(&self, path: &str) -> Promise<Result<String, Code>> {
        let path = path.to_owned();
        self.change(move |entries| entries.get(&path).cloned().flatten().ok_or("ENOENT"))
    }

    /// `fs.writeFile`
    #[track_caller]
    pub fn write(&self, path: &str, content: impl Into<String>) -> Promise<()> {
        let (path, content) = (path.to_owned(), content.into());
        self.change(move |entries| _ = entries.insert(path, Some(content)))
    }

    /// `fs.appendFile`
    #[track_caller]
    pub fn append(&self, path: &str, content: &str) -> Promise<()> {
        let (path, content) = (path.to_owned(), content.to_owned());
        self.change(move |entries| {
            let file = entries.entry(path).or_default();
            file.get_or_insert_default().push_str(&content);
        })
    }

    /// `fs.mkdir`
    #[track_caller]
    pub fn mkdir(&self, path: &str) -> Promise<Result<(), Code>> {
        let path = path.to_owned();
        self.change(move |entries| match entries.contains_key(&path) {
            true => Err("EEXIST"),
            false => {
                entries.insert(path, None);
                Ok(())
            }
        })
    }

    /// `fs.unlink` and `fs.rmdir`
    #[track_caller]
    pub fn remove(&self, path: &str) -> Promise<Result<(), Code>> {
        let path = path.to_owned();
        self.change(move |entries| entries.remove(&path).map(drop).ok_or("ENOENT"))
    }

    /// `fs.rename`
    #[track_caller]
    pub fn rename(&self, from: &str, to: &str) -> Promise<Result<(), Code>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.change(move |entries| {
            let moved = entries.remove(&from).ok_or("ENOENT")?;
            entries.insert(to, moved);
            Ok(())
        })
    }
}

/// A store with a connection of its own for each request, such as a database with a pool of
/// connections.
#[derive(Clone, Default)]
pub struct Store {
    rows: Shared<BTreeMap<String, String>>,
}

impl Store {
    #[track_caller]
    pub fn get(&self, key: &str) -> Promise<Option<String>> {
        let (rows, key) = (self.rows.clone(), key.to_owned());
        operation(QUICK, move || rows.borrow().get(&key).cloned())
    }

    #[track_caller]
    pub fn set(&self, key: &str, value: impl Into<String>) -> Promise<()> {
        let (rows, key, value) = (self.rows.clone(), key.to_owned(), value.into());
        operation(QUICK, move || _ = rows.borrow_mut().insert(key, value))
    }

    /// The value of a key now.
    pub fn value(&self, key: &str) -> Option<String> {
        self.rows.borrow().get(key).cloned()
    }

    pub fn len(&self) -> usize {
        self.rows.borrow().len()
    }
}

/// A lock that is awaited: tasks get it in the order in which they asked.
#[derive(Clone)]
pub struct Lock(Rc<RefCell<Promise<()>>>);

impl Default for Lock {
    fn default() -> Lock {
        Lock(shared(promise::ready(())))
    }
}

impl Lock {
    /// Runs `section` when every section before it has ended.
    pub async fn run<T>(&self, section: impl Future<Output = T>) -> T {
        let (ended, end) = promise::with_resolver();
        let before = self.0.replace(ended);
        before.await;
        let output = section.await;
        end.resolve(());
        output
    }
}

/// Waits for time to pass.
pub async fn sleep(count: u64) {
    nodeloop::time::sleep(Duration::from_millis(count)).await;
}
