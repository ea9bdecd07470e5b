//! What peers and networks do to a server: nothing of it leaks, and everything else goes on.
//!
//! One test, in a program of its own, because it counts what the process has: behind each fault the
//! descriptors are as many as before, every task has ended, the loop has run dry, and doing it
//! again and again takes no more memory. Peers are blocking sockets of the standard library, so
//! that they can misbehave.

#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{ConnectOptions, NetError, TcpListener, TcpSocket, TcpStream, UdpSocket};
use nodeloop::time::timeout;
use nodeloop::{EventLoop, promise, spawn, yield_now};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Held by each task of a scenario.
type Token = Rc<()>;

#[test]
fn faults() {
    survives("a peer that resets", 20, resets);
    survives(
        "a peer that vanishes in the middle of a message",
        20,
        vanishes,
    );
    survives(
        "a peer that sends one byte at a time",
        5,
        one_byte_at_a_time,
    );
    survives("a peer that never reads", 5, never_reads);
    survives(
        "a peer that closes while both halves wait",
        20,
        closes_while_both_halves_wait,
    );
    survives(
        "closing while both halves wait",
        20,
        is_closed_while_both_halves_wait,
    );
    survives(
        "a connection that is given up before it is accepted",
        20,
        aborted_before_accept,
    );
    survives("a connect that is refused", 20, connect_refused);
    survives("a connect that times out", 5, connect_times_out);
    survives("a connect that is dropped half-way", 20, connect_dropped);
    survives(
        "a name that does not resolve",
        3,
        name_that_does_not_resolve,
    );
    survives("a datagram that nobody takes", 20, datagram_refused);
}

/// Runs `scenario` as often as said, in a loop of its own, and looks at what is left.
#[track_caller]
fn survives<F: Future<Output = ()> + 'static>(
    name: &str,
    times: usize,
    scenario: impl Fn(Token) -> F,
) {
    let token = Token::default();
    let run = || {
        let mut event_loop = EventLoop::builder().build().unwrap();
        event_loop.run(scenario(token.clone())).unwrap(); // until nothing keeps it alive
        assert_eq!(Rc::strong_count(&token), 1, "{name}: a task is left");
    };
    let descriptors = open_descriptors();
    run(); // what is made once is made now
    let memory = resident_bytes();
    for _ in 0..times {
        run();
        assert_eq!(
            descriptors_left(descriptors),
            descriptors,
            "{name}: descriptors"
        );
    }
    let more = resident_bytes().saturating_sub(memory);
    assert!(more < 8 << 20, "{name}: {more} bytes more than before");
    println!("{name}: survived, {times} times; {more} bytes more");
}

