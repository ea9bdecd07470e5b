//! HTTP servers and clients on the loop, with hyper. Requires the feature `hyper`.
//!
//! [`serve`] serves a service of hyper or tower, such as axum's router, on the connections of a
//! listener, with time limits and graceful shutdown:
//!
//! ```no_run
//! use hyper::{Request, Response, body::Incoming, service::service_fn};
//! use nodeloop::{hyper::serve, net::TcpListener};
//! use std::{convert::Infallible, io};
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("Hello, World!".to_owned()))
//! }
//!
//! fn main() -> io::Result<()> {
//!     nodeloop::run(async {
//!         let listener = TcpListener::bind("127.0.0.1:8080").await?;
//!         serve(listener, service_fn(hello)).await
//!     })
//! }
//! ```
//!
//! # Adapters
//!
//! Everything else of hyper and hyper-util runs on the loop through these adapters, over any stream
//! that implements the `futures` I/O traits:
//!
//! | trait of hyper | adapter |
//! |---|---|
//! | `rt::Read + rt::Write` | [`HyperIo`] around a [`TcpStream`](crate::net::TcpStream), a TLS stream, … |
//! | `rt::Read + rt::Write + Send` | [`Local`] around a [`HyperIo`] |
//! | `rt::Timer` | [`HyperTimer`] |
//! | `rt::Executor` | [`HyperExecutor`], for futures that need not be `Send` |
//!
//! [`FuturesIo`] is the reverse of `HyperIo`: it gives a stream of hyper, such as an upgraded
//! connection, the `futures` traits.
//!
//! The streams, promises and futures of the loop are not `Send`, and nothing requires it of the
//! services and bodies that [`serve`] accepts. Some crates do: axum of the futures of its handlers,
//! hyper of a stream that it upgrades, hyper-util's pooled client of its connections. [`Local`] makes
//! a value `Send` and checks at run time that it stays on its thread.
//!
//! The repository has complete programs that are tested with curl and Node: `examples/json_service`
//! (axum's router in ten lines, and a JSON service), `examples/rest` (time limits, a log, SQLite),
//! `examples/http_client` (hyper-util's client with a pool of connections), `examples/http_get` (a
//! client for one request), `examples/tls` (HTTPS), `examples/websocket`, and `benches/serve`.
//!
//! # Order
//!
//! Between two reads, hyper does its work in one poll of the connection's task, which is a
//! microtask. A readiness event of the poll phase wakes that task (R8), so a request that has
//! arrived completely is answered within the drain of that event if its handler does not wait.
//!
//! A panic in a handler rejects the promise of its connection's task. As in Node, an unhandled
//! rejection ends the run, unless the task catches it or a listener was added with
//! [`on_unhandled_rejection`](crate::on_unhandled_rejection).
//!
//! # Dependencies
//!
//! Nothing here implements HTTP, starts a thread or uses a tokio runtime. (hyper itself uses
//! tokio's channels, which do not need one.)

mod futures_io;
mod io;
mod local;
mod serve;
mod timer;

use std::future::Future;

use ::hyper::rt::Executor;

pub use self::futures_io::FuturesIo;
pub use self::io::HyperIo;
pub use self::local::Local;
pub use self::serve::{
    Handshake, HyperKind, IntoService, NoHandshake, PeerAddress, Serve, ServeError, TowerKind,
    serve,
};
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
#[derive(Debug, Clone, Copy, Default)]
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
