//! `serve`: graceful shutdown, limits, errors, upgrades. Clients are sockets of the same loop, over
//! Unix sockets if time matters: what one side writes, the other side can read at once, so virtual
//! time advances exactly to the limit that is tested.

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../common/limit.rs"]
mod limit;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::FusedFuture;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use limit::{limit, watch};
use nodeloop::hyper::{FuturesIo, HyperIo, Local, PeerAddress, ServeError, serve};
use nodeloop::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use nodeloop::time::{Instant, sleep};
use nodeloop::{EventLoop, RunError, spawn};
use nodeloop_hyper::{Body, full};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// What Node's server sends, too, to a client that is silent or stops within a head.
const TIMED_OUT: &str = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

/// Runs a test on virtual time, under the time limit.
fn on_virtual_time<F: Future<Output = ()> + 'static>(test: F) {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    watch(event_loop.handle());
    event_loop.block_on(test).unwrap();
}

/// A listener in a folder of its own, and a function that connects to it.
struct Server {
    folder: TempDir,
}

impl Server {
    fn bind() -> (Server, UnixListener) {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        (Server { folder }, listener)
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.folder.path().join("socket")).await
    }
}

/// Reads one response with a `content-length`.
async fn response(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    let mut length = None;
    while length.is_none_or(|length| text.len() < length) {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "the connection ended in the response: {text:?}");
        text += std::str::from_utf8(&bytes[..read]).unwrap();
        if let Some(head) = text.find("\r\n\r\n") {
            let value = text.split("content-length: ").nth(1).unwrap();
            let value = value.lines().next().unwrap();
            length = Some(head + 4 + value.parse::<usize>().unwrap());
        }
    }
    text
}

/// Reads until the server closes the connection.
async fn rest(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn hello(_: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(full("hello")))
}

/// Answers after an hour.
async fn slow(_: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    sleep(3600 * SECOND).await;
    Ok(Response::new(full("slow")))
}

/// The errors of a server as text.
type Log = Rc<RefCell<Vec<&'static str>>>;

/// Returns a log, and a listener that fills it.
fn errors<A>() -> (Log, impl Fn(ServeError<A>) + 'static) {
    let log = Log::default();
    let lines = log.clone();
    let listener = move |error: ServeError<A>| {
        let kind = match error {
            ServeError::Accept(_) => "accept",
            ServeError::Connection(..) => "connection",
            ServeError::Handshake(..) => "handshake",
            ServeError::HeaderTimeout(_) => "header timeout",
            ServeError::Aborted(_) => "aborted",
            _ => "another",
        };
        lines.borrow_mut().push(kind);
    };
    (log, listener)
}

#[test]
fn an_idle_connection_is_closed_after_the_keep_alive_timeout() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (log, on_error) = errors();
        let _server = spawn(serve(listener, service_fn(hello)).on_error(on_error));
        let mut client = server.connect().await.unwrap();
        for pause in [0, 4, 4] {
            sleep(pause * SECOND).await; // each request starts the limit anew
            client.write_all(GET).await.unwrap();
            assert!(response(&mut client).await.ends_with("hello"));
        }
        let start = Instant::now();
        assert_eq!(rest(&mut client).await, "");
        assert_eq!(start.elapsed(), 5 * SECOND);
        assert!(log.borrow().is_empty(), "an idle connection is no error");
    });
}

/// The limit counts from the first byte of a head; for the first head, from the connection.
#[test]
fn a_head_has_a_time_limit() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (log, on_error) = errors();
        let _server = spawn(serve(listener, service_fn(hello)).on_error(on_error));
        let start = Instant::now();
        let mut silent = server.connect().await.unwrap();
        let mut second = server.connect().await.unwrap();
        second.write_all(GET).await.unwrap();
        response(&mut second).await;
        sleep(3 * SECOND).await;
        second.write_all(b"GET / HT").await.unwrap();
        sleep(30 * SECOND).await;
        second.write_all(b"TP/1.1\r\n").await.unwrap(); // more bytes do not extend the limit
        assert_eq!(rest(&mut silent).await, TIMED_OUT);
        assert_eq!(start.elapsed(), 60 * SECOND);
        assert_eq!(rest(&mut second).await, TIMED_OUT);
        assert_eq!(start.elapsed(), 63 * SECOND);
        assert_eq!(*log.borrow(), ["header timeout", "header timeout"]);
    });
}

