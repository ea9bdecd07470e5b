//! An async/await executor with the event loop of Node.js: one thread, futures treated as promises,
//! and an order of execution that a unit test may assert.
//!
//! Other runtimes do not specify the order in which tasks run. In this crate **the order is
//! specified rule by rule, equals what Node.js prints, and is part of the API.**
//!
//! ```
//! use std::{cell::RefCell, rc::Rc, time::Duration};
//! use nodeloop::{next_tick, promise, queue_microtask, set_immediate, set_timeout};
//!
//! let log = Rc::new(RefCell::new(Vec::new()));
//! let push = |label: &'static str| {
//!     let log = log.clone();
//!     move || log.borrow_mut().push(label)
//! };
//! let (timer, immediate, micro, tick, awaited) =
//!     (push("timer"), push("immediate"), push("microtask"), push("tick"), push("awaited"));
//! let mut event_loop = nodeloop::EventLoop::builder().virtual_time().build()?;
//! event_loop.run(async move {
//!     set_timeout(Duration::from_secs(3600), timer); // virtual time: returns immediately
//!     set_immediate(immediate);
//!     queue_microtask(micro);
//!     next_tick(tick);
//!     promise::ready(()).await; // exactly one turn of the microtask queue
//!     awaited();
//! }).unwrap();
//! assert_eq!(*log.borrow(), ["tick", "microtask", "awaited", "immediate", "timer"]);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The event loop
//!
//! A run executes the main script, drains the queues, and then repeats the phases while something
//! keeps the loop alive:
//!
//! ```text
//!    main script ─▶ drain
//!         │
//!         ▼
//!    ┌─▶ pending    results that are known without waiting          R63
//!    │   poll       completions, messages, sockets; signals last    R5–R8, R61, R64
//!    │   (pending)  what was queued meanwhile, at most 8 rounds     R63
//!    │   check      immediates                                      R37–R40
//!    │   close      callbacks of closed sources, last in first out  R62
//!    │   timers     what is due; also once before the first turn    R20–R36
//!    └── alive?     ref'd timer or immediate, job, I/O wait, token, message  R6
//!         │ no
//!         ▼
//!    before_exit ─▶ drain ─▶ alive again? continue with the loop    R2
//!         │ no
//!         ▼
//!    exit                                                           R9
//! ```
//!
//! Each callback that a phase calls is a macrotask. After **every** macrotask both queues are
//! drained (R10, R12):
//!
//! ```text
//!    repeat
//!        while the tick queue is not empty: call the next tick      next_tick
//!        run microtasks until the queue is empty                    promise jobs, queue_microtask
//!    until there is no tick and no rejection to report
//! ```
//!
//! # The rules in brief
//!
//! * Ticks run before microtasks, and microtasks before the next macrotask. Either queue can starve
//!   the loop (R10, R11).
//! * [`spawn`] polls the future at once, on the caller's stack (R46). Awaiting a promise always costs
//!   one turn (R45); resolving a promise with a promise costs two more (R43).
//! * Timers count whole milliseconds and form one list per duration. Late timers run list by list,
//!   not deadline by deadline (R21–R23). A timer that is armed by a timer waits for the next timers
//!   phase (R25).
//! * An immediate that is queued by an immediate waits for the next turn (R37). After I/O, an
//!   immediate runs before any timer (R40).
//! * A wake on the loop's own thread, while the loop is running, is a microtask. Any other wake is a
//!   macrotask of the poll phase.
//! * A panic in a callback is an uncaught error at once (R51). A panic in a task rejects its promise.
//!   A rejection that is not handled by the end of the drain is reported (R14).
//! * A pending promise alone does not keep the loop alive (R50).
//!
//! [`guide::rules`] lists all rules with the file that keeps each and the programs for Node that prove it.
//! [`guide::exactness`] lists every deviation from Node, and what Node itself does not guarantee.
//!
//! # Node and nodeloop
//!
//! | Node | nodeloop |
//! |---|---|
//! | the main script; `async function main() {}; main()` | [`run_script`]; [`run`] |
//! | `process.nextTick`, `queueMicrotask` | [`next_tick`], [`queue_microtask`] |
//! | `setTimeout`, `setInterval`, `setImmediate` | [`set_timeout`], [`set_interval`], [`set_immediate`] |
//! | `timersPromises.setTimeout`, `.setImmediate`, `.setInterval` | [`time::sleep`], [`yield_now`], [`time::interval`] |
//! | promises | [`promise`] (with the number of turns of each operation) |
//! | several tasks at once, the first that ends | [`TaskGroup`] |
//! | `fs.promises.readFile`, `fs.readFile(path, callback)` | [`fs::read`], [`queue_work`] |
//! | the thread pool | [`spawn_blocking`], [`try_spawn_blocking`] |
//! | `http` | hyper, with `nodeloop::hyper` (feature `hyper`) |
//! | `net`, `dgram`, `dns.lookup` | [`net`] |
//! | `AbortController`, `AsyncLocalStorage` | [`AbortController`], [`AsyncLocalStorage`] |
//! | `process.on('uncaughtException' …)` | [`on_uncaught`], [`on_unhandled_rejection`], [`on_rejection_handled`], [`on_before_exit`], [`on_exit`] |
//! | `process.on('warning' …)`, `process.emitWarning` | [`on_warning`], [`emit_warning`] |
//! | `process.exit` | [`exit`] |
//! | `process.on('SIGINT' …)` | [`signal::on_signal`], [`signal::ctrl_c`] |
//! | `performance.eventLoopUtilization`, `monitorEventLoopDelay` | [`observe::Metrics`] |
//! | `process.getActiveResourcesInfo` | [`why_alive`] |
//! | `child_process` | [`process`] |
//! | `process.stdin`, `.stdout`, `.stderr` | [`io::stdin`], [`io::stdout`], [`io::stderr`] |
//! | `worker_threads`, `cluster` | [`worker`] |
//!
//! # Glossary
//!
//! | term | meaning |
//! |---|---|
//! | macrotask | one callback that the loop calls from a phase, or the main script |
//! | tick | a callback in the nextTick queue |
//! | microtask | a promise job, a woken task, or a callback of [`queue_microtask`] |
//! | drain | emptying both queues after a macrotask; *checkpoint* is the function that does it |
//! | turn | of the loop: one pass through all phases; of a promise: one microtask |
//! | phase | one of pending, poll, check, close, timers |
//! | source | a socket, pipe or other descriptor that the poll phase watches |
//! | ref'd | keeps the loop alive while it is pending |
//! | alive | something ref'd is pending, see [`why_alive`] |
//! | stalled | nothing can run unless time passes or an external event arrives |
//! | rejected, handled | settled with an error or a panic; polled, given a reaction or followed at least once |
//! | resource | what keeps a loop alive: a timer, a job, a wait on a source, … |
//! | observer | code that is notified of the events of a loop and cannot change it |
//! | seed | selects one of the legal orders where Node guarantees none |
//! | remote queue | the queue through which other threads reach the loop |
//!
//! # Testing
//!
//! [`test::run`] runs a test on virtual time, its log records where each entry was made, and
//! [`test::explore`] permutes what is *not* guaranteed. [`guide::testing`] has worked tests.
//! [`why_alive`] reports what a loop is waiting for. A loop can be embedded in another one with
//! [`EventLoop::turn`] and [`EventLoop::poll_timeout`].
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `macros` | yes | `#[nodeloop::main]` and `#[nodeloop::test]` |
//! | `recording` | yes | `recording`: a run as a page that replays it, or as a trace for Perfetto |
//! | `hyper` | no | `hyper`: servers and clients of hyper on the loop |
//! | `tracing` | no | `observe::Traced`: spans and events of the `tracing` crate |
//!
//! Features only add API. They never change the order in which anything runs.
//!
//! # Platforms
//!
//! Linux is tested. The portable parts are built on mio and `blocking`; no test runs on macOS or
//! Windows.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations, unreachable_pub)]

