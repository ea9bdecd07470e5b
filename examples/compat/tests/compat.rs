//! Tests both ways of `src/lib.rs`.

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../tests/common/limit.rs"]
mod limit;
#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../tests/common/postgres.rs"]
mod postgres;
#[path = "../../../tests/common/skip.rs"]
mod skip;

use std::thread;
use std::time::Duration;

use futures::future::try_join;
use nodeloop::net::UnixStream;
use nodeloop::run;
use nodeloop_compat::{connect, with_tokio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error};

/// Queries, parameters, errors and transactions, with a server of its own.
#[test]
fn a_postgres_client_runs_on_the_loop() {
    let _limit = limit::limit_of(Duration::from_secs(60), "it starts a server");
    let Some(cluster) = postgres::Cluster::start() else {
        return;
    };
    let config: Config = cluster.url("postgres").parse().unwrap();
    run(async move {
        limit::watch(nodeloop::Handle::current());
        let stream = UnixStream::connect(cluster.socket()).await.unwrap();
        let (mut client, connection) = connect(stream, &config).await.unwrap();
        let schema = "CREATE TABLE planets (name text PRIMARY KEY, moons integer NOT NULL)";
        client.batch_execute(schema).await.unwrap();

        let insert = "INSERT INTO planets VALUES ($1, $2)";
        for (name, moons) in [("Mercury", 0), ("Earth", 1), ("Mars", 2)] {
            client.execute(insert, &[&name, &moons]).await.unwrap();
        }
        assert_eq!(planets(&client, 1).await.unwrap(), ["Earth", "Mars"]);
        // Two queries on one connection at the same time.
        let both = try_join(planets(&client, 2), planets(&client, 0)).await;
        let all = ["Earth", "Mars", "Mercury"].map(str::to_owned).to_vec();
        assert_eq!(both.unwrap(), (vec!["Mars".to_owned()], all));

        let error = client.simple_query("SELECT * FROM stars").await;
        let code = error.unwrap_err().code().cloned();
        assert_eq!(code, Some(SqlState::UNDEFINED_TABLE));

        let transaction = client.transaction().await.unwrap();
        transaction
            .execute("DELETE FROM planets", &[])
            .await
            .unwrap();
        let error = transaction.execute(insert, &[&"Venus", &None::<i32>]).await;
        let code = error.unwrap_err().code().cloned();
        assert_eq!(code, Some(SqlState::NOT_NULL_VIOLATION));
        drop(transaction); // rolls back
        assert_eq!(planets(&client, 2).await.unwrap(), ["Mars"]);

        drop(client); // ends the connection
        connection.await.unwrap();
    });
}

/// The planets that have at least `moons` moons.
async fn planets(client: &Client, moons: i32) -> Result<Vec<String>, Error> {
    let sql = "SELECT name FROM planets WHERE moons >= $1 ORDER BY name";
    let rows = client.query(sql, &[&moons]).await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

/// tokio's sockets and timers work, and the future is polled on the loop's thread.
#[test]
fn a_future_that_needs_tokio_has_a_runtime() {
    let here = thread::current().id();
    let answer = run(with_tokio(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = nodeloop::spawn(async move {
            let mut stream = nodeloop::net::TcpStream::connect(address).await.unwrap();
            write_hello(&mut stream).await;
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut word = [0; 5];
        stream.read_exact(&mut word).await.unwrap();
        stream.shutdown().await.unwrap();
        client.await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(thread::current().id(), here);
        String::from_utf8(word.to_vec()).unwrap()
    }));
    assert_eq!(answer, "hello");
}

async fn write_hello(stream: &mut nodeloop::net::TcpStream) {
    use tokio_util::compat::FuturesAsyncReadCompatExt;
    stream.compat().write_all(b"hello").await.unwrap();
}