#[test]
fn limits_can_be_set_and_removed() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let server_future = serve(listener, service_fn(hello))
            .header_timeout(None)
            .keep_alive_timeout(100 * SECOND);
        let _server = spawn(server_future);
        let start = Instant::now();
        let mut client = server.connect().await.unwrap();
        sleep(3600 * SECOND).await;
        client.write_all(GET).await.unwrap();
        response(&mut client).await;
        rest(&mut client).await;
        assert_eq!(start.elapsed(), 3700 * SECOND);

        let (server, listener) = Server::bind();
        let server_future = serve(listener, service_fn(hello)).keep_alive_timeout(Duration::ZERO);
        let _server = spawn(server_future);
        let mut client = server.connect().await.unwrap();
        for _ in 0..2 {
            client.write_all(GET).await.unwrap();
            response(&mut client).await;
            sleep(3600 * SECOND).await;
        }
    });
}

/// Neither a slow handler nor a slow body makes a connection idle.
#[test]
fn a_request_in_progress_has_no_limit() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let slow_body = service_fn(|request: Request<Incoming>| async move {
            if request.uri() == "/handler" {
                return slow(request).await;
            }
            let chunks = stream::iter(["one", "two"]).then(|chunk| async move {
                sleep(3600 * SECOND).await;
                Ok::<_, hyper::Error>(Frame::data(Bytes::from(chunk)))
            });
            // `Body` must be `Send`, and the sleep is not.
            Ok(Response::new(BodyExt::boxed(StreamBody::new(Local::new(
                chunks,
            )))))
        });
        let _server = spawn(serve(listener, slow_body));
        let mut client = server.connect().await.unwrap();
        let start = Instant::now();
        let get = "GET /handler HTTP/1.1\r\nhost: x\r\n\r\n";
        client.write_all(get.as_bytes()).await.unwrap();
        assert!(response(&mut client).await.ends_with("slow"));
        assert_eq!(start.elapsed(), 3600 * SECOND);
        client.write_all(GET).await.unwrap();
        let body = rest(&mut client).await; // until the connection is idle for five seconds
        assert!(
            body.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
            "{body}"
        );
        assert_eq!(start.elapsed(), 3 * 3600 * SECOND + 5 * SECOND);
    });
}

#[test]
fn graceful_shutdown_lets_open_requests_finish() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (log, on_error) = errors();
        let (stop, stopped) = oneshot::channel::<()>();
        let answer = service_fn(|request: Request<Incoming>| async move {
            if request.uri() == "/slow" {
                sleep(3 * SECOND).await;
            }
            hello(request).await
        });
        let server_future = serve(listener, answer)
            .with_graceful_shutdown(stopped.map(drop))
            .on_error(on_error);
        let ended = spawn(server_future);
        let mut silent = server.connect().await.unwrap();
        let mut idle = server.connect().await.unwrap();
        idle.write_all(GET).await.unwrap();
        response(&mut idle).await;
        let mut busy = server.connect().await.unwrap();
        let get = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
        busy.write_all(get.repeat(2).as_bytes()).await.unwrap();
        sleep(SECOND).await;

        let start = Instant::now();
        stop.send(()).unwrap();
        assert_eq!(rest(&mut idle).await + &rest(&mut silent).await, "");
        assert_eq!(start.elapsed(), Duration::ZERO, "both are closed at once");
        let refused = server.connect().await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let answers = rest(&mut busy).await;
        assert_eq!(answers.matches("200 OK").count(), 1, "{answers}");
        assert!(answers.contains("connection: close"), "{answers}");
        assert!(answers.ends_with("hello"), "{answers}");
        ended.await.unwrap();
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert!(log.borrow().is_empty(), "{log:?}");
    });
}

#[test]
fn a_shutdown_has_a_time_limit() {
    on_virtual_time(async {
        for (limit, seconds) in [(None, 10), (Some(2 * SECOND), 2)] {
            let (server, listener) = Server::bind();
            let (log, on_error) = errors();
            let (stop, stopped) = oneshot::channel::<()>();
            let mut server_future = serve(listener, service_fn(slow))
                .with_graceful_shutdown(stopped.map(drop))
                .on_error(on_error);
            if let Some(limit) = limit {
                server_future = server_future.shutdown_timeout(limit);
            }
            let ended = spawn(server_future);
            let mut client = server.connect().await.unwrap();
            client.write_all(GET).await.unwrap();
            sleep(SECOND).await;
            let start = Instant::now();
            stop.send(()).unwrap();
            ended.await.unwrap();
            assert_eq!(start.elapsed(), seconds * SECOND);
            assert_eq!(rest(&mut client).await, "");
            assert_eq!(*log.borrow(), ["aborted"]);
        }
    });
}

