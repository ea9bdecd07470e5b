//! Node's `net` and `dgram` as the peer, in both roles: the bytes are equal, and the order of events
//! is that of Node.
//!
//! The scripts in `tests/node` log a conversation on one side. The Rust functions here have the same
//! conversation and must log the same lines, whether the peer is Node or this crate.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::common::limit::limit;
use crate::common::net::destroy;
use crate::common::{Lines, log as add};
use crate::common::{block_on, run};
use futures::future::join_all;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::{
    Promise, next_tick, promise, queue_microtask, set_immediate, spawn, spawn_blocking,
};

use crate::common::node;
use crate::common::node::Node;

/// The function of the same name in the scripts.
fn around(log: &Lines, name: &str) -> Promise<()> {
    add(log, name);
    let logging = |what: &str| {
        let (log, line) = (log.clone(), format!("{name} {what}"));
        move || add(&log, line)
    };
    next_tick(logging("tick"));
    queue_microtask(logging("microtask"));
    let (promise, resolver) = promise::with_resolver();
    let check = logging("check");
    set_immediate(move || {
        check();
        resolver.resolve(());
    });
    promise
}

/// The methods of both kinds of streams.
trait Stream: futures::AsyncRead + futures::AsyncWrite + Unpin {
    fn destroy(&self) -> Promise<()>;
}

impl Stream for TcpStream {
    fn destroy(&self) -> Promise<()> {
        destroy(self)
    }
}

#[cfg(unix)]
impl Stream for nodeloop::net::UnixStream {
    fn destroy(&self) -> Promise<()> {
        destroy(self)
    }
}

async fn read(stream: &mut impl Stream) -> String {
    let mut buffer = [0; 64];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// `client` of `net_order.mjs`, once it is connected.
async fn client(log: Lines, mut stream: impl Stream) {
    around(&log, "connect").await;
    stream.write_all(b"hi").await.unwrap();
    add(&log, format!("data {}", read(&mut stream).await));
    around(&log, "data").await;
    stream.close().await.unwrap();
    add(&log, format!("data {}", read(&mut stream).await));
    assert_eq!(read(&mut stream).await, "");
    // The end may be read in the check phase, if it has arrived by then; Node reads in the poll phase
    // only. An immediate of the check phase comes after the close phase, so wait for it.
    around(&log, "end").await;
    stream.destroy().await;
    add(&log, "close");
}

async fn tcp_client(log: Lines, port: u16) {
    client(log, TcpStream::connect(("127.0.0.1", port)).await.unwrap()).await;
}

/// `server` of `net_order.mjs`, once it has a connection.
async fn server(log: Lines, mut stream: impl Stream) {
    around(&log, "connection").await;
    add(&log, format!("data {}", read(&mut stream).await));
    around(&log, "data").await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut stream).await, "");
    around(&log, "end").await;
    stream.write_all(b"bye").await.unwrap();
    stream.close().await.unwrap();
    stream.destroy().await;
    add(&log, "close");
}

async fn tcp_server(log: Lines, listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    drop(listener);
    server(log, stream).await;
}

#[rustfmt::skip]
const TCP_CLIENT: &[&str] = &[
    "connect", "connect microtask", "connect tick", "connect check",
    "data hello", "data", "data microtask", "data tick", "data check",
    "data bye", "end", "end microtask", "end tick",
    "end check",
    "close",
];

#[rustfmt::skip]
const TCP_SERVER: &[&str] = &[
    "connection", "connection microtask", "connection tick", "connection check",
    "data hi", "data", "data microtask", "data tick", "data check",
    "end", "end microtask", "end tick", "end check",
    "close",
];

/// Runs the Rust side of a conversation and returns its log.
fn lines_of<F: Future<Output = ()> + 'static>(side: impl FnOnce(Lines) -> F) -> Vec<String> {
    let log = Lines::default();
    run(side(log.clone()));
    log.take()
}

/// Starts a server of Node's and waits for its port.
async fn node_server<A: ToString>(script: &'static str, arguments: &[A]) -> (Node, u16) {
    let mut server = Node::start(script, arguments);
    spawn_blocking(move || {
        let port = server.line().parse().expect("it prints its port");
        (server, port)
    })
    .await
}

#[test]
fn tcp_prints_the_same_on_both_sides() {
    let _limit = limit();
    let servers = Lines::default();
    let log = servers.clone();
    let clients = lines_of(|clients| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn(tcp_server(log, listener)).detach();
        tcp_client(clients, port).await;
    });
    assert_eq!(clients, TCP_CLIENT);
    assert_eq!(*servers.borrow(), TCP_SERVER);
}

