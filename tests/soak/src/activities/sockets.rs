//! TCP, UDP and Unix sockets.

use std::io::ErrorKind;
use std::net::Shutdown;

use fastrand::Rng;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use nodeloop::net::{UnixDatagram, UnixListener, UnixStream};
use nodeloop::promise::with_resolver;
use nodeloop::time::{sleep, timeout};

use super::{bytes, short};
use crate::account::{Item, Ledger};
use crate::plant::{self, Plant};

const ANY_PORT: &str = "127.0.0.1:0";

/// Answers each message, which begins with its length, until the peer ends.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).await.is_ok() {
        let mut message = vec![0; u32::from_le_bytes(length) as usize];
        let received = stream.read_exact(&mut message).await;
        if received.is_err() || plant::is_due(Plant::LoseReply) {
            break;
        }
        if stream.write_all(&length).await.is_err() || stream.write_all(&message).await.is_err() {
            break;
        }
    }
    let _ = stream.close().await;
}

/// Sends messages, and checks every byte of the answers.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(ledger: &Ledger, rng: &mut Rng, stream: S) -> S {
    let (mut reader, mut writer) = stream.split();
    for _ in 0..rng.usize(1..6) {
        let length = match rng.u8(0..8) {
            0 => rng.usize(..100_000),
            1..4 => rng.usize(..5_000),
            _ => rng.usize(..200),
        };
        let message = bytes(rng, length);
        ledger.owe(Item::Reply, 1);
        ledger.owe(Item::Byte, length as u64);
        let header = u32::try_from(length)
            .expect("a short message")
            .to_le_bytes();
        let sends = async {
            writer.write_all(&header).await?;
            writer.write_all(&message).await
        };
        let mut answer = vec![0; 4 + length];
        // The message and its answer may not fit into the buffers of the system, so both ways are
        // used at once.
        let (sent, received) = futures::join!(sends, reader.read_exact(&mut answer));
        if sent.is_err() || received.is_err() {
            break; // the ledger knows what is missing
        }
        assert_eq!(
            &answer[..4],
            header,
            "the answer belongs to another message"
        );
        assert!(answer[4..] == message[..], "the answer has other bytes");
        ledger.back(Item::Reply, 1);
        ledger.back(Item::Byte, length as u64);
    }
    reader.reunite(writer).expect("the halves of one stream")
}

/// A server with several clients, which end by a half-close, a close or a drop.
pub async fn tcp_echo(ledger: Ledger, mut rng: Rng) {
    let listener = TcpListener::bind(ANY_PORT).await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let count = rng.usize(1..6);
    let server = ledger.clone();
    let serving = ledger.spawn(async move {
        let mut connections = Vec::new();
        for _ in 0..count {
            let (stream, _) = listener.accept().await.expect("a connection");
            connections.push(server.spawn(echo(stream)));
        }
        for connection in connections {
            connection.await;
        }
        listener.close().await;
    });
    let mut clients = Vec::new();
    for _ in 0..count {
        let (own, mut rng) = (ledger.clone(), Rng::with_seed(rng.u64(..)));
        clients.push(ledger.spawn(async move {
            let stream = TcpStream::connect(address)
                .await
                .expect("the server listens");
            stream.set_nodelay(rng.bool()).expect("it is open");
            let mut stream = ask(&own, &mut rng, stream).await;
            match rng.u8(0..3) {
                0 => drop(stream),
                1 => {
                    stream.shutdown(Shutdown::Write).expect("it is open");
                    let rest = stream.read(&mut [0; 8]).await.expect("the end");
                    assert_eq!(rest, 0, "more was answered than asked");
                }
                _ => {
                    own.owe(Item::Callback, 1);
                    let (closed, resolver) = with_resolver();
                    stream.close_with(move || resolver.resolve(()));
                    closed.await;
                    own.back(Item::Callback, 1);
                }
            }
        }));
    }
    for client in clients {
        client.await;
    }
    serving.await;
}