#[test]
fn a_shutdown_without_a_time_limit_waits() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (stop, stopped) = oneshot::channel::<()>();
        let server_future = serve(listener, service_fn(slow))
            .with_graceful_shutdown(stopped.map(drop))
            .shutdown_timeout(None);
        let ended = spawn(server_future);
        let mut client = server.connect().await.unwrap();
        client.write_all(GET).await.unwrap();
        sleep(SECOND).await;
        stop.send(()).unwrap();
        assert!(rest(&mut client).await.ends_with("slow"));
        ended.await.unwrap();
    });
}

/// Dropping the future closes the listener and ends every connection.
#[test]
fn a_dropped_server_aborts_its_connections() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (log, on_error) = errors();
        let mut server_future = serve(listener, service_fn(slow)).on_error(on_error);
        let mut client = server.connect().await.unwrap();
        client.write_all(GET).await.unwrap();
        assert!((&mut server_future).now_or_never().is_none()); // accepts and reads
        sleep(SECOND).await;
        assert!((&mut server_future).now_or_never().is_none());
        sleep(SECOND).await;
        let start = Instant::now();
        drop(server_future);
        assert_eq!(rest(&mut client).await, "");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(*log.borrow(), ["aborted"]);
        server.connect().await.unwrap_err();
    });
}

/// After its end a server is terminated, so `select!` does not poll it again.
#[test]
fn an_ended_server_is_terminated() {
    on_virtual_time(async {
        let (_server, listener) = Server::bind();
        let ready = async {};
        let mut server = serve(listener, service_fn(hello)).with_graceful_shutdown(ready);
        assert!(!server.is_terminated());
        (&mut server).await.unwrap();
        assert!(server.is_terminated());
        assert!(server.now_or_never().is_none());
    });
}

/// The second client waits in the queue of the operating system.
#[test]
fn connections_beyond_the_maximum_wait() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let _server = spawn(serve(listener, service_fn(hello)).max_connections(1));
        let mut first = server.connect().await.unwrap();
        let mut second = server.connect().await.unwrap();
        first.write_all(GET).await.unwrap();
        second.write_all(GET).await.unwrap();
        response(&mut first).await;
        let start = Instant::now();
        response(&mut second).await;
        assert_eq!(start.elapsed(), 5 * SECOND, "when the first one was closed");
    });
}

#[test]
#[should_panic(expected = "a server with at most 0 connections cannot serve")]
fn a_maximum_of_zero_panics() {
    on_virtual_time(async {
        let (_server, listener) = Server::bind();
        drop(serve(listener, service_fn(hello)).max_connections(0));
    });
}

#[test]
fn errors_of_connections_are_reported() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (log, on_error) = errors();
        let failing = service_fn(|request: Request<Incoming>| async move {
            match request.uri().path() {
                "/fails" => Err(io::Error::other("no answer")),
                _ => Ok(Response::new(full(""))),
            }
        });
        let _server = spawn(serve(listener, failing).on_error(on_error));
        let mut client = server.connect().await.unwrap();
        client.write_all(b"not HTTP\r\n\r\n").await.unwrap();
        assert!(rest(&mut client).await.starts_with("HTTP/1.1 400 "));
        let mut client = server.connect().await.unwrap();
        let get = b"GET /fails HTTP/1.1\r\nhost: x\r\n\r\n";
        client.write_all(get).await.unwrap();
        assert_eq!(rest(&mut client).await, "");
        let mut client = server.connect().await.unwrap();
        client.write_all(b"GET / HT").await.unwrap();
        drop(client);
        sleep(SECOND).await;
        assert_eq!(*log.borrow(), ["connection", "connection", "connection"]);
    });
}

