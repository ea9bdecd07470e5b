//! Time limits: a test that hangs fails with its name and a report of what its loop waits for.
//!
//! [`limit`] starts a limit for the test that calls it. One thread of the process watches all
//! limits. When one expires, the watcher posts a callback to the test's loop, which reports
//! `why_alive()` and panics, so that this test alone fails. A loop that does not run the callback,
//! or a test that waits outside of a loop, cannot be unwound from another thread: the watcher then
//! ends the whole process, because a stuck `cargo test` would report nothing at all.
//!
//! `NODELOOP_LIMIT_FACTOR` multiplies all limits, for programs that an instrument slows down.
//!
//! Invariant: an expired limit ends in a failure within [`ANSWER`] and [`GRACE`], multiplied as well.

use std::cell::RefCell;
use std::io::Write;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nodeloop::Handle;

/// The limit of a test that gives no other.
const DEFAULT: Duration = Duration::from_secs(10);

/// The variable of the environment by which all limits are multiplied.
pub const FACTOR_VARIABLE: &str = "NODELOOP_LIMIT_FACTOR";

/// How long an expired test's loop may take to report.
const ANSWER: Duration = Duration::from_secs(1);

/// How long a test whose loop has panicked may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// A test under a limit. The limit ends when this is dropped.
#[must_use = "the limit ends when it is dropped"]
pub struct Limit {
    test: Arc<Test>,
    /// The loops that a test watches belong to its thread.
    _not_send: PhantomData<*const ()>,
}

#[derive(Debug)]
struct Test {
    name: String,
    location: &'static Location<'static>,
    limit: Duration,
    deadline: Instant,
    /// The loops of the test's thread, the newest last.
    loops: Mutex<Vec<Handle>>,
}

/// The tests under a limit, and the signal that there is a new one.
static TESTS: Mutex<Vec<Arc<Test>>> = Mutex::new(Vec::new());
static CHANGED: Condvar = Condvar::new();

thread_local! {
    static CURRENT: RefCell<Vec<Arc<Test>>> = const { RefCell::new(Vec::new()) };
}

/// Limits the calling test to 10 seconds.
#[track_caller]
pub fn limit() -> Limit {
    Limit::start(current_name(), DEFAULT)
}

/// Limits one of many cases that a test runs, of the given name, to 10 seconds.
#[track_caller]
pub fn limit_of_case(name: &str) -> Limit {
    Limit::start(name.to_owned(), DEFAULT)
}

/// Limits the calling test to 10 seconds, unless its thread has a limit already. For helpers.
#[track_caller]
pub fn default_limit() -> Option<Limit> {
    let has_limit = CURRENT.with_borrow(|tests| !tests.is_empty());
    if has_limit { None } else { Some(limit()) }
}

/// Limits the calling test to `limit`, which differs from the default for `reason`.
#[track_caller]
pub fn limit_of(limit: Duration, reason: &str) -> Limit {
    assert!(!reason.is_empty(), "give a reason for another limit");
    Limit::start(current_name(), limit)
}

/// Multiplies a limit by `NODELOOP_LIMIT_FACTOR`, which is 1 if it is not set.
pub fn scaled(limit: Duration) -> Duration {
    static FACTOR: LazyLock<u32> = LazyLock::new(|| match std::env::var(FACTOR_VARIABLE) {
        Ok(factor) => match factor.parse() {
            Ok(factor) if factor > 0 => factor,
            _ => panic!("{FACTOR_VARIABLE} is {factor}: set it to a whole number of at least 1"),
        },
        Err(_) => 1,
    });
    limit * *FACTOR
}

/// Adds a loop to the calling test: its report becomes part of the failure. Without a limit on
/// this thread it does nothing.
pub fn watch(event_loop: Handle) {
    CURRENT.with_borrow(|tests| {
        if let Some(test) = tests.last() {
            lock(&test.loops).push(event_loop);
        }
    });
    forget_ended_loops();
}

/// Drops the handles of loops that have ended: each holds the wake-up descriptor of its loop.
pub fn forget_ended_loops() {
    CURRENT.with_borrow(|tests| {
        for test in tests {
            lock(&test.loops).retain(|event_loop| !event_loop.is_closed());
        }
    });
}

impl Limit {
    #[track_caller]
    fn start(name: String, limit: Duration) -> Limit {
        static WATCHER: std::sync::Once = std::sync::Once::new();
        WATCHER.call_once(|| {
            if cfg!(miri) {
                return; // Miri reports a thread that is left at the end
            }
            let watcher = thread::Builder::new().name("time limits".to_owned());
            watcher.spawn(watch_tests).expect("a thread can be started");
        });
        let limit = scaled(limit);
        let test = Arc::new(Test {
            name,
            location: Location::caller(),
            limit,
            deadline: Instant::now() + limit,
            loops: Mutex::default(),
        });
        lock(&TESTS).push(test.clone());
        CHANGED.notify_one();
        CURRENT.with_borrow_mut(|tests| tests.push(test.clone()));
        Limit {
            test,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        lock(&TESTS).retain(|test| !Arc::ptr_eq(test, &self.test));
        CURRENT.with_borrow_mut(|tests| tests.retain(|test| !Arc::ptr_eq(test, &self.test)));
    }
}

/// The harness names the thread of a test after the test.
fn current_name() -> String {
    thread::current().name().unwrap_or("unnamed").to_owned()
}

/// The watching thread: waits for the next deadline, and fails the tests whose time is over.
fn watch_tests() {
    let mut tests = lock(&TESTS);
    loop {
        let Some(next) = tests.iter().min_by_key(|test| test.deadline).cloned() else {
            tests = CHANGED.wait(tests).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let now = Instant::now();
        if now < next.deadline {
            let waited = CHANGED.wait_timeout(tests, next.deadline - now);
            tests = waited.unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        // Out of the list, so that it is failed once. Each has a thread, because a loop may take
        // its time to answer.
        tests.retain(|test| !Arc::ptr_eq(test, &next));
        thread::spawn(move || fail(&next));
    }
}

/// Fails a test whose time is over, or the whole process if that cannot be done.
fn fail(test: &Arc<Test>) {
    let Test { name, limit, .. } = &**test;
    let text = format!(
        "test {name} at {} has not ended within {limit:?}; on a slow or busy machine, set \
         {FACTOR_VARIABLE} to 10",
        test.location
    );
    print(&format!("\n{text}\n"));
    let (sender, reports) = channel();
    for event_loop in lock(&test.loops).drain(..).rev() {
        let (sender, text) = (sender.clone(), text.clone());
        let posted = event_loop.post(move || {
            let report = nodeloop::why_alive();
            let _ = sender.send(report.to_string());
            panic!("{text}; why_alive: {report}");
        });
        if posted.is_ok() {
            break; // older loops have ended, or wait for the one that runs
        }
    }
    drop(sender);
    match reports.recv_timeout(scaled(ANSWER)) {
        Ok(report) => print(&format!("why_alive: {report}\n")),
        Err(_) => end("no loop of its thread answers"),
    }
    // The panic ends the test, unless the test has caught it.
    let ends = Instant::now() + scaled(GRACE);
    while Arc::strong_count(test) > 1 {
        if Instant::now() > ends {
            end("its loop has been stopped and the test has not ended");
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// Ends the process: the only way to stop a thread that does not answer.
fn end(reason: &str) -> ! {
    print(&format!("{reason}: the test process is ended\n"));
    std::process::exit(101)
}

/// Writes past the harness, which captures what a test prints.
fn print(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A test that has panicked poisons nothing for the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
