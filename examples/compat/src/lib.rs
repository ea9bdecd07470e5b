//! Crates made for tokio, on the loop.
//!
//! **A crate that accepts any stream of tokio's traits** needs no tokio runtime: `tokio_util::compat`
//! wraps the streams of the loop. All of its code runs on the loop, in the loop's order. [`connect`]
//! is a PostgreSQL client of this kind; the package `jobs` is a whole program with it.
//!
//! **A crate that needs a tokio runtime** (it opens tokio's sockets, uses tokio's timers, or calls
//! `tokio::spawn`) gets one from `async_compat::Compat`: one runtime for the process, on its own
//! thread, started on first use. The loop still polls the future. Wake-ups from that runtime are
//! messages of another thread, each a macrotask of the poll phase, and their relative order is not
//! specified. Such a wait does not keep the loop alive, so hold a
//! [`keep_alive`](nodeloop::keep_alive) token if nothing else does, as in [`with_tokio`].
//!
//! Prefer the first way. A crate that requires streams or futures to be `Send` needs the second.

use std::future::Future;

use async_compat::Compat;
use futures::io::{AsyncRead, AsyncWrite};
use nodeloop::{Promise, spawn};
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Connects a PostgreSQL client over a stream of the loop, which is a TCP connection or a Unix
/// domain socket.
///
/// The promise settles when the connection has ended, which it does after the client is dropped.
///
/// # Errors
///
/// Returns an error if the server refuses the connection.
pub async fn connect<S>(
    stream: S,
    config: &Config,
) -> Result<(Client, Promise<Result<(), Error>>), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (client, connection) = config.connect_raw(stream.compat(), NoTls).await?;
    // The client's methods send messages to this task and await its answers.
    Ok((client, spawn(connection)))
}

/// Runs a future that needs a tokio runtime, and keeps the loop alive until it is ready.
pub async fn with_tokio<F: Future>(future: F) -> F::Output {
    let _alive = nodeloop::keep_alive();
    Compat::new(future).await
}
