//! hyper on the loop: its servers and clients, over any stream of the `futures` traits. Feature
//! `hyper`.
//!
//! | hyper asks for | give it |
//! |---|---|
//! | `rt::Read + rt::Write` | [`HyperIo`] around a [`TcpStream`](crate::net::TcpStream), a TLS stream, … |
//! | `rt::Timer` | [`HyperTimer`] |
//! | `rt::Executor` | [`HyperExecutor`], for futures that need not be `Send` |
//!
//! A server is a task that accepts and a task for each connection, which waits for
//! `hyper::server::conn::http1::Builder::new().timer(HyperTimer::new())
//! .serve_connection(HyperIo::new(stream), service)`. The repository holds complete ones that are
//! tested against Node's clients: `examples/rest` (axum's router, time limits, a graceful end) and
//! `benches/serve`; `examples/http_get` is a client.
//!
//! What hyper does between two of its reads is one poll of the connection's task, a microtask. A
//! readiness event of the poll phase wakes it (R8), so a request that has arrived whole is
//! answered within the drain of that event if its handler waits for nothing.
//!
//! A panic in a handler rejects the promise of its connection's task; like every rejection that
//! nobody handles it ends the run, as in Node, unless
//! [`on_unhandled_rejection`](crate::on_unhandled_rejection) says otherwise or the task catches it.
//!
//! Nothing in here speaks HTTP, starts a thread or knows tokio. (hyper itself uses tokio's
//! channels, which are plain data structures.)

mod io;
mod timer;

use std::fmt;
use std::future::Future;

use ::hyper::rt::Executor;

pub use self::io::HyperIo;
pub use self::timer::HyperTimer;
use crate::promise::spawn_lazy;

/// Spawns what hyper hands out as tasks of the loop that runs on this thread.
///
/// The future need not be `Send`. It is polled for the first time in a microtask of its own
/// ([`spawn_lazy`]), because hyper does not expect that handing it over runs
/// it. Its promise is detached: if it panics, that is an unhandled rejection.
///
/// # Panics
///
/// Executing panics outside of an event loop.
///
/// ```
/// use hyper::rt::Executor;
/// use nodeloop::hyper::HyperExecutor;
///
/// nodeloop::run(async {
///     let (promise, resolver) = nodeloop::promise::with_resolver();
///     HyperExecutor.execute(async move { resolver.resolve("done") });
///     assert_eq!(promise.await, "done");
/// });
/// ```
#[derive(Clone, Copy, Default)]
pub struct HyperExecutor;

impl<F> Executor<F> for HyperExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        drop(spawn_lazy(future));
    }
}

impl fmt::Debug for HyperExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperExecutor")
    }
}
