//! The measured servers, each run in its own process: `nodeloop-serve serve KIND NAME`.
//!
//! A server listens on a port that the system chooses, prints it, and serves until it is killed.
//! Compared servers do the same work in the same way: one thread, `TCP_NODELAY`, one read and one
//! write per message; hyper's HTTP/1 with a time limit for a request's head. The REST service is
//! `examples/rest` without its log; on tokio it has the same router, database and time limits. This
//! version of Node has no SQLite module: its notes are in a map, which is less work.

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

/// The size in bytes of an echo server's read buffer.
const ECHO_BUFFER: usize = 4096;

/// The body of the plain response.
pub const HELLO: &[u8] = b"Hello, World!";

/// A server: a function of this program, or a script for Node.
pub enum Server {
    Native(fn() -> io::Result<()>),
    Node(&'static str),
}

/// Returns the servers of a kind by name. nodeloop is the first.
pub fn servers(kind: &str) -> Vec<(&'static str, Server)> {
    match kind {
        "hello" => vec![
            ("nodeloop", Server::Native(nodeloop::hello)),
            ("by-hand", Server::Native(nodeloop::hello_by_hand)),
            ("tokio", Server::Native(tokio::hello)),
            ("node", Server::Node("hello.mjs")),
        ],
        "rest" => vec![
            ("nodeloop", Server::Native(nodeloop::rest)),
            ("tokio", Server::Native(tokio::rest)),
            ("node", Server::Node("rest.mjs")),
        ],
        "echo" => vec![
            ("nodeloop", Server::Native(nodeloop::echo)),
            ("mio", Server::Native(mio::echo)),
            #[cfg(target_os = "linux")]
            ("monoio", Server::Native(monoio::echo)),
            ("tokio", Server::Native(tokio::echo)),
            ("node", Server::Node("echo.mjs")),
        ],
        _ => Vec::new(),
    }
}

/// Listens on a port chosen by the system, and prints the port.
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
