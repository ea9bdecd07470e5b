//! Node's clients with hyper's server on the loop, and hyper's client with Node's server.

use std::rc::Rc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use nodeloop::net::TcpListener;
use nodeloop::{block_on, spawn, spawn_blocking};
use nodeloop_hyper::{
    LARGE, NodeServer, Seen, answer, connect, connect_and_keep, empty, full, has_node, http, large,
    large_bytes, request, run_node, serve,
};

#[test]
fn node_clients_receive_the_expected_responses() {
    if !has_node() {
        return;
    }
    let (report, seen) = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Rc::new(Seen::default());
        spawn(serve(listener, http(), seen.clone())).detach();
        let report = spawn_blocking(move || run_node("client.mjs", &[port.to_string()])).await;
        (report, seen)
    });
    check(&report, &seen);
}

/// The same with `nodeloop::hyper::serve`, with and without support for upgrades.
#[test]
fn node_clients_receive_the_expected_responses_of_serve() {
    if !has_node() {
        return;
    }
    for has_upgrades in [false, true] {
        let (report, seen) = block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let seen = Rc::new(Seen::default());
            let shared = seen.clone();
            let service = service_fn(move |request| answer(request, shared.clone()));
            let server = nodeloop::hyper::serve(listener, service);
            let server = spawn(match has_upgrades {
                true => server.with_upgrades(),
                false => server,
            });
            let report = spawn_blocking(move || run_node("client.mjs", &[port.to_string()])).await;
            drop(server);
            (report, seen)
        });
        check(&report, &seen);
    }
}

fn check(report: &serde_json::Value, seen: &Seen) {
    assert_eq!(report["keepAlive"], 1, "one connection serves all requests");
    assert_eq!(report["large"], LARGE);
    assert_eq!(report["fetch"], true);
    assert_eq!(report["pipelined"], "1234", "responses arrive in order");
    assert_eq!(seen.broken.get(), 1, "the aborted request was detected");
}

#[test]
fn node_server_receives_the_expected_requests() {
    if !has_node() {
        return;
    }
    let server = NodeServer::start("server.mjs");
    let port = server.port;
    block_on(async move {
        let mut client = connect(port).await;
        for path in ["/stream", "/whole"] {
            let bodies = [full("short"), large(), full(large_bytes()), empty()];
            let expected = ["short".into(), large_bytes(), large_bytes(), "".into()];
            for (body, expected) in bodies.into_iter().zip(expected) {
                client.ready().await.unwrap();
                let sent = client.send_request(request("POST", path, body));
                let answer = sent.await.unwrap().into_body().collect().await.unwrap();
                assert!(answer.to_bytes() == expected, "{path} changes a body");
            }
        }
        client.ready().await.unwrap();
        let answer = client.send_request(request("GET", "/large", empty()));
        let body = answer.await.unwrap().into_body().collect().await.unwrap();
        assert!(body.to_bytes() == large_bytes());

        // The server closes the connection in the middle of its response.
        client.ready().await.unwrap();
        let answer = client.send_request(request("GET", "/half", empty()));
        let error = answer
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap_err();
        assert!(format!("{error:?}").contains("IncompleteBody"), "{error:?}");

        // The client aborts in the middle of its body, after its first chunk was echoed.
        let (mut client, connection) = connect_and_keep(port).await;
        let first = Ok(Frame::data(Bytes::from_static(b"first chunk")));
        let chunks = stream::iter([first]).chain(stream::pending());
        let body = BodyExt::boxed(StreamBody::new(chunks));
        let answer = client.send_request(request("POST", "/stream", body));
        let echo = answer.await.unwrap().into_body().frame().await;
        assert_eq!(echo.unwrap().unwrap().into_data().unwrap(), "first chunk");
        connection.settled().abort();

        let mut client = connect(port).await;
        let answer = client.send_request(request("GET", "/when-aborted", empty()));
        let body = answer.await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "aborted");
    });
    let report = server.end();
    // The first connection has served ten requests and was closed during the last.
    assert_eq!(report["connections"], 3);
    assert_eq!(report["requests"], 12);
    assert_eq!(report["aborted"], 1);
}