mod abort;
mod async_local;
mod blocking;
mod event_loop;
pub mod fs;
pub mod guide;
mod hooks;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod io;
pub mod net;
pub mod observe;
mod phases;
#[cfg(unix)]
pub mod process;
pub mod promise;
mod reactor;
#[cfg(feature = "recording")]
pub mod recording;
mod runtime;
mod schedule;
#[cfg(unix)]
pub mod signal;
#[cfg(not(unix))]
#[path = "signal/unsupported.rs"]
mod signal;
pub mod task_group;
pub mod test;
pub mod time;
pub mod worker;

/// Runs `async fn main` on an event loop, as [`run`] does.
///
/// The function may return what [`run`] returns, for example a `Result`, and `?` works as in every
/// other function. The loop has the default settings; with others, write a `fn main` that is not
/// `async` and use [`EventLoop::builder`].
///
/// It is an attribute, and not a macro like `main!`, because a function with an attribute is still a
/// function: editors, rustfmt and rustdoc read it as any other, and errors are reported at the line
/// that the user wrote.
///
/// # Options
///
/// `crate = path` names the crate, if it was renamed or is re-exported by another one:
/// `#[nodeloop::main(crate = my_crate::nodeloop)]`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// #[nodeloop::main]
/// async fn main() -> Result<(), std::num::ParseIntError> {
///     let delay = "5".parse()?;
///     nodeloop::time::sleep(Duration::from_millis(delay)).await;
///     println!("done");
///     Ok(())
/// }
/// ```
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use nodeloop_macros::main;

