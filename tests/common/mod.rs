//! Helpers of all tests: functions that make programs read like their JavaScript originals, the ordered
//! log, which is the only oracle of order, and loops that report when a time limit expires.

#![allow(dead_code)] // every test binary uses a part of it

pub mod limit;
pub mod net;
pub mod node;
pub mod process;
pub mod releases;
pub mod skip;
pub mod wine;

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::fmt::Display;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use limit::{default_limit, watch};
use nodeloop::{
    EventLoop, Handle, MainOutput, Rejection, RunError, StuckPolicy, Uncaught, on_uncaught, test,
};

/// The kit's log, with the names that the programs use. When an order is wrong, the difference shows
/// where each line ran.
#[derive(Clone, Default)]
pub struct Log(test::Log);

impl Log {
    pub fn new() -> Log {
        Log::default()
    }

    /// Writes a line: `console.log`.
    #[track_caller]
    pub fn add(&self, line: impl Display) {
        self.0.add(line);
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.labels()
    }

    /// Asserts that the log has exactly these lines.
    #[track_caller]
    pub fn assert<const N: usize>(&self, expected: [&str; N]) {
        self.0.assert_order(expected);
    }
}

/// The partial orders.
impl Deref for Log {
    type Target = test::Log;

    fn deref(&self) -> &test::Log {
        &self.0
    }
}

/// A loop on the virtual clock that calls a stuck main future an error.
pub fn virtual_loop() -> EventLoop {
    let event_loop = EventLoop::builder()
        .virtual_time()
        .stuck_policy(StuckPolicy::Error)
        .build()
        .expect("the loop can be built");
    watch(event_loop.handle());
    event_loop
}

/// A loop on the real clock, with the default settings.
pub fn real_loop() -> EventLoop {
    let built = EventLoop::builder().build();
    let event_loop = built.expect("the loop can be built");
    watch(event_loop.handle());
    event_loop
}

/// [`nodeloop::block_on`], whose loop reports when the test's limit expires.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    nodeloop::block_on(async {
        watch(Handle::current());
        future.await
    })
}

/// [`nodeloop::run`], whose loop reports when the test's limit expires.
#[track_caller]
pub fn run<F: Future<Output: MainOutput>>(future: F) -> F::Output {
    nodeloop::run(async {
        watch(Handle::current());
        future.await
    })
}

/// [`nodeloop::run_script`], whose loop reports when the test's limit expires.
#[track_caller]
pub fn run_script(script: impl FnOnce() + 'static) {
    nodeloop::run_script(|| {
        watch(Handle::current());
        script();
    });
}

/// Returns whether the calling test must be skipped, because it needs what only the operating system has:
/// never here, but in the simulated world of `tests/world`.
pub fn needs_system(_reason: &str) -> bool {
    false
}

/// Runs `script` as a CommonJS main script in virtual time until the loop ends, and returns its log.
/// Fails for everything that fails a test of the kit.
#[track_caller]
pub fn trace(script: impl FnOnce(Log) + 'static) -> Log {
    let _limit = default_limit();
    let log = Log::new();
    let scripts = log.clone();
    test::run_script(move |_| {
        watch(Handle::current());
        script(scripts);
    });
    log
}

/// As [`trace`], for a script that leaves tasks that are never woken.
#[track_caller]
pub fn trace_with_leftovers(script: impl FnOnce(Log) + 'static) -> Log {
    let _limit = default_limit();
    let log = Log::new();
    let scripts = log.clone();
    let kit = test::TestBuilder::new().allow_leftovers();
    kit.run_script(move |_| {
        watch(Handle::current());
        script(scripts);
    });
    log
}

/// As [`trace`], for a script that ends early.
#[track_caller]
pub fn try_trace(script: impl FnOnce(Log) + 'static) -> (Result<(), RunError>, Log) {
    let _limit = default_limit();
    let log = Log::new();
    let scripts = log.clone();
    let result = virtual_loop().run_script(move || script(scripts));
    (result, log)
}

/// The lines of a log that is compared as a vector.
pub type Lines = Rc<RefCell<Vec<String>>>;

/// Adds a line.
pub fn log(lines: &Lines, line: impl Into<String>) {
    lines.borrow_mut().push(line.into());
}

pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The time since the start of the virtual clock, in milliseconds: `performance.now()`.
pub fn now_ms() -> u128 {
    use nodeloop::time::Instant;
    // A virtual clock starts at the earliest moment that there is.
    (Instant::now() - (Instant::now() - Duration::MAX)).as_millis()
}

/// `throw text`. Nothing is printed.
pub fn throw(text: impl Display) -> ! {
    resume_unwind(Box::new(text.to_string()))
}

/// The text given to [`throw`] or to `panic!`.
pub fn text_of(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => (*payload
            .downcast_ref::<&str>()
            .expect("a payload that is text"))
        .to_owned(),
    }
}

/// `process.on('uncaughtException', (e) => console.log('uncaught', e))`
pub fn log_uncaught(log: &Log) {
    let log = log.clone();
    on_uncaught(move |error: &Uncaught| {
        log.add(format_args!("uncaught {}", error.message()));
    });
}

/// The reason of a rejection as `console.log` prints it.
pub fn reason_of(rejection: &Rejection) -> String {
    rejection.with_reason(|reason| match reason.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => format!("{reason:?}"),
    })
}

/// A value that a callback needs and that is created after it: `const t = setTimeout(() => t…)`.
pub struct Later<T>(Rc<OnceCell<T>>);

impl<T> Later<T> {
    pub fn new() -> Later<T> {
        Later(Rc::new(OnceCell::new()))
    }

    pub fn set(&self, value: T) {
        assert!(self.0.set(value).is_ok(), "set twice");
    }

    pub fn get(&self) -> &T {
        self.0.get().expect("set before it is used")
    }
}

impl<T> Clone for Later<T> {
    fn clone(&self) -> Self {
        Later(self.0.clone())
    }
}

/// `Promise.resolve()`
pub fn resolved() -> nodeloop::Promise<()> {
    let (promise, resolver) = nodeloop::promise::with_resolver();
    resolver.resolve(());
    promise
}

/// `Promise.reject(reason)`
#[track_caller]
pub fn rejected<E: nodeloop::Reason>(reason: E) -> nodeloop::TryPromise<(), E> {
    let (promise, resolvers) = nodeloop::promise::try_with_resolver();
    resolvers.reject(reason);
    promise
}

/// A ruler: logs a line for each of the next turns of the microtask queue.
pub fn ruler(log: &Log, turns: usize) {
    let log = log.clone();
    drop(nodeloop::spawn(async move {
        for turn in 1..=turns {
            resolved().await;
            log.add(turn);
        }
    }));
}

/// `(v) => { console.log(line); return v; }`, as a handler of a promise that cannot be rejected.
pub fn tag<T>(log: &Log, line: impl Display) -> impl FnOnce(T) -> T + 'static {
    let (log, line) = (log.clone(), line.to_string());
    move |value| {
        log.add(line);
        value
    }
}

/// `() => console.log(line)`, as a handler of a promise that can be rejected.
pub fn log_ok<T, E>(log: &Log, line: impl Display) -> impl FnOnce(T) -> Result<(), E> + 'static {
    let (log, line) = (log.clone(), line.to_string());
    move |_| {
        log.add(line);
        Ok(())
    }
}

/// The same ruler, of plain `then`s.
pub fn then_ruler(log: &Log, turns: usize) {
    (1..=turns)
        .fold(resolved(), |promise, turn| promise.then(tag(log, turn)))
        .detach();
}
