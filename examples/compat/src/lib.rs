//! Crates made for tokio, on the loop.
//!
//! **A crate that takes any stream of tokio's traits** needs no tokio runtime:
//! `tokio_util::compat` turns our streams into such, a plain wrapper around them. Everything stays
//! on the loop, and so does its order. [`query`] is a PostgreSQL client like that.
//!
//! **A crate that needs tokio's runtime** (it opens tokio's sockets, sleeps with tokio's timers,
//! or calls `tokio::spawn`) gets one from `async_compat::Compat`: a runtime for the whole process,
//! on a thread of its own, started with the first use. The future is still polled by the loop; what
//! that runtime wakes comes through the remote door as a macrotask of the poll phase, so there is
//! no promised order between two of those. Such a wait does not keep the loop alive by itself: it
//! is one for another thread, so hold a [`keep_alive`](nodeloop::keep_alive) token if nothing else
//! does, as in [`with_tokio`].
//!
//! Prefer the first way. A crate that asks its streams or futures to be `Send` can only go the
//! second.

use std::future::Future;
use std::net::SocketAddr;

use async_compat::Compat;
use nodeloop::net::TcpStream;
use nodeloop::{Promise, spawn};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Asks a PostgreSQL server, over a stream of the loop; the first column of every row.
pub async fn query(
    server: SocketAddr,
    user: &str,
    sql: &str,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(server).await?;
    let mut config = Config::new();
    config.user(user);
    let (client, connection) = config.connect_raw(stream.compat(), NoTls).await?;
    let connection: Promise<_> = spawn(connection);
    let messages = client.simple_query(sql).await?;
    let column = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    };
    let rows = messages.into_iter().filter_map(column).collect();
    drop(client); // which tells the connection to end
    connection.await?;
    Ok(rows)
}

/// Runs a future that needs tokio's runtime, and keeps the loop alive meanwhile.
pub async fn with_tokio<F: Future>(future: F) -> F::Output {
    let _alive = nodeloop::keep_alive();
    Compat::new(future).await
}
