//! The service, unchanged, on a host of a simulated world.

use std::io;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::TcpStream;
use nodeloop::test::World;
use nodeloop_rest::{Settings, serve};

const SECOND: Duration = Duration::from_secs(1);

async fn ask(method: &str, path: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect("notes:80").await?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: notes\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok(format!("{status} {body}").trim_end().to_owned())
}

/// A note is created over a slow network, the network is gone for a while, and the process restarts with
/// an empty database in memory.
#[test]
fn a_client_meets_a_slow_network_a_partition_and_a_restart() {
    let world = World::builder().latency(SECOND / 10..=SECOND / 10).build();
    world.host("notes").serve(async || {
        let settings = Settings {
            address: "0.0.0.0:80".to_owned(),
            log: false,
            ..Settings::default()
        };
        serve(settings).await
    });
    let log = world.log();
    world.host("client").run(async move || {
        let note = r#"{"title": "milk", "text": "two bottles"}"#;
        let created = ask("POST", "/notes", note).await?;
        assert!(created.starts_with("201 "), "{created}");
        log.add("created");
        nodeloop::time::sleep(SECOND).await; // the network is gone when this ends
        let read = ask("GET", "/notes", "").await?;
        assert!(read.contains("two bottles"), "{read}");
        log.add("read");
        nodeloop::time::sleep(20 * SECOND).await; // the service has restarted when this ends
        log.add(ask("GET", "/notes", "").await?);
        io::Result::Ok(())
    });
    world.at(SECOND, |world| world.partition("client", "notes"));
    world.at(4 * SECOND, |world| world.heal("client", "notes"));
    world.at(10 * SECOND, |world| world.host("notes").crash());
    world.at(11 * SECOND, |world| world.host("notes").restart());
    world.run();
    world.log().assert_order(["created", "read", "200 []"]);
    assert!(world.now() > 21 * SECOND, "{:?}", world.now());
}
