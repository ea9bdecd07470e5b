//! hyper's server and client on two hosts of a simulated world: nothing in them changes.

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../common/limit.rs"]
mod limit;

use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use limit::limit;
use nodeloop::hyper::{HyperExecutor, HyperIo, HyperTimer};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::spawn;
use nodeloop::test::World;
use nodeloop_hyper::{Seen, answer, empty, http, large, large_bytes, request, serve};

const SECOND: Duration = Duration::from_secs(1);

/// A request of two megabytes is echoed while it arrives, although nothing passes for three seconds.
#[test]
fn a_body_survives_a_partition() {
    let _limit = limit();
    let world = World::builder()
        .latency(5 * SECOND / 1000..=5 * SECOND / 1000)
        .bandwidth(10_000_000)
        .build();
    world.host("server").serve(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        serve(listener, http(), Rc::new(Seen::default())).await
    });
    let log = world.log();
    world.host("client").run(async move || {
        let stream = TcpStream::connect("server:80").await.unwrap();
        let (mut client, connection) = http1::handshake(HyperIo::new(stream)).await.unwrap();
        spawn(connection).detach();
        let sent = client.send_request(request("GET", "/number/7", empty()));
        let body = sent.await.unwrap().into_body().collect().await.unwrap();
        log.add(format!("number {}", body.to_bytes()[0] - b'0'));
        client.ready().await.unwrap();
        let sent = client.send_request(request("POST", "/stream", large()));
        let body = sent.await.unwrap().into_body().collect().await.unwrap();
        assert!(body.to_bytes() == large_bytes());
        log.add("echoed");
    });
    world.at(SECOND / 10, |world| world.partition("client", "server"));
    world.at(3 * SECOND, |world| world.heal("client", "server"));
    world.run();
    world.log().assert_order(["number 7", "echoed"]);
    assert!(world.now() > 3 * SECOND, "{:?}", world.now());
}

/// The server of HTTP/1 closes a connection whose head does not arrive, at exactly its time limit.
#[test]
fn a_silent_client_is_closed_at_the_time_limit() {
    let _limit = limit();
    let world = World::new();
    world.host("server").serve(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let mut http = http();
        http.header_read_timeout(30 * SECOND);
        serve(listener, http, Rc::new(Seen::default())).await
    });
    world.host("client").run(async || {
        use futures::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    });
    world.run();
    // Three packets of the handshake before the limit starts, and the end of the stream.
    assert_eq!(world.now(), 30 * SECOND + 4 * SECOND / 1000);
}

#[test]
fn http2_has_its_streams_on_one_connection() {
    let _limit = limit();
    let world = World::new();
    world.host("server").serve(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let seen = Rc::new(Seen::default());
        let answer = hyper::service::service_fn(move |request| answer(request, seen.clone()));
        let mut http = hyper::server::conn::http2::Builder::new(HyperExecutor);
        http.timer(HyperTimer::new());
        http.serve_connection(HyperIo::new(stream), answer)
            .await
            .unwrap();
    });
    world.host("client").run(async || {
        let stream = TcpStream::connect("server:80").await.unwrap();
        let mut http = http2::Builder::new(HyperExecutor);
        http.timer(HyperTimer::new());
        let (client, connection) = http.handshake(HyperIo::new(stream)).await.unwrap();
        spawn(async move { drop(connection.await) }).detach();
        let numbers = (0..10).map(|number| {
            let mut client = client.clone();
            async move {
                let get = request("GET", &format!("http://server/number/{number}"), empty());
                let body = client.send_request(get).await.unwrap().into_body();
                body.collect().await.unwrap().to_bytes()
            }
        });
        let numbers = futures::future::join_all(numbers).await;
        for (number, body) in numbers.iter().enumerate() {
            assert_eq!(body, number.to_string().as_bytes());
        }
    });
    world.run();
}
