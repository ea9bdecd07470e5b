//! hyper's server and client on one loop, over TCP and over pairs of Unix sockets.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use nodeloop::hyper::{HyperExecutor, HyperIo, HyperTimer};
use nodeloop::net::{TcpListener, UnixStream};
use nodeloop::time::Instant;
use nodeloop::{EventLoop, block_on, spawn};
use nodeloop_hyper::{LARGE, Seen, connect, empty, full, http, large, large_bytes, request, serve};

/// Several requests are served one after the other on one connection.
#[test]
fn a_server_and_a_client_share_a_loop() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Rc::new(Seen::default());
        spawn(serve(listener, http(), seen.clone())).detach();
        let mut client = connect(port).await;
        for number in 0..3 {
            client.ready().await.unwrap();
            let sent = client.send_request(request("GET", &format!("/number/{number}"), empty()));
            let body = sent.await.unwrap().into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes(), number.to_string());
        }
        client.ready().await.unwrap();
        let sent = client.send_request(request("POST", "/stream", large()));
        let body = sent.await.unwrap().into_body().collect().await.unwrap();
        assert!(body.to_bytes() == large_bytes());
        assert_eq!((seen.connections.get(), seen.requests.get()), (1, 4));
    });
}

/// Vectored writes transfer the same bytes.
#[test]
fn vectored_writes_transfer_the_same_bytes() {
    block_on(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let answer = service_fn(|_| async { Ok::<_, hyper::Error>(Response::new(large())) });
        let http = hyper::server::conn::http1::Builder::new();
        spawn(async move {
            let io = HyperIo::new(ours).vectored();
            http.serve_connection(io, answer).await.unwrap();
        })
        .detach();
        let io = HyperIo::new(theirs).vectored();
        let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        spawn(connection).detach();
        let sent = client.send_request(request("POST", "/", full(large_bytes())));
        let body = sent.await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes().len(), LARGE);
    });
}

/// An incomplete head fails after exactly its time limit. The clock is virtual: it advances to the
/// timer because nothing else is pending.
#[test]
fn an_incomplete_head_times_out() {
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    event_loop
        .run(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let mut http = http();
            http.header_read_timeout(Duration::from_secs(7));
            let answer = service_fn(|_| async { Ok::<_, hyper::Error>(Response::new(empty())) });
            let start = Instant::now();
            theirs.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
            let served = http.serve_connection(HyperIo::new(ours), answer).await;
            let error = served.unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
            assert_eq!(start.elapsed(), Duration::from_secs(7));
            let mut rest = String::new();
            theirs.read_to_string(&mut rest).await.unwrap();
            println!("the client receives: {rest:?}");
        })
        .unwrap();
}

/// After an upgrade, hyper returns the stream on both sides.
#[test]
fn an_upgraded_connection_returns_its_stream() {
    block_on(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        spawn(async move {
            let answer = service_fn(|_| async {
                let mut response = Response::new(Full::new(Bytes::new()));
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let upgrade = hyper::header::HeaderValue::from_static("reverse");
                response
                    .headers_mut()
                    .insert(hyper::header::UPGRADE, upgrade);
                Ok::<_, hyper::Error>(response)
            });
            let http = hyper::server::conn::http1::Builder::new();
            let connection = http.serve_connection(HyperIo::new(ours), answer);
            let parts = connection.without_shutdown().await.unwrap();
            let mut stream = parts.read_buf.chain(parts.io.into_inner());
            let mut word = [0; 5];
            stream.read_exact(&mut word).await.unwrap();
            word.reverse();
            let (_, mut stream) = stream.into_inner();
            stream.write_all(&word).await.unwrap();
        })
        .detach();

        let io = HyperIo::new(theirs);
        let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let connection = spawn(connection.without_shutdown());
        let mut upgrade = request("GET", "/", empty());
        let headers = upgrade.headers_mut();
        headers.insert("connection", "upgrade".parse().unwrap());
        headers.insert("upgrade", "reverse".parse().unwrap());
        let answer = client.send_request(upgrade).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = connection.await.unwrap().io.into_inner();
        stream.write_all(b"hello").await.unwrap();
        let mut reversed = String::new();
        stream.read_to_string(&mut reversed).await.unwrap();
        assert_eq!(reversed, "olleh");
    });
}

/// HTTP/2 uses the executor: every stream is a task, which need not be `Send`.
#[test]
fn http2_runs_its_streams_as_tasks_of_the_loop() {
    block_on(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let not_send = Rc::new(Seen::default());
        let seen = not_send.clone();
        let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
            let seen = seen.clone();
            async move {
                seen.requests.set(seen.requests.get() + 1);
                Ok::<_, hyper::Error>(Response::new(request.into_body().boxed()))
            }
        });
        let mut http = hyper::server::conn::http2::Builder::new(HyperExecutor);
        http.timer(HyperTimer::new());
        let served = http.serve_connection(HyperIo::new(ours), answer);
        spawn(async move {
            let _ = served.await;
        })
        .detach();

        let mut http = hyper::client::conn::http2::Builder::new(HyperExecutor);
        http.timer(HyperTimer::new());
        let (client, connection) = http.handshake(HyperIo::new(theirs)).await.unwrap();
        spawn(async move {
            let _ = connection.await;
        })
        .detach();
        let answers = (0..10).map(|number| {
            let mut client = client.clone();
            spawn(async move {
                let body = full(format!("stream {number}"));
                let request = Request::post("http://localhost/").body(body).unwrap();
                let answer = client.send_request(request).await.unwrap();
                answer.into_body().collect().await.unwrap().to_bytes()
            })
        });
        let answers: Vec<_> = answers.collect();
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await, format!("stream {number}"));
        }
        assert_eq!(not_send.requests.get(), 10);
    });
}