/// Connections that one side resets. The other side must see the end.
pub async fn tcp_resets(ledger: Ledger, mut rng: Rng) {
    let listener = TcpListener::bind(ANY_PORT).await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    for _ in 0..rng.usize(1..4) {
        ledger.owe(Item::Reply, 1);
        ledger.owe(Item::Callback, 1);
        let (client, accepted) = futures::join!(TcpStream::connect(address), listener.accept());
        let (client, (server, _)) = (client.expect("it listens"), accepted.expect("a client"));
        let (resets, mut sees) = match rng.bool() {
            true => (client, server),
            false => (server, client),
        };
        let own = ledger.clone();
        let reader = ledger.spawn(async move {
            let mut buffer = [0; 512];
            let ended = loop {
                match sees.read(&mut buffer).await {
                    Ok(0) => break Ok(()),
                    Ok(_) => {}
                    Err(error) => break Err(error.kind()),
                }
            };
            assert_eq!(ended, Err(ErrorKind::ConnectionReset));
            own.back(Item::Reply, 1);
        });
        let sent = bytes(&mut rng, 300);
        (&resets).write_all(&sent).await.expect("it is open");
        sleep(short(&mut rng, 2)).await;
        let own = ledger.clone();
        resets
            .reset(move || own.back(Item::Callback, 1))
            .expect("it is open");
        reader.await;
        sleep(short(&mut rng, 1)).await;
    }
}

/// Datagrams, each answered before the next is sent: nothing may be lost that way.
pub async fn udp(ledger: Ledger, mut rng: Rng) {
    let server = UdpSocket::bind(ANY_PORT).await.expect("a port");
    let client = UdpSocket::bind(ANY_PORT).await.expect("a port");
    let address = server.local_addr().expect("it is bound");
    let count = rng.u64(1..20);
    ledger.owe(Item::Reply, count);
    let answering = ledger.spawn(async move {
        let mut buffer = vec![0; 2048];
        for _ in 0..count {
            let (length, peer) = server.recv_from(&mut buffer).await.expect("a datagram");
            server
                .send_to(&buffer[..length], peer)
                .await
                .expect("an answer");
        }
    });
    client.connect(address).await.expect("an address");
    let mut answer = vec![0; 2048];
    for _ in 0..count {
        let length = rng.usize(1..1400);
        let datagram = bytes(&mut rng, length);
        ledger.owe(Item::Byte, length as u64);
        client.send(&datagram).await.expect("a small datagram");
        let received = client.recv(&mut answer).await.expect("the answer");
        assert!(
            answer[..received] == datagram[..],
            "the answer has other bytes"
        );
        ledger.back(Item::Byte, length as u64);
        ledger.back(Item::Reply, 1);
    }
    answering.await;
}

/// Unix sockets: a pair, a listener in a directory, datagrams.
pub async fn unix(ledger: Ledger, mut rng: Rng) {
    let (client, server) = UnixStream::pair().expect("a pair");
    let serving = ledger.spawn(echo(server));
    drop(ask(&ledger, &mut rng, client).await);
    serving.await;

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a new path");
    let server = ledger.clone();
    let serving = ledger.spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        server.spawn(echo(stream)).await;
    });
    let client = UnixStream::connect(&path).await.expect("it listens");
    drop(ask(&ledger, &mut rng, client).await);
    serving.await;

    let (sender, receiver) = UnixDatagram::pair().expect("a pair");
    let count = rng.u64(1..40);
    ledger.owe(Item::Message, count);
    let own = ledger.clone();
    let reading = ledger.spawn(async move {
        let mut buffer = [0; 64];
        for number in 0..count {
            let length = receiver.recv(&mut buffer).await.expect("a datagram");
            assert_eq!(
                buffer[..length],
                number.to_le_bytes(),
                "datagrams are in order"
            );
            own.back(Item::Message, 1);
        }
    });
    for number in 0..count {
        sender
            .send(&number.to_le_bytes())
            .await
            .expect("the other end is open");
    }
    reading.await;
}

/// Connections that are refused, and an `accept` that is given up.
pub async fn refusals(ledger: Ledger, mut rng: Rng) {
    let holds_the_port = TcpSocket::new_v4().expect("a socket");
    holds_the_port
        .bind(ANY_PORT.parse().expect("an address"))
        .expect("a port");
    let address = holds_the_port.local_addr().expect("it is bound");
    for _ in 0..rng.usize(1..4) {
        ledger.owe(Item::Reply, 1);
        let refused = TcpStream::connect(address)
            .await
            .expect_err("it does not listen");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{refused}");
        ledger.back(Item::Reply, 1);
    }
    let listener = TcpListener::bind(ANY_PORT).await.expect("a port");
    let given_up = timeout(short(&mut rng, 2), listener.accept()).await;
    assert!(given_up.is_err(), "nobody connects");
}