/// How many descriptors are open when those of `before` are left. A thread of the pool that has
/// found nothing more to do may outlive its loop for a moment, and has a hand on its bell until then.
fn descriptors_left(before: usize) -> usize {
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    while open_descriptors() > before && std::time::Instant::now() < patience {
        std::thread::yield_now();
    }
    open_descriptors()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The memory of this process that is in use.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A connection with a peer of the standard library.
async fn with_peer() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

fn reset(peer: std::net::TcpStream) {
    socket2::SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Writes until the system takes no more and the write waits; then on, until it fails.
async fn write_for_ever(
    mut writer: impl futures::AsyncWrite + Unpin,
    is_waiting: Rc<Cell<bool>>,
) -> ErrorKind {
    let chunk = vec![7; 64 * 1024];
    loop {
        let mut writing = writer.write(&chunk);
        let result = match futures::poll!(&mut writing) {
            std::task::Poll::Ready(result) => result,
            std::task::Poll::Pending => {
                is_waiting.set(true);
                let result = writing.await;
                is_waiting.set(false);
                result
            }
        };
        if let Err(error) = result {
            return error.kind();
        }
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// A writer that has waited for ten turns waits for good: the system has no more room.
async fn until_waiting_for_good(is_waiting: &Cell<bool>) {
    let mut turns = 0;
    while turns < 10 {
        turns = if is_waiting.get() { turns + 1 } else { 0 };
        yield_now().await;
    }
}

async fn resets(token: Token) {
    let (mut stream, peer) = with_peer().await;
    let reading = spawn(async move {
        let _token = token;
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        (error.kind(), stream.read(&mut [0; 8]).await.unwrap())
    });
    yield_now().await;
    reset(peer);
    assert_eq!(reading.await, (ErrorKind::ConnectionReset, 0));
}

async fn vanishes(token: Token) {
    let (mut stream, mut peer) = with_peer().await;
    let reading = spawn(async move {
        let _token = token;
        let mut message = [0; 100];
        stream.read_exact(&mut message).await.unwrap_err().kind()
    });
    peer.write_all(&[1; 10]).unwrap();
    yield_now().await;
    peer.write_all(&[2; 10]).unwrap();
    drop(peer);
    assert_eq!(reading.await, ErrorKind::UnexpectedEof);
}

async fn one_byte_at_a_time(token: Token) {
    let (mut stream, mut peer) = with_peer().await;
    peer.set_nodelay(true).unwrap();
    let received = Rc::new(Cell::new(0));
    let counted = received.clone();
    let reading = spawn(async move {
        let _token = token;
        let mut message = Vec::new();
        let mut buffer = [0; 64];
        loop {
            match stream.read(&mut buffer).await.unwrap() {
                0 => return message,
                length => message.extend_from_slice(&buffer[..length]),
            }
            counted.set(message.len());
        }
    });
    let message: Vec<u8> = (0..500).map(|at| at as u8).collect();
    for (index, byte) in message.iter().enumerate() {
        peer.write_all(std::slice::from_ref(byte)).unwrap();
        until(|| received.get() == index + 1).await;
    }
    drop(peer);
    assert_eq!(reading.await, message);
}

/// The writer waits as soon as the system takes no more; what it holds is what it was given.
async fn never_reads(token: Token) {
    let (stream, peer) = with_peer().await;
    let is_waiting = Rc::new(Cell::new(false));
    let before = resident_bytes();
    let waiting = is_waiting.clone();
    let writing = spawn(async move {
        let _token = token;
        write_for_ever(stream, waiting).await
    });
    until_waiting_for_good(&is_waiting).await;
    let more = resident_bytes().saturating_sub(before);
    assert!(more < 4 << 20, "the writer keeps {more} bytes");
    // The rest of the program goes on meanwhile.
    let (mut other, mut other_peer) = with_peer().await;
    other.write_all(b"alive").await.unwrap();
    other_peer.read_exact(&mut [0; 5]).unwrap();
    reset(peer);
    let kind = writing.await;
    let expected = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(expected.contains(&kind), "{kind}");
}

async fn closes_while_both_halves_wait(token: Token) {
    let (stream, peer) = with_peer().await;
    let (mut reader, writer) = stream.into_split();
    let is_waiting = Rc::new(Cell::new(false));
    let (tokens, waiting) = (token.clone(), is_waiting.clone());
    let writing = spawn(async move {
        let _token = tokens;
        write_for_ever(writer, waiting).await
    });
    let reading = spawn(async move {
        let _token = token;
        reader.read(&mut [0; 8]).await.map_err(|error| error.kind())
    });
    until_waiting_for_good(&is_waiting).await;
    assert!(!reading.is_finished());
    drop(peer); // with bytes that it has not read: a reset
    let expected = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    let kind = writing.await;
    assert!(expected.contains(&kind), "{kind}");
    // The error is told once, to whoever asks first; the other sees the end.
    let read = reading.await;
    assert!(
        matches!(read, Ok(0) | Err(ErrorKind::ConnectionReset)),
        "{read:?}"
    );
}

async fn is_closed_while_both_halves_wait(token: Token) {
    let (stream, peer) = with_peer().await;
    let stream = Rc::new(stream);
    let is_waiting = Rc::new(Cell::new(false));
    let (tokens, waiting, writer) = (token.clone(), is_waiting.clone(), stream.clone());
    let writing = spawn(async move {
        let _token = tokens;
        write_for_ever(&*writer, waiting).await
    });
    let reader = stream.clone();
    let reading = spawn(async move {
        let _token = token;
        (&mut &*reader).read(&mut [0; 8]).await.unwrap_err().kind()
    });
    until_waiting_for_good(&is_waiting).await;
    stream.close().await;
    assert_eq!(writing.await, ErrorKind::NotConnected);
    assert_eq!(reading.await, ErrorKind::NotConnected);
    drop(peer);
}

async fn aborted_before_accept(token: Token) {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    reset(std::net::TcpStream::connect(address).unwrap());
    let mut good = std::net::TcpStream::connect(address).unwrap();
    good.write_all(b"good").unwrap();
    let serving = spawn(async move {
        let _token = token;
        loop {
            // The system may hand out the first one, too, which then can't be read.
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut message = [0; 4];
            if stream.read_exact(&mut message).await.is_ok() {
                return message;
            }
        }
    });
    assert_eq!(&serving.await, b"good");
}

async fn connect_refused(token: Token) {
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind(ANY).unwrap();
    let address = closed.local_addr().unwrap();
    let connecting = spawn(async move {
        let _token = token;
        TcpStream::connect(&[address, address][..])
            .await
            .unwrap_err()
    });
    let error = connecting.await;
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(error.to_string(), format!("connect ECONNREFUSED {address}"));
}

/// A listener whose queue is full: the system drops who knocks, and whoever connects waits.
fn silent() -> (std::net::TcpListener, Vec<TcpSocket>, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&ANY.into()).unwrap();
    socket.listen(0).unwrap();
    let listener: std::net::TcpListener = socket.into();
    let address = listener.local_addr().unwrap();
    let knock = |_| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address.into()); // under way, or never
        TcpSocket::from_std(socket.into())
    };
    let queued = (0..4).map(knock).collect();
    (listener, queued, address)
}

async fn connect_times_out(token: Token) {
    let (_listener, _queued, address) = silent();
    let patience = Duration::from_millis(10);
    let waiting = spawn(async move {
        let _token = token;
        timeout(patience, TcpStream::connect(address))
            .await
            .is_err()
    });
    assert!(waiting.await);
    // One of several: the next is tried, and the error tells of both.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind(ANY).unwrap();
    let other = closed.local_addr().unwrap();
    let mut options = ConnectOptions::new();
    options.attempt_timeout(patience);
    let error = options.connect(&[address, other][..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = format!("connect ETIMEDOUT {address}; connect ECONNREFUSED {other}");
    assert_eq!(error.to_string(), text);
}

async fn connect_dropped(token: Token) {
    let (_listener, _queued, address) = silent();
    let connecting = spawn(async move {
        let _token = token;
        TcpStream::connect(address).await.map(drop)
    });
    yield_now().await;
    assert!(!connecting.is_finished());
    connecting.abort();
    // And the loser of a race.
    let race = select(Box::pin(TcpStream::connect(address)), promise::ready(()));
    let Either::Right(((), lost)) = race.await else {
        panic!("nobody answers there");
    };
    drop(lost);
}

async fn name_that_does_not_resolve(token: Token) {
    let connecting = spawn(async move {
        let _token = token;
        TcpStream::connect("nowhere.invalid:80").await.unwrap_err()
    });
    let error = connecting.await;
    let attempt = &NetError::of(&error).unwrap().attempts()[0];
    assert_eq!(attempt.target(), "nowhere.invalid");
}

async fn datagram_refused(token: Token) {
    let (one, other) = (
        UdpSocket::bind(ANY).await.unwrap(),
        UdpSocket::bind(ANY).await.unwrap(),
    );
    one.connect(other.local_addr().unwrap()).await.unwrap();
    let receiving = spawn(async move {
        let _token = token;
        drop(other);
        one.send(b"nobody").await.unwrap();
        one.recv(&mut [0; 8]).await.unwrap_err().kind()
    });
    assert_eq!(receiving.await, ErrorKind::ConnectionRefused);
}
