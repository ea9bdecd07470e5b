//! Tests both ways of `src/lib.rs`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nodeloop::run;
use nodeloop_compat::{query, with_tokio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server is a small one, written in Node.
#[test]
fn a_postgres_client_runs_on_the_loop() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/postgres.mjs");
    let mut command = Command::new("node");
    let Ok(child) = command.arg(script).stdout(Stdio::piped()).spawn() else {
        assert!(
            std::env::var_os("NODELOOP_REQUIRE_NODE").is_none(),
            "`node` is not on the PATH"
        );
        return println!("skipped: `node` is not on the PATH");
    };
    let mut server = Server(child);
    let mut port = String::new();
    let mut output = BufReader::new(server.0.stdout.take().unwrap());
    output.read_line(&mut port).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
    run(async move {
        let planets = query(address, "user", "SELECT name FROM planets").await;
        assert_eq!(planets.unwrap(), ["Mercury", "Venus", "Earth"]);
        let error = query(address, "user", "SELECT name FROM moons")
            .await
            .unwrap_err();
        assert!(
            error.downcast_ref::<tokio_postgres::Error>().is_some(),
            "{error}"
        );
    });
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