#[test]
fn tcp_between_nodes_and_us_prints_the_same() {
    let _limit = limit();
    if !node::is_here() {
        return;
    }
    let mut server = Node::start("net_order.mjs", &["server"]);
    let port = server.line();
    let client = Node::start("net_order.mjs", &["client", &port]);
    assert_eq!(client.finish(), TCP_CLIENT, "Node with Node");
    assert_eq!(server.finish(), TCP_SERVER, "Node with Node");

    let theirs = Rc::new(RefCell::new(Vec::new()));
    let seen = theirs.clone();
    let ours = lines_of(|log| async move {
        let (server, port) = node_server("net_order.mjs", &["server"]).await;
        tcp_client(log, port).await;
        *seen.borrow_mut() = spawn_blocking(move || server.finish()).await;
    });
    assert_eq!(ours, TCP_CLIENT, "our client");
    assert_eq!(*theirs.borrow(), TCP_SERVER, "with Node's server");

    let seen = theirs.clone();
    let ours = lines_of(|log| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = Node::start("net_order.mjs", &["client".to_owned(), port.to_string()]);
        tcp_server(log, listener).await;
        *seen.borrow_mut() = spawn_blocking(move || client.finish()).await;
    });
    assert_eq!(ours, TCP_SERVER, "our server");
    assert_eq!(*theirs.borrow(), TCP_CLIENT, "with Node's client");
}

/// The same over a Unix domain socket.
#[test]
#[cfg(unix)] // Unix sockets do not exist on Windows
fn unix_between_nodes_and_us_prints_the_same() {
    let _limit = limit();
    if !node::is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let path = path.to_str().unwrap();
    assert_unix_prints_the_same(path.to_owned(), path.to_owned());
}

/// `for_node` is `path` as the argument of `net_order.mjs`.
#[cfg(unix)]
fn assert_unix_prints_the_same(path: String, for_node: String) {
    use nodeloop::net::{UnixListener, UnixStream};

    let theirs = Rc::new(RefCell::new(Vec::new()));
    let (seen, address, argument) = (theirs.clone(), path.clone(), for_node.clone());
    let ours = lines_of(|log| async move {
        let mut server = Node::start("net_order.mjs", &["server", &argument]);
        let server = spawn_blocking(move || {
            server.line();
            server
        });
        let server = server.await;
        client(log, UnixStream::connect(&address).await.unwrap()).await;
        *seen.borrow_mut() = spawn_blocking(move || server.finish()).await;
    });
    assert_eq!(ours, TCP_CLIENT, "our client");
    assert_eq!(*theirs.borrow(), TCP_SERVER, "with Node's server");

    let seen = theirs.clone();
    let ours = lines_of(|log| async move {
        let listener = UnixListener::bind(&path).unwrap(); // Node has removed the path
        let client = Node::start("net_order.mjs", &["client", &for_node]);
        let (stream, _) = listener.accept().await.unwrap();
        drop(listener);
        server(log, stream).await;
        *seen.borrow_mut() = spawn_blocking(move || client.finish()).await;
    });
    assert_eq!(ours, TCP_SERVER, "our server");
    assert_eq!(*theirs.borrow(), TCP_CLIENT, "with Node's client");
}

/// Our client and Node's echo server: many connections at once, random sizes, both directions at
/// once, and the writing direction ends before the reading one.
#[test]
fn every_byte_comes_back_from_nodes_server() {
    let _limit = limit();
    const CONNECTIONS: usize = 20;
    const BYTES: usize = 300_000;
    if !node::is_here() {
        return;
    }
    block_on(async {
        let (server, port) = node_server("echo_server.mjs", &[CONNECTIONS]).await;
        let talk = |id: usize| async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let bytes: Vec<u8> = (0..BYTES).map(|at| (at * 31 + at / 7 * id) as u8).collect();
            let (mut reader, mut writer) = (&stream, &stream);
            let write = async {
                let mut rest = &bytes[..];
                let mut size = 1 + id;
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(size.min(rest.len()));
                    writer.write_all(now).await.unwrap();
                    rest = later;
                    size = size * 3 % 65_521 + 1;
                }
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            };
            let mut back = Vec::new();
            let (_, length) = futures::join!(write, reader.read_to_end(&mut back));
            assert_eq!(length.unwrap(), BYTES);
            assert!(back == bytes, "connection {id}: the echo differs");
        };
        join_all((0..CONNECTIONS).map(talk)).await;
        let echoed = spawn_blocking(move || server.finish()).await;
        assert_eq!(echoed, [(CONNECTIONS * BYTES).to_string()]);
    });
}

