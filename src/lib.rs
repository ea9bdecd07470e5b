//! An async/await executor with the event loop of Node.js: one thread, futures treated as promises,
//! and an order that you may assert in a unit test.
//!
//! Other runtimes say: do not rely on the order in which tasks run. Here **the order is specified,
//! rule by rule, equals what the real Node.js prints, and is part of the API.**
//!
//! ```
//! use std::{cell::RefCell, rc::Rc, time::Duration};
//! use nodeloop::{next_tick, promise, queue_microtask, set_immediate, set_timeout};
//!
//! let log = Rc::new(RefCell::new(Vec::new()));
//! let say = |what: &'static str| {
//!     let log = log.clone();
//!     move || log.borrow_mut().push(what)
//! };
//! let (timer, immediate, micro, tick, awaited) =
//!     (say("timer"), say("immediate"), say("microtask"), say("tick"), say("awaited"));
//! let mut event_loop = nodeloop::EventLoop::builder().virtual_time().build()?;
//! event_loop.run(async move {
//!     set_timeout(Duration::from_secs(3600), timer); // virtual time: no waiting
//!     set_immediate(immediate);
//!     queue_microtask(micro);
//!     next_tick(tick);
//!     promise::ready(()).await; // exactly one turn
//!     awaited();
//! }).unwrap();
//! assert_eq!(*log.borrow(), ["tick", "microtask", "awaited", "immediate", "timer"]);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The wheel
//!
//! A run begins with the main script, drains, and then turns as long as something keeps the loop
//! alive:
//!
//! ```text
//!    main script ─▶ drain
//!         │
//!         ▼
//!    ┌─▶ pending    results that were known without waiting         R63
//!    │   poll       completions, messages, sockets; signals last    R5–R8, R61, R64
//!    │   (pending)  what was fed meanwhile, at most 8 rounds        R63
//!    │   check      immediates                                      R37–R40
//!    │   close      callbacks of closed sources, the last one first R62
//!    │   timers     what is due; also once in front of the first turn  R20–R36
//!    └── alive?     ref'd timer or immediate, job, I/O wait, token, message  R6
//!         │ no
//!         ▼
//!    before_exit ─▶ drain ─▶ alive again? back to the wheel         R2
//!         │ no
//!         ▼
//!    exit                                                           R9
//! ```
//!
//! Behind **every** callback that a phase calls, a macrotask, both queues are drained (R10, R12):
//!
//! ```text
//!    repeat
//!        while there is a tick: call it                 next_tick
//!        run microtasks until there is none             promise jobs, queue_microtask
//!    until there is no tick, and no rejection to report
//! ```
//!
//! # The rules in one breath
//!
//! * Ticks before microtasks, microtasks before the next macrotask; either queue can starve the
//!   loop (R10, R11).
//! * [`spawn`] polls at once, on your stack (R46). Awaiting a promise costs one turn, always (R45);
//!   resolving a promise with a promise costs two more (R43).
//! * Timers count whole milliseconds and stand in one list per duration; late ones come list by
//!   list, not deadline by deadline (R21–R23). A timer armed by a timer waits for the next phase
//!   (R25).
//! * Immediates made by an immediate wait for the next turn (R37). From I/O, an immediate comes
//!   before any timer (R40).
//! * A wake while the loop runs is a microtask; a wake from anywhere else is a macrotask of the
//!   poll phase.
//! * A panic in a callback is uncaught at once (R51); a panic in a task rejects its promise; a
//!   rejection that nobody has handled by the end of the drain is reported (R14). Nothing passes
//!   silently.
//! * A pending promise alone keeps nothing alive (R50).
//!
//! All of them, with where each is kept and proved: [`guide::rules`]. What is exact, what is not,
//! and what Node itself does not promise: [`guide::exactness`].
//!
//! # JavaScript on the left, nodeloop on the right
//!
//! | Node | nodeloop |
//! |---|---|
//! | the main script; `async function main() {}; main()` | [`run_script`]; [`run`] |
//! | `process.nextTick`, `queueMicrotask` | [`next_tick`], [`queue_microtask`] |
//! | `setTimeout`, `setInterval`, `setImmediate` | [`set_timeout`], [`set_interval`], [`set_immediate`] |
//! | `timersPromises.setTimeout`, `.setImmediate`, `.setInterval` | [`time::sleep`], [`yield_now`], [`time::interval`] |
//! | promises | [`promise`] (a table with the turns) |
//! | `fs.promises.readFile`, `fs.readFile(path, callback)` | [`fs::read`], [`queue_work`] |
//! | the thread pool | [`spawn_blocking`] |
//! | `http` | hyper, with `nodeloop::hyper` (feature `hyper`) |
//! | `net`, `dgram`, `dns.lookup` | [`net`] |
//! | `AbortController`, `AsyncLocalStorage` | [`AbortController`], [`AsyncLocalStorage`] |
//! | `process.on('uncaughtException' …)` | [`on_uncaught`], [`on_unhandled_rejection`], [`on_rejection_handled`], [`on_before_exit`], [`on_exit`] |
//! | `process.exit` | [`exit`] |
//! | `process.on('SIGINT' …)` | [`signal::on_signal`], [`signal::ctrl_c`] |
//! | `performance.eventLoopUtilization`, `monitorEventLoopDelay` | [`observe::Metrics`] |
//! | `child_process` | [`process`] |
//! | `process.stdin`, `.stdout`, `.stderr` | [`io::stdin`], [`io::stdout`], [`io::stderr`] |
//! | `worker_threads`, `cluster` | [`worker`] |
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | macrotask | one callback entered from a phase, or the main script |
//! | tick | a callback in the nextTick queue |
//! | microtask | a promise job, a woken task, or a callback of `queue_microtask` |
//! | drain, checkpoint | emptying both queues behind a macrotask |
//! | turn | of the loop: once through all phases; of a promise: one microtask |
//! | phase | one of pending, poll, check, close, timers |
//! | stalled | nothing can run unless time passes or the outside world answers |
//! | seed | names one way in which the world may answer where Node promises no order |
//! | ref'd | keeps the loop alive while it is pending |
//! | rejected, handled | ended with an error or a panic; polled, reacted to or followed at least once |
//! | remote door | the one way in from other threads |
//!
//! # Testing
//!
//! [`test::run`] runs a test on virtual time, its log remembers where each entry ran, and
//! [`test::explore`] permutes what is *not* guaranteed: [`guide::testing`] has worked tests.
//! [`why_alive`] says at any time what a loop waits for. A loop can live inside of another one:
//! [`EventLoop::turn`], [`EventLoop::poll_timeout`].
//!
//! # The map of the code
//!
//! `event_loop.rs` is the wheel on one screen, `checkpoint.rs` the drain. `phases/` are passive
//! queues that hand out [macrotasks](crate#glossary); `current.rs` is where the API (`schedule.rs`,
//! `promise/`, `time.rs`, `blocking.rs`, `net/`, `fs/`) and the loop meet. `remote.rs` is the door
//! for other threads, `pool.rs` the worker pool, `signals.rs` where signals and the ends of children
//! come from, `teardown.rs` the end of a loop. `entry.rs` is how a run begins and ends. `observers.rs`
//! knows where the loop is and who observes it, `observe.rs` is the way in ([`guide::observing`]);
//! `picture/` draws what it tells. `test/` is the kit for tests of order, `explorer.rs` what decides
//! in an exploration.
//!
//! # Platforms
//!
//! Linux is tested. macOS and Windows are built on the same portable parts (mio, `blocking`) and
//! should compile; nobody tests them.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

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
pub mod recording;
mod runtime;
mod schedule;
#[cfg(unix)]
pub mod signal;
#[cfg(not(unix))]
#[path = "signal/unsupported.rs"]
mod signal;
pub mod test;
pub mod time;
pub mod worker;