/// `shutdown(2)` of a listening socket makes every `accept` fail.
#[cfg(target_os = "linux")]
#[test]
fn a_broken_listener_ends_the_server() {
    on_virtual_time(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let other = listener.try_clone().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let server = spawn(serve(listener, service_fn(hello)));
        rustix::net::shutdown(&other, rustix::net::Shutdown::Both).unwrap();
        let error = server.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}

/// As an exception in Node, a panic ends the run, unless there is a listener for rejections.
#[test]
fn a_panic_in_a_handler_is_an_unhandled_rejection() {
    let _limit = limit();
    let panics = |has_listener: bool| {
        let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
        watch(event_loop.handle());
        event_loop.block_on(async move {
            let (server, listener) = Server::bind();
            let answer = service_fn(|request: Request<Incoming>| async move {
                assert_ne!(request.uri(), "/panics", "no such page");
                hello(request).await
            });
            let _server = spawn(serve(listener, answer));
            let reported = Rc::new(Cell::new(false));
            let seen = reported.clone();
            let _listener =
                has_listener.then(|| nodeloop::on_unhandled_rejection(move |_| seen.set(true)));
            let mut other = server.connect().await.unwrap();
            let mut client = server.connect().await.unwrap();
            let get = b"GET /panics HTTP/1.1\r\nhost: x\r\n\r\n";
            client.write_all(get).await.unwrap();
            assert_eq!(rest(&mut client).await, "");
            assert!(reported.get());
            other.write_all(GET).await.unwrap();
            assert!(response(&mut other).await.ends_with("hello"));
        })
    };
    panics(true).unwrap();
    let error = panics(false).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, RunError::Unhandled { .. }), "{text}");
    assert!(text.contains("no such page"), "{text}");
    assert!(
        text.contains("serve.rs"),
        "the place of `serve` in this file: {text}"
    );
}

#[test]
fn requests_have_the_address_of_the_client() {
    on_virtual_time(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let show = service_fn(|request: Request<Incoming>| async move {
            let peer = request.extensions().get::<PeerAddress<SocketAddr>>();
            let text = peer.map_or_else(|| "none".to_owned(), |peer| peer.0.to_string());
            Ok::<_, Infallible>(Response::new(full(text)))
        });
        let _server = spawn(serve(listener, show).with_peer_address());
        let mut client = TcpStream::connect(server).await.unwrap();
        let get = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
        client.write_all(get).await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        let address = client.local_addr().unwrap().to_string();
        assert!(text.ends_with(&address), "{text}");
    });
}

/// A handler switches protocols, and both sides continue with `futures`' traits on the stream.
#[test]
fn a_handler_upgrades_its_connection() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (log, on_error) = errors();
        let upgrade = service_fn(|mut request: Request<Incoming>| async move {
            let upgraded = hyper::upgrade::on(&mut request);
            drop(spawn(async move {
                let mut stream = FuturesIo::new(upgraded.await.unwrap());
                let mut word = [0; 5];
                stream.read_exact(&mut word).await.unwrap();
                word.reverse();
                stream.write_all(&word).await.unwrap();
            }));
            let mut response = Response::new(full(""));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert("connection", "upgrade".parse().unwrap());
            headers.insert("upgrade", "reverse".parse().unwrap());
            Ok::<_, Infallible>(response)
        });
        let server_future = serve(listener, upgrade).with_upgrades().on_error(on_error);
        let _server = spawn(server_future);

        let io = Local::new(HyperIo::new(server.connect().await.unwrap()));
        let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        drop(spawn(connection.with_upgrades()));
        let request = Request::get("/").header("host", "x");
        let request = request
            .header("connection", "upgrade")
            .header("upgrade", "reverse");
        let request = request.body(full("")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        // The reading half has seen nothing, and the stream can be taken out.
        let parts = upgraded.downcast::<Local<HyperIo<UnixStream>>>().unwrap();
        assert_eq!(parts.read_buf, "");
        let mut stream = parts.io.into_inner().into_inner();
        stream.write_all(b"hello").await.unwrap();
        assert_eq!(rest(&mut stream).await, "olleh");
        assert!(log.borrow().is_empty(), "{log:?}");
    });
}

