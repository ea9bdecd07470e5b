//! An async runtime with the event loop of Node.js: one thread, futures treated as promises, and an order
//! of execution that is specified, equals what Node prints, and can be asserted in a unit test.
//!
//! Other runtimes do not specify the order in which tasks run. In this crate **the order is
//! [specified rule by rule](guide::rules) and part of the API.** Errors that no code handles
//! [end the run](guide::errors_and_exit) instead of being lost, and time can be virtual, so that a test
//! neither sleeps nor flakes.
//!
//! # Install
//!
//! ```text
//! cargo add nodeloop
//! ```
//!
//! The [`prelude`] has what most programs need, with the traits of [`futures`] for streams and I/O. The
//! minimum supported Rust version is 1.88.
//!
//! # A program
//!
//! ```
//! use nodeloop::{prelude::*, promise};
//!
//! #[nodeloop::main]
//! async fn main() {
//!     set_timeout(Duration::from_secs(1), || println!("6 timer"));
//!     set_immediate(|| println!("5 immediate"));
//!     queue_microtask(|| println!("3 microtask"));
//!     next_tick(|| println!("2 tick"));
//!     println!("1 main future");
//!     promise::ready(()).await; // exactly one entry of the microtask queue
//!     println!("4 awaited");
//! }
//! ```
//!
//! # A test
//!
//! ```
//! use nodeloop::{prelude::*, test::Test};
//!
//! # /*
//! #[nodeloop::test]
//! # */
//! async fn the_tick_comes_first(t: Test) {
//!     let log = t.log();
//!     set_timeout(Duration::from_secs(3600), log.callback("timer")); // virtual: takes no time
//!     set_immediate(log.callback("immediate"));
//!     next_tick(log.callback("tick"));
//!     t.until_idle().await;
//!     log.assert_order(["tick", "immediate", "timer"]);
//! }
//! # nodeloop::test::run(the_tick_comes_first);
//! ```
//!
//! # Guides
//!
//! | to | read |
//! |---|---|
//! | start | [getting started](guide::getting_started), coming [from tokio](guide::coming_from_tokio) or [from Node](guide::coming_from_node), the [examples](mod@guide::examples) |
//! | understand the order | [the event loop](guide::event_loop), its [rules](mod@guide::rules), how [exact](guide::exactness) they are, and what is [eager or lazy](guide::eager_and_lazy) |
//! | look something up | the [cookbook](mod@guide::cookbook) of crates that fit, [errors and exit](guide::errors_and_exit), [performance](mod@guide::performance), [limits and questions](guide::limits_and_faq) |
//! | find a fault | [tests of order](mod@guide::testing), a [simulated world](mod@guide::world), the [flight recorder](mod@guide::flight_recorder), [observing a loop](mod@guide::observing), a [recording](mod@guide::recording) of a run |
//! | host a JavaScript engine | [embedding an engine](guide::embedding) |
//! | change the crate | its [architecture](mod@guide::architecture) |
//!
//! # Modules
//!
//! | for | use |
//! |---|---|
//! | running a loop | [`run`], [`block_on`], [`EventLoop`]; [`exit`], [`on_exit`] and the other hooks |
//! | tasks and promises | [`spawn`], [`try_spawn`], [`TaskGroup`], [`promise`] |
//! | callbacks | [`next_tick`], [`queue_microtask`], [`set_timeout`], [`set_interval`], [`set_immediate`] |
//! | time in `async` code | [`time`], [`yield_now`] |
//! | events with listeners | [`events`] |
//! | sockets, files, standard streams | [`net`], [`fs`], [`io`] |
//! | children and signals | [`process`], [`signal`] |
//! | calls that block, other threads | [`spawn_blocking`], [`queue_work`], [`worker`], [`Handle`] |
//! | cancellation, context | [`AbortController`], [`AsyncLocalStorage`] |
//! | hosting a JavaScript engine | [`host`] |
//! | tests | [`test`](mod@test) |
//! | what happens, and what keeps the loop alive | [`observe`], [`recording`], [`why_alive`] |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `macros` | yes | `#[nodeloop::main]` and `#[nodeloop::test]`; `join!` and `select!` in the [`prelude`] |
//! | `recording` | yes | `recording`: a run as a page that replays it, or as a trace for Perfetto |
//! | `hyper` | no | `hyper`: `serve` for services of hyper and axum, and adapters for clients |
//! | `tracing` | no | `observe::Traced`: spans and events of the `tracing` crate |
//!
//! Features only add API. They never change the order in which anything runs.
//!
//! # Platforms
//!
//! All tests run on Linux. Those of the default features that have a meaning on Windows also run under Wine,
//! without those of the documentation. For macOS, the crate is checked to compile.
//! [Limits](guide::limits_and_faq) names what is missing on Windows, and
//! [exactness](guide::exactness#windows) what differs there.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc(test(attr(deny(unused_must_use))))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations, unreachable_pub)]