pub use abort::{
    AbortController, AbortExt, AbortListener, AbortReason, AbortSignal, Aborted, WithSignal,
};
pub use async_local::AsyncLocalStorage;
pub use blocking::{QueuedWork, queue_work, spawn_blocking};
pub use phases::poll::explorer::{InvalidSeed, Seed};

pub use hooks::rejection::{PanicReason, Reason, Rejection, UnhandledRejection};
pub use hooks::uncaught::Uncaught;
pub use hooks::{
    HookListener, exit, on_before_exit, on_exit, on_rejection_handled, on_uncaught,
    on_unhandled_rejection,
};
pub use observe::active_resource::OperationKind;
pub use observe::why_alive::{BlockedOn, Operation, PendingTask, WhyAlive, why_alive};
pub use promise::{Promise, TryPromise, spawn, spawn_lazy, try_spawn, try_spawn_lazy};
pub use runtime::handle::{
    Handle, KeepAlive, LoopClosed, RemoteError, RemotePromise, handle, keep_alive,
};
pub use runtime::{
    Builder, EntryMode, EventLoop, RunError, Stuck, StuckPolicy, block_on, run, run_script,
};
pub use schedule::yield_now::{YieldNow, yield_now};
pub use schedule::{
    ImmediateHandle, MAX_DELAY, TimeoutHandle, next_tick, queue_microtask, set_immediate,
    set_interval, set_timeout, set_timeout_mut,
};