/// Streams that begin with a word, as those of a protocol below HTTP do.
#[test]
fn a_handshake_comes_before_http() {
    on_virtual_time(async {
        let (server, listener) = Server::bind();
        let (log, on_error) = errors();
        let (stop, stopped) = oneshot::channel::<()>();
        let server_future = serve(listener, service_fn(hello))
            .with_handshake(|mut stream| async move {
                let mut word = [0; 5];
                stream.read_exact(&mut word).await?;
                match &word {
                    b"hello" => Ok(stream),
                    _ => Err(io::Error::other("not a greeting")),
                }
            })
            .header_timeout(7 * SECOND)
            .with_graceful_shutdown(stopped.map(drop))
            .on_error(on_error);
        let ended = spawn(server_future);
        let start = Instant::now();
        let mut slow = server.connect().await.unwrap();
        let mut wrong = server.connect().await.unwrap();
        wrong.write_all(b"hallo").await.unwrap();
        assert_eq!(rest(&mut wrong).await, "");
        assert_eq!(*log.borrow(), ["handshake"]);
        let mut right = server.connect().await.unwrap(); // the slow one delays nobody
        right.write_all(b"hello").await.unwrap();
        right.write_all(GET).await.unwrap();
        assert!(response(&mut right).await.ends_with("hello"));
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(4 * SECOND).await;
        slow.write_all(b"hello").await.unwrap(); // the head belongs to the same limit
        assert_eq!(rest(&mut slow).await, TIMED_OUT);
        assert_eq!(start.elapsed(), 7 * SECOND);
        let mut silent = server.connect().await.unwrap();
        let sent = Instant::now();
        assert_eq!(rest(&mut silent).await, "");
        assert_eq!(sent.elapsed(), 7 * SECOND);
        assert_eq!(
            *log.borrow(),
            ["handshake", "header timeout", "header timeout"]
        );

        let mut silent = server.connect().await.unwrap();
        sleep(SECOND).await;
        let start = Instant::now();
        stop.send(()).unwrap();
        ended.await.unwrap();
        assert_eq!(rest(&mut silent).await, "");
        assert_eq!(start.elapsed(), Duration::ZERO, "nothing is in progress");
    });
}

/// A shutdown among many clients: a client receives complete responses or the end of its connection,
/// and the server ends.
#[test]
fn a_shutdown_under_load_cuts_no_response() {
    let _limit = limit();
    for stop_after in [0, 1, 50, 500] {
        let mut event_loop = EventLoop::builder().build().unwrap();
        watch(event_loop.handle());
        let served = Rc::new(Cell::new(0));
        let count = served.clone();
        let test = async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let stop = Cell::new(Some(stop));
            let counted = count.clone();
            let answer = service_fn(move |_: Request<Incoming>| {
                counted.set(counted.get() + 1);
                if counted.get() > stop_after {
                    stop.take();
                }
                async {
                    nodeloop::yield_now().await;
                    Ok::<_, Infallible>(Response::new(full(vec![b'x'; 100_000])))
                }
            });
            let server_future = serve(listener, answer).with_graceful_shutdown(stopped.map(drop));
            let ended = spawn(server_future);
            let clients = (0..20).map(|_| async move {
                let mut responses = 0;
                let mut text: Vec<u8> = Vec::new();
                // A client that is refused, or reset before its request was read, is not served.
                if let Ok(mut stream) = TcpStream::connect(address).await {
                    while stream.write_all(GET).await.is_ok() {
                        let mut bytes = vec![0; 200_000];
                        while text.len() < (responses + 1) * 100_000 {
                            match stream.read(&mut bytes).await {
                                Ok(0) | Err(_) => return (responses, text),
                                Ok(read) => {
                                    text.extend(bytes[..read].iter().filter(|&&b| b == b'x'))
                                }
                            }
                        }
                        responses += 1;
                    }
                }
                (responses, text)
            });
            let clients = futures::future::join_all(clients.map(spawn)).await;
            ended.await.unwrap();
            let complete: usize = clients.iter().map(|(responses, _)| responses).sum();
            assert!(
                clients
                    .iter()
                    .all(|(responses, text)| text.len() == responses * 100_000)
            );
            assert_eq!(
                complete,
                count.get(),
                "every request was answered completely"
            );
        };
        event_loop.block_on(test).unwrap();
        assert!(served.get() > stop_after);
    }
}

/// `?` converts it for `anyhow` and into `Box<dyn Error + Send + Sync>`, and its cause is its source.
#[test]
fn an_error_of_a_connection_is_an_error_for_every_thread() {
    let failed = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let cause = io::Error::other("out of memory");
        Err(ServeError::<SocketAddr>::Accept(cause))?
    };
    let error = failed().unwrap_err();
    assert_eq!(error.to_string(), "a connection could not be accepted");
    assert_eq!(error.source().unwrap().to_string(), "out of memory");
}
