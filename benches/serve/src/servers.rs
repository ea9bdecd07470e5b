//! The servers that are measured, each run in a process of its own: `nodeloop-serve serve KIND NAME`.
//!
//! A server listens on a port that the system chooses, prints it, and serves until it is killed.
//! What is compared does the same work in the same way: one thread, `TCP_NODELAY`, one read and
//! one write for a message; hyper's HTTP/1 with a timer that bounds the time for a request's head.
//! The REST service is `examples/rest` without its log; on tokio it is the same router and database
//! with the same time limits. Node has no SQLite of its own in this version: its notes are in a
//! map, which is less work.

mod mio;
#[cfg(target_os = "linux")]
mod monoio;
mod nodeloop;
mod tokio;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};

/// How much an echo server reads at once.
const ECHO_BUFFER: usize = 4096;

/// The body of the plain answer.
pub const HELLO: &[u8] = b"Hello, World!";

/// A way to run a server: in this program, or as a script of Node's.
pub enum Server {
    Here(fn() -> io::Result<()>),
    Node(&'static str),
}

/// What there is to serve `kind`, by name; ours is the first.
pub fn servers(kind: &str) -> Vec<(&'static str, Server)> {
    match kind {
        "hello" => vec![
            ("nodeloop", Server::Here(nodeloop::hello)),
            ("tokio", Server::Here(tokio::hello)),
            ("node", Server::Node("hello.mjs")),
        ],
        "rest" => vec![
            ("nodeloop", Server::Here(nodeloop::rest)),
            ("tokio", Server::Here(tokio::rest)),
            ("node", Server::Node("rest.mjs")),
        ],
        "echo" => vec![
            ("nodeloop", Server::Here(nodeloop::echo)),
            ("mio", Server::Here(mio::echo)),
            #[cfg(target_os = "linux")]
            ("monoio", Server::Here(monoio::echo)),
            ("tokio", Server::Here(tokio::echo)),
            ("node", Server::Node("echo.mjs")),
        ],
        _ => Vec::new(),
    }
}

/// A listener on a port of the system's choice, which it tells.
fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    println!("{}", listener.local_addr()?.port());
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The handler of the plain server.
async fn answer<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(HELLO)));
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    Ok(response)
}
