//! Shared parts of the tests of hyper on the loop: a server, a client, and Node processes.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use nodeloop::hyper::{HyperIo, HyperTimer};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::{Promise, spawn};

/// The body of every request and response in these tests.
pub type Body = BoxBody<Bytes, hyper::Error>;

/// The number of bytes in a large body.
pub const LARGE: usize = 2 * 1024 * 1024;

/// Counts what the server has received.
#[derive(Default)]
pub struct Seen {
    /// Connections accepted.
    pub connections: Cell<u32>,
    /// Requests whose head arrived.
    pub requests: Cell<u32>,
    /// Requests whose body ended with an error.
    pub broken: Cell<u32>,
}

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

/// Accepts connections forever.
pub async fn serve(listener: TcpListener, http: http1::Builder, seen: Rc<Seen>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        count(&seen.connections);
        let seen = seen.clone();
        let answer = service_fn(move |request| answer(request, seen.clone()));
        let connection = http.serve_connection(HyperIo::new(stream), answer);
        spawn(async move {
            let _ = connection.await; // the tests check the client's side
        })
        .detach();
    }
}

/// Returns a server builder with a time limit for the head of a request.
pub fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(HyperTimer::new());
    http
}

/// The service of these tests.
///
/// # Errors
///
/// Returns an error if the body of the request ends with one.
pub async fn answer(
    request: Request<Incoming>,
    seen: Rc<Seen>,
) -> Result<Response<Body>, hyper::Error> {
    count(&seen.requests);
    let body = match request.uri().path() {
        // Echoed chunk by chunk as it arrives.
        "/stream" => request.into_body().boxed(),
        // Echoed as a whole, with its length.
        "/whole" => match request.into_body().collect().await {
            Ok(body) => full(body.to_bytes()),
            Err(error) => {
                count(&seen.broken);
                return Err(error);
            }
        },
        "/large" => large(),
        path if path.starts_with("/number/") => full(path["/number/".len()..].to_owned()),
        _ => {
            let mut response = Response::new(full("nothing here"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    Ok(Response::new(body))
}

/// Returns a body of known length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

/// Returns an empty body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// Returns a large body of unknown length, in chunks of 100,000 bytes.
pub fn large() -> Body {
    let bytes = large_bytes();
    let chunks = (0..bytes.len())
        .step_by(100_000)
        .map(move |at| Ok(Frame::data(bytes.slice(at..bytes.len().min(at + 100_000)))));
    StreamBody::new(stream::iter(chunks)).boxed()
}

/// Returns the bytes of a large body: byte *i* is *i* mod 251.
pub fn large_bytes() -> Bytes {
    (0..LARGE).map(|i| (i % 251) as u8).collect()
}

/// Connects to a server on this machine.
pub async fn connect(port: u16) -> SendRequest<Body> {
    connect_and_keep(port).await.0
}

/// Connects as [`connect`] does, and also returns the task of the connection.
pub async fn connect_and_keep(port: u16) -> (SendRequest<Body>, Promise<()>) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(HyperIo::new(stream))
        .await
        .unwrap();
    let connection = spawn(async move {
        let _ = connection.await; // its requests return the error
    });
    (sender, connection)
}

/// Returns a request to a path of the server.
pub fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header("host", "localhost").body(body).unwrap()
}

/// Returns whether `node` is on the PATH. Panics if not and `NODELOOP_REQUIRE_NODE` is set.
pub fn has_node() -> bool {
    let has_node = Command::new("node").arg("--version").output().is_ok();
    let required = std::env::var_os("NODELOOP_REQUIRE_NODE").is_some();
    assert!(has_node || !required, "`node` is not on the PATH");
    if !has_node {
        println!("skipped: `node` is not on the PATH");
    }
    has_node
}

/// Runs a script of the folder `node` to its end and returns the line of JSON that it prints.
pub fn run_node(script: &str, arguments: &[String]) -> serde_json::Value {
    let output = node(script).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}

fn node(script: &str) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    let mut command = Command::new("node");
    command.arg(scripts.join(script));
    command
}

/// A server written in Node, which ends when its standard input is closed.
pub struct NodeServer {
    child: Child,
    /// The port that the server listens on.
    pub port: u16,
}

impl NodeServer {
    /// Starts `script` of the folder `node` and waits for its port.
    pub fn start(script: &str) -> NodeServer {
        let mut child = node(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let output = child.stdout.take().unwrap();
        let mut output = BufReader::new(output);
        output.read_line(&mut port).unwrap();
        let port = port.trim().parse().expect("the server prints its port");
        child.stdout = Some(output.into_inner());
        NodeServer { child, port }
    }

    /// Ends the server and returns the report that it prints.
    pub fn end(mut self) -> serde_json::Value {
        drop(self.child.stdin.take());
        let mut report = String::new();
        let mut output = self.child.stdout.take().unwrap();
        output.read_to_string(&mut report).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&report).expect("a line of JSON")
    }
}

impl Drop for NodeServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