/// Runs an `async fn` as a test, on virtual time, as [`test::run`] does.
///
/// The function has no argument, or one: the [`Test`](test::Test) that owns the log and controls
/// time. It may return a `Result`; the test fails if that is an `Err`. Attributes such as
/// `#[should_panic]` and `#[ignore]` work as in every other test.
///
/// The module [`test`](mod@test) has the same name, and `use nodeloop::test` imports both. The
/// attribute then takes the place of std's, so a function that is not `async` is an ordinary test.
/// `use nodeloop::*` makes `#[test]` ambiguous; `use std::prelude::v1::test` decides.
///
/// # Options
///
/// | option | the test runs |
/// |---|---|
/// | none | with [`test::run`] |
/// | `real_time` | on the clock of the system, for real sockets, files and processes: [`TestBuilder::real_time`](test::TestBuilder::real_time) |
/// | `explore = 100` | in the plain order and with this number of seeds: [`test::explore`] |
/// | `crate = path` | with the crate that this path names |
///
/// With other settings, write a test that is not `async` and use
/// [`TestBuilder`](test::TestBuilder).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::{next_tick, set_timeout, test::Test, time};
///
/// #[nodeloop::test]
/// async fn an_hour_takes_no_time() {
///     time::sleep(Duration::from_secs(3600)).await;
/// }
///
/// #[nodeloop::test]
/// async fn the_tick_comes_first(t: Test) {
///     let log = t.log();
///     set_timeout(Duration::from_millis(1), log.callback("timeout"));
///     next_tick(log.callback("tick"));
///     t.until_idle().await;
///     log.assert_order(["tick", "timeout"]);
/// }
///
/// #[nodeloop::test(real_time)]
/// async fn connects() -> std::io::Result<()> {
///     let listener = nodeloop::net::TcpListener::bind("127.0.0.1:0").await?;
///     nodeloop::net::TcpStream::connect(listener.local_addr()?).await?;
///     Ok(())
/// }
/// ```
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use nodeloop_macros::test;

pub use abort::{
    AbortController, AbortExt, AbortListener, AbortReason, AbortSignal, Aborted, WithSignal,
};
pub use async_local::AsyncLocalStorage;
pub use blocking::{QueuedWork, queue_work, spawn_blocking, try_spawn_blocking};
pub use phases::poll::delivery::{InvalidSeed, Seed};

pub use hooks::rejection::{MainError, PanicReason, Reason, Rejection, UnhandledRejection};
pub use hooks::uncaught::Uncaught;
pub use hooks::warning::Warning;
pub use hooks::{
    HookListener, emit_warning, exit, on_before_exit, on_exit, on_rejection_handled, on_uncaught,
    on_unhandled_rejection, on_warning,
};
pub use observe::active_resource::ResourceKind;
pub use observe::why_alive::{ActiveResource, BlockedOn, PendingTask, WhyAlive, why_alive};
pub use promise::{Promise, TryPromise, spawn, spawn_lazy, try_spawn, try_spawn_lazy};
pub use runtime::handle::{
    Handle, KeepAlive, LoopClosed, RemoteError, RemotePromise, handle, keep_alive,
};
pub use runtime::{
    Builder, EntryMode, EventLoop, MainOutput, RunError, Stuck, StuckPolicy, block_on, run,
    run_script,
};
pub use schedule::yield_now::{YieldNow, yield_now};
pub use schedule::{
    ImmediateHandle, MAX_DELAY, TimeoutHandle, next_tick, queue_microtask, set_immediate,
    set_interval, set_timeout, set_timeout_mut,
};
pub use task_group::TaskGroup;
