//! Faults of peers and networks: a server leaks nothing and serves the others.
//!
//! One test, in a process of its own, because it counts the resources of the process: after each fault
//! there are as many descriptors as before, every task has ended, the loop is out of work, and
//! repeating the fault allocates nothing that is kept. Peers are blocking sockets of the standard
//! library, so that they can misbehave.

use std::cell::Cell;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit_of;
use crate::common::net::{ANY, Refusing, Silent, destroy};
use crate::common::process::{descriptors_left, in_own_process, open_descriptors};
use crate::common::real_loop;
use crate::memory::live_bytes;
use futures::future::{Either, select};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{ConnectOptions, NetError, TcpListener, TcpStream, UdpSocket};
use nodeloop::time::timeout;
use nodeloop::{promise, spawn, yield_now};

/// Held by each task of a scenario.
type Token = Rc<()>;

#[test]
fn faults() {
    if in_own_process(faults) {
        return;
    }
    let _limit = limit_of(Duration::from_secs(60), "a dozen faults, twenty times each");
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
        "a connection that is abandoned before it is accepted",
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
    survives("a datagram that is refused", 20, datagram_refused);
}

/// Runs `scenario` repeatedly, each time in a loop of its own, and checks what is left.
#[track_caller]
fn survives<F: Future<Output = ()> + 'static>(
    name: &str,
    times: usize,
    scenario: impl Fn(Token) -> F,
) {
    let token = Token::default();
    let run = || {
        let mut event_loop = real_loop();
        event_loop.run(scenario(token.clone())).unwrap(); // until nothing keeps it alive
        assert_eq!(Rc::strong_count(&token), 1, "{name}: a task is left");
    };
    let descriptors = open_descriptors();
    run(); // creates what is created once per process
    let memory = live_bytes();
    for _ in 0..times {
        run();
        assert_eq!(
            descriptors_left(descriptors),
            descriptors,
            "{name}: descriptors"
        );
    }
    let more = live_bytes().saturating_sub(memory);
    assert!(more < 16 << 10, "{name}: {more} bytes are kept");
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

/// Writes until the system accepts no more and the write waits, and continues until a write fails.
async fn write_forever(
    mut writer: impl futures::AsyncWrite + Unpin,
    is_waiting: Rc<Cell<bool>>,
) -> ErrorKind {
    let chunk = vec![7; 64 * 1024];
    for _ in 0..10_000 {
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
    panic!("the system has accepted all that was written")
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Waits until the writer has waited for ten turns, so that the buffers of the system are full.
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

/// The writer waits once the system accepts no more, and holds only the chunk that it was given.
async fn never_reads(token: Token) {
    let (stream, peer) = with_peer().await;
    let is_waiting = Rc::new(Cell::new(false));
    let before = live_bytes();
    let waiting = is_waiting.clone();
    let writing = spawn(async move {
        let _token = token;
        write_forever(stream, waiting).await
    });
    until_waiting_for_good(&is_waiting).await;
    // The chunk that it writes from, and no copy of what the system has not accepted.
    let more = live_bytes().saturating_sub(before);
    assert!(more < 2 * 64 * 1024, "the writer keeps {more} bytes");
    // The rest of the program continues meanwhile.
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
        write_forever(writer, waiting).await
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
    // The error is returned once, to the first call; the other reads the end.
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
        write_forever(&*writer, waiting).await
    });
    let reader = stream.clone();
    let reading = spawn(async move {
        let _token = token;
        (&mut &*reader).read(&mut [0; 8]).await.unwrap_err().kind()
    });
    until_waiting_for_good(&is_waiting).await;
    destroy(&stream).await;
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
            // The system may also accept the first one, which then can't be read.
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
    let refusing = Refusing::tcp();
    let address = refusing.address;
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

async fn connect_times_out(token: Token) {
    let silent = Silent::at(ANY);
    let address = silent.address;
    let patience = Duration::from_millis(10);
    let waiting = spawn(async move {
        let _token = token;
        timeout(patience, TcpStream::connect(address))
            .await
            .is_err()
    });
    assert!(waiting.await);
    // One of several: the next is tried, and the error names both.
    let refusing = Refusing::tcp();
    let other = refusing.address;
    let mut options = ConnectOptions::new();
    options.attempt_timeout(patience);
    let error = options.connect(&[address, other][..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = format!("connect ETIMEDOUT {address}; connect ECONNREFUSED {other}");
    assert_eq!(error.to_string(), text);
}

async fn connect_dropped(token: Token) {
    let silent = Silent::at(ANY);
    let address = silent.address;
    let connecting = spawn(async move {
        let _token = token;
        TcpStream::connect(address).await.map(drop)
    })
    .settled();
    yield_now().await;
    assert!(!connecting.is_finished());
    connecting.abort();
    // And the loser of a race.
    let race = select(Box::pin(TcpStream::connect(address)), promise::ready(()));
    let Either::Right(((), lost)) = race.await else {
        panic!("the address does not answer");
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
    let one = UdpSocket::bind(ANY).await.unwrap();
    let refusing = Refusing::udp();
    one.connect(refusing.address).await.unwrap();
    let receiving = spawn(async move {
        let _token = token;
        one.send(b"refused").await.unwrap();
        one.recv(&mut [0; 8]).await.unwrap_err().kind()
    });
    assert_eq!(receiving.await, ErrorKind::ConnectionRefused);
}
