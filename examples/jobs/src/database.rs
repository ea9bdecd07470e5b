//! A connection to PostgreSQL over a stream of the loop, and the notifications that it receives.
//!
//! `tokio_postgres` accepts any stream of tokio's traits, so it needs no tokio runtime. Its
//! connection is a future of its own, which moves the messages; here it is a task of the loop.

use std::future::poll_fn;

use futures::channel::mpsc;
use futures::future::Either;
use nodeloop::net::{TcpStream, UnixStream};
use nodeloop::{Promise, spawn};
use tokio_postgres::config::Host;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use crate::Error;

/// A connection.
pub struct Database {
    /// Sends statements. The connection ends after it is dropped.
    pub client: Client,
    /// Yields an item after one or more notifications, and ends with the connection.
    pub notifications: mpsc::Receiver<()>,
    /// Settles when the connection has ended.
    pub connection: Promise<Result<(), tokio_postgres::Error>>,
}

/// Connects to the server and database of a connection string, such as
/// `host=/var/run/postgresql user=me dbname=jobs` or `postgres://me:secret@localhost/jobs`.
///
/// # Errors
///
/// Returns an error if the string has no host, or if the server does not accept the connection.
pub async fn connect(url: &str) -> Result<Database, Error> {
    let config: Config = url.parse()?;
    let host = config
        .get_hosts()
        .first()
        .ok_or("the database has no host")?;
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let stream = match host {
        Host::Tcp(name) => Either::Left(TcpStream::connect((&**name, port)).await?),
        Host::Unix(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{port}"));
            Either::Right(UnixStream::connect(socket).await?)
        }
    };
    let (client, mut connection) = config.connect_raw(stream.compat(), NoTls).await?;
    // There is room for one item: a notification that finds the channel full is part of that item.
    let (mut notify, notifications) = mpsc::channel(0);
    let connection = spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            match message? {
                AsyncMessage::Notification(_) => drop(notify.try_send(())),
                AsyncMessage::Notice(notice) if notice.severity() == "WARNING" => {
                    eprintln!("{notice}");
                }
                _ => {}
            }
        }
        Ok(())
    });
    Ok(Database {
        client,
        notifications,
        connection,
    })
}