#[cfg(test)]
extern crate self as nodeloop; // the name by which the helpers of `tests/common` call it

mod abort;
mod async_local;
mod blocking;
mod event_loop;
pub mod events;
pub mod flight_recorder;
pub mod fs;
pub mod guide;
mod hooks;
pub mod host;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod io;
pub mod net;
pub mod observe;
mod phases;
pub mod prelude;
pub mod process;
pub mod promise;
mod reactor;
#[cfg(feature = "recording")]
pub mod recording;
mod runtime;
mod schedule;
pub mod signal;
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

/// The `async-task` crate, whose runnables [`Handle::schedule`] accepts.
#[doc(no_inline)]
pub use async_task;

/// The `futures` crate, whose traits the types of this crate implement.
///
/// A program that uses it through this path has the right version, and needs no other dependency, except
/// for `futures::executor`, which this build of it does not contain. The [`prelude`] has
/// the traits that most programs need.
#[doc(no_inline)]
pub use futures;

pub use abort::{AbortController, AbortExt, AbortReason, AbortSignal, Aborted, WithSignal};
pub use async_local::{AsyncLocalStorage, AsyncSnapshot};
pub use blocking::{QueuedWork, queue_work, spawn_blocking, try_spawn_blocking};
pub use phases::poll::delivery::{InvalidSeed, Seed};

pub use event_loop::release::NodeRelease;
pub use hooks::listener::Listener;
pub use hooks::rejection::{MainError, PanicReason, Reason, Rejection};
pub use hooks::uncaught::{PanicPayload, Uncaught, UncaughtOrigin};
pub use hooks::unhandled::{UnhandledReason, UnhandledRejection};
pub use hooks::warning::Warning;
pub use hooks::{
    emit_warning, exit, exit_code, on_before_exit, on_exit, on_rejection_handled, on_uncaught,
    on_unhandled_rejection, on_warning, set_exit_code,
};
pub use observe::active_resource::ResourceKind;
pub use observe::why_alive::{ActiveResource, BlockedOn, PendingTask, WhyAlive, why_alive};
#[doc(inline)]
pub use promise::{Promise, TryPromise, spawn, spawn_lazy, try_spawn, try_spawn_lazy};
pub use runtime::handle::{
    Handle, KeepAlive, LoopClosed, RemoteError, RemotePromise, ScheduleError, TryCurrentError,
    keep_alive,
};
pub use runtime::{
    Builder, EntryMode, EventLoop, LocalSpawner, MainOutput, RunError, Stuck, StuckPolicy,
    block_on, run, run_script,
};
pub use schedule::yield_now::{YieldNow, yield_now};
pub use schedule::{
    ImmediateHandle, MAX_DELAY, TimeoutHandle, next_tick, queue_microtask, set_immediate,
    set_interval, set_timeout, set_timeout_mut,
};
#[doc(inline)]
pub use task_group::TaskGroup;
