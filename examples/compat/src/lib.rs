//! Crates made for tokio, on the loop.
//!
//! **A crate that accepts any stream of tokio's traits** needs no tokio runtime: `tokio_util::compat`
//! wraps the streams of the loop. All of its code runs on the loop, in the loop's order. [`query`]
//! is a PostgreSQL client of this kind.
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
use std::net::SocketAddr;

use async_compat::Compat;
use nodeloop::net::TcpStream;
use nodeloop::{Promise, spawn};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Queries a PostgreSQL server over a stream of the loop, and returns the first column of each row.
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
    drop(client); // ends the connection
    connection.await?;
    Ok(rows)
}

/// Runs a future that needs a tokio runtime, and keeps the loop alive until it is ready.
pub async fn with_tokio<F: Future>(future: F) -> F::Output {
    let _alive = nodeloop::keep_alive();
    Compat::new(future).await
}
