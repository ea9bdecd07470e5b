//! Adapters that run hyper's servers and clients on the loop, over any stream that implements the
//! `futures` I/O traits. Requires the feature `hyper`.
//!
//! | trait of hyper | adapter |
//! |---|---|
//! | `rt::Read + rt::Write` | [`HyperIo`] around a [`TcpStream`](crate::net::TcpStream), a TLS stream, … |
//! | `rt::Timer` | [`HyperTimer`] |
//! | `rt::Executor` | [`HyperExecutor`], for futures that need not be `Send` |
//!
//! A server is a task that accepts connections, and one task for each connection, which awaits
//! `hyper::server::conn::http1::Builder::new().timer(HyperTimer::new())
//! .serve_connection(HyperIo::new(stream), service)`. The repository has complete programs that are
//! tested with Node's clients: `examples/rest` (axum's router, time limits, graceful shutdown),
//! `benches/serve`, and the client `examples/http_get`.
//!
//! Between two reads, hyper does its work in one poll of the connection's task, which is a
//! microtask. A readiness event of the poll phase wakes that task (R8), so a request that has
//! arrived completely is answered within the drain of that event if its handler does not wait.
//!
//! A panic in a handler rejects the promise of its connection's task. As in Node, an unhandled
//! rejection ends the run, unless the task catches it or a listener was added with
//! [`on_unhandled_rejection`](crate::on_unhandled_rejection).
//!
//! Nothing here implements HTTP, starts a thread or uses a tokio runtime. (hyper itself uses
//! tokio's channels, which do not need one.)

mod io;
mod timer;

use std::fmt;
use std::future::Future;

use ::hyper::rt::Executor;

pub use self::io::HyperIo;
pub use self::timer::HyperTimer;
use crate::promise::spawn_lazy;

/// Spawns hyper's futures as tasks of the current event loop.
///
/// A future need not be `Send`. It is first polled in its own microtask ([`spawn_lazy`]), because
/// hyper does not expect `execute` to poll it. Its promise is detached, so a panic is an unhandled
/// rejection.
///
/// # Panics
///
/// `execute` panics if called outside of an event loop.
///
/// # Examples
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