const ROUNDS: usize = 200;
const LONGEST: usize = 8 * 1024;

async fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
    (String::from_utf8(buffer[..length].to_vec()).unwrap(), from)
}

/// `client` of `dgram_order.mjs`.
async fn udp_client(log: Lines, port: u16) {
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    socket.connect(("127.0.0.1", port)).await.unwrap();
    socket.send(b"hi").await.unwrap();
    add(&log, "sent");
    let (hello, _) = receive(&socket).await;
    around(&log, &format!("message {hello}")).await;
    let mut buffer = vec![0; LONGEST];
    for round in 0..ROUNDS {
        let length = round * 7919 % LONGEST;
        let bytes: Vec<u8> = (0..length).map(|at| (at * round) as u8).collect();
        assert_eq!(socket.send(&bytes).await.unwrap(), length);
        let back = socket.recv(&mut buffer).await.unwrap();
        assert!(buffer[..back] == bytes, "round {round}: the echo differs");
    }
    socket.send(b"bye").await.unwrap();
    let (bye, _) = receive(&socket).await;
    around(&log, &format!("message {bye}")).await;
    socket.close().await;
    add(&log, "close");
}

/// `server` of `dgram_order.mjs`.
async fn udp_server(log: Lines, socket: UdpSocket) {
    let (hi, from) = receive(&socket).await;
    around(&log, &format!("message {hi}")).await;
    socket.send_to(b"hello", from).await.unwrap();
    let mut buffer = vec![0; LONGEST];
    for _ in 0..ROUNDS {
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        socket.send_to(&buffer[..length], peer).await.unwrap();
    }
    let (bye, _) = receive(&socket).await;
    socket.send_to(bye.as_bytes(), from).await.unwrap();
    around(&log, &format!("message {bye}")).await;
    socket.close().await;
    add(&log, "close");
}

#[rustfmt::skip]
const UDP_CLIENT: &[&str] = &[
    "sent",
    "message hello", "message hello microtask", "message hello tick", "message hello check",
    "message bye", "message bye microtask", "message bye tick", "message bye check",
    "close",
];

#[rustfmt::skip]
const UDP_SERVER: &[&str] = &[
    "message hi", "message hi microtask", "message hi tick", "message hi check",
    "message bye", "message bye microtask", "message bye tick", "message bye check",
    "close",
];

#[test]
fn udp_prints_the_same_on_both_sides() {
    let _limit = limit();
    let servers = Lines::default();
    let log = servers.clone();
    let clients = lines_of(|clients| async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        spawn(udp_server(log, socket)).detach();
        udp_client(clients, port).await;
    });
    assert_eq!(clients, UDP_CLIENT);
    assert_eq!(*servers.borrow(), UDP_SERVER);
}

#[test]
fn udp_between_nodes_and_us_prints_the_same() {
    let _limit = limit();
    if !node::is_here() {
        return;
    }
    let mut server = Node::start("dgram_order.mjs", &["server"]);
    let port = server.line();
    let client = Node::start("dgram_order.mjs", &["client", &port]);
    assert_eq!(client.finish(), UDP_CLIENT, "Node with Node");
    assert_eq!(server.finish(), UDP_SERVER, "Node with Node");

    let theirs = Rc::new(RefCell::new(Vec::new()));
    let seen = theirs.clone();
    let ours = lines_of(|log| async move {
        let (server, port) = node_server("dgram_order.mjs", &["server"]).await;
        udp_client(log, port).await;
        *seen.borrow_mut() = spawn_blocking(move || server.finish()).await;
    });
    assert_eq!(ours, UDP_CLIENT, "our client");
    assert_eq!(*theirs.borrow(), UDP_SERVER, "with Node's server");

    let seen = theirs.clone();
    let ours = lines_of(|log| async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let client = Node::start("dgram_order.mjs", &["client".to_owned(), port.to_string()]);
        udp_server(log, socket).await;
        *seen.borrow_mut() = spawn_blocking(move || client.finish()).await;
    });
    assert_eq!(ours, UDP_SERVER, "our server");
    assert_eq!(*theirs.borrow(), UDP_CLIENT, "with Node's client");
}
