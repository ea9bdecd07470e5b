//! TCP: options before and after connecting, owned halves, closing, and backpressure.

use std::cell::RefCell;
use std::io::{ErrorKind, Read};
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::net::{ANY, Refusing, destroy, tcp_pair};
use crate::common::{block_on, needs_system, run};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{NetError, TcpListener, TcpSocket, TcpStream, UdpSocket};
use nodeloop::{set_immediate, set_timeout, spawn, yield_now};

#[test]
fn a_socket_listens_and_another_connects() {
    let _limit = limit();
    block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        assert!(socket.reuseaddr().unwrap());
        socket.set_recv_buffer_size(32_768).unwrap();
        assert!(socket.recv_buffer_size().unwrap() >= 32_768);
        socket.bind(ANY).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(16).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);

        let socket = TcpSocket::new_for(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_keepalive(Some(Duration::from_secs(30))).unwrap();
        socket.set_linger(Some(Duration::from_secs(1))).unwrap();
        socket.set_send_buffer_size(32_768).unwrap();
        assert!(socket.send_buffer_size().unwrap() >= 32_768);
        socket.bind(ANY).unwrap();
        let here = socket.local_addr().unwrap();
        let (stream, accepted) = futures::join!(socket.connect(address), listener.accept());
        let (mut stream, (mut accepted, peer)) = (stream.unwrap(), accepted.unwrap());
        assert_eq!((peer, stream.local_addr().unwrap()), (here, here));
        assert!(stream.nodelay().unwrap() && stream.keepalive().unwrap());
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(1)));
        stream.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 5];
        accepted.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"hello");
    });
}

#[test]
fn errors_name_the_address() {
    let _limit = limit();
    if needs_system("the address is held by a socket of the system") {
        return;
    }
    block_on(async {
        let refusing = Refusing::tcp();
        let address = refusing.address;
        let error = TcpSocket::new_v4()
            .unwrap()
            .connect(address)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), format!("connect ECONNREFUSED {address}"));
        assert_eq!(NetError::of(&error).unwrap().attempts().len(), 1);
        let again = TcpSocket::new_v4().unwrap();
        assert_eq!(
            again.bind(address).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
    });
}

/// The system distributes connections to all listeners of the port, and none is lost.
#[test]
#[cfg(target_os = "linux")] // only Linux distributes connections to listeners of one port
fn listeners_share_a_port() {
    let _limit = limit();
    const CONNECTIONS: usize = 32;
    block_on(async {
        let listen = |address| {
            let socket = TcpSocket::new_v4().unwrap();
            assert!(!socket.reuseport().unwrap());
            socket.set_reuseport(true).unwrap();
            assert!(socket.reuseport().unwrap());
            socket.bind(address).unwrap();
            socket.listen(64).unwrap()
        };
        let first = listen(ANY);
        let address = first.local_addr().unwrap();
        let accepted = Rc::new(std::cell::Cell::new(0));
        for listener in [first, listen(address)] {
            let accepted = accepted.clone();
            spawn(async move {
                loop {
                    listener.accept().await.unwrap();
                    accepted.set(accepted.get() + 1);
                }
            })
            .detach();
        }
        for _ in 0..CONNECTIONS {
            TcpStream::connect(address).await.unwrap();
        }
        while accepted.get() < CONNECTIONS {
            yield_now().await;
        }
    });
}

/// The backlog is as long as Node's: no connection is dropped or has to be tried again.
#[test]
#[cfg(target_os = "linux")] // the length of the backlog is that of Linux
fn a_burst_of_connections_waits_for_being_accepted() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    const BURST: usize = 400;
    block_on(async {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_secs(5); // ends an attempt that was dropped
        let connect = |_| std::net::TcpStream::connect_timeout(&address, limit).unwrap();
        let clients: Vec<_> = (0..BURST).map(connect).collect();
        for client in clients {
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    });
}

#[test]
fn options_of_a_connection() {
    let _limit = limit();
    if needs_system("a descriptor is borrowed") {
        return;
    }
    block_on(async {
        let (stream, _other) = tcp_pair().await;
        assert!(!stream.keepalive().unwrap());
        stream.set_keepalive(Some(Duration::from_secs(10))).unwrap();
        assert!(stream.keepalive().unwrap());
        stream.set_keepalive(None).unwrap();
        assert!(!stream.keepalive().unwrap());
        stream.set_ttl(11).unwrap();
        assert_eq!(stream.ttl().unwrap(), 11);
        #[cfg(unix)] // Windows has no descriptors
        {
            let lent = stream.descriptor().unwrap();
            let socket = socket2::SockRef::from(&lent);
            assert_eq!(socket.ttl_v4().unwrap(), 11);
        }
    });
}

#[test]
fn two_tasks_own_a_half_each() {
    let _limit = limit();
    block_on(async {
        let (client, server) = tcp_pair().await;
        let (mut reader, mut writer) = client.into_split();
        assert_eq!(
            reader.as_ref().peer_addr().unwrap(),
            server.local_addr().unwrap()
        );
        let reading = spawn(async move {
            let mut text = String::new();
            reader.read_to_string(&mut text).await.unwrap();
            text
        });
        let writing = spawn(async move {
            writer.write_all(b"there").await.unwrap();
            // Dropping it ends the writing direction only.
        });
        let (mut from_client, mut to_client) = server.into_split();
        let mut text = String::new();
        from_client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "there");
        to_client.write_all(b"and back").await.unwrap();
        to_client.close().await.unwrap();
        writing.await;
        assert_eq!(reading.await, "and back");
    });
}

#[test]
fn close_ends_the_writing_direction_of_a_stream_and_closes_a_listener() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"question").await.unwrap();
        client.close().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").await.unwrap();
        server.close().await.unwrap();
        text.clear();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");

        listener.close(); // need not be awaited
        assert!(listener.local_addr().is_err());
        let socket = UdpSocket::bind(ANY).await.unwrap();
        socket.close().await;
        assert!(socket.local_addr().is_err());
    });
}

#[test]
fn halves_are_reunited() {
    let _limit = limit();
    block_on(async {
        let (client, mut server) = tcp_pair().await;
        let (other, _) = tcp_pair().await;
        let (reader, writer) = client.into_split();
        let (other_reader, other_writer) = other.into_split();
        let error = reader.reunite(other_writer).unwrap_err();
        assert_eq!(error.to_string(), "the halves are not of the same stream");
        let mut client = error.reader.reunite(writer).unwrap();
        client.write_all(b"whole").await.unwrap();
        let mut buffer = [0; 5];
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"whole");
        other_reader.reunite(error.writer).unwrap();
        // A forgotten half ends no direction.
        let (reader, writer) = client.into_split();
        writer.forget();
        server.write_all(b"still open").await.unwrap();
        let mut reader = reader;
        let mut buffer = [0; 10];
        reader.read_exact(&mut buffer).await.unwrap();
        let mut waiting = Box::pin(server.read(&mut buffer));
        assert!(futures::poll!(&mut waiting).is_pending());
        yield_now().await;
        assert!(
            futures::poll!(&mut waiting).is_pending(),
            "it has not ended"
        );
        drop(reader);
        assert_eq!(waiting.await.unwrap(), 0);
    });
}

/// R62: the promise is settled in the close phase: after the immediates and before the timers.
/// Of two sockets the one closed last comes first.
#[test]
fn r62_closing_can_be_awaited() {
    let _limit = limit();
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = log.clone();
    run(async move {
        let logging = |line: &'static str| {
            let log = log.clone();
            move || log.borrow_mut().push(line)
        };
        let (one, other) = tcp_pair().await;
        yield_now().await;
        let (first, second) = (destroy(&one), destroy(&other));
        for (closing, log) in [(first, logging("first")), (second, logging("second"))] {
            spawn(async move {
                closing.await;
                log();
            })
            .detach();
        }
        set_timeout(Duration::from_millis(1), logging("timer"));
        set_immediate(logging("check"));
    });
    // The immediate was made by the check phase and waits for the next one; the close phase of
    // this turn comes before it.
    let lines = seen.borrow();
    let at = |line| lines.iter().position(|one| *one == line).unwrap();
    assert!(at("second") < at("first"), "{lines:?}");
    assert!(at("first") < at("check"), "{lines:?}");
    assert_eq!(lines.len(), 4);
}

/// While the peer does not read, the writer waits once the buffers of the system are full, and keeps no
/// buffer of its own. When the peer reads, all data arrives.
#[test]
fn a_slow_reader_makes_the_writer_wait() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    block_on(async {
        let (mut client, server) = tcp_pair().await;
        let chunk = vec![7; 64 * 1024];
        let mut sent = 0;
        // Both buffers of the system together are a few megabytes at most.
        while sent < 64 << 20 {
            let mut writing = Box::pin(client.write(&chunk));
            match futures::poll!(&mut writing) {
                std::task::Poll::Ready(length) => sent += length.unwrap(),
                std::task::Poll::Pending => {
                    drop(writing);
                    // The system may move bytes to the other end and accept more.
                    let mut writing = Box::pin(client.write(&chunk));
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    match futures::poll!(&mut writing) {
                        std::task::Poll::Ready(length) => sent += length.unwrap(),
                        std::task::Poll::Pending => break,
                    }
                }
            }
        }
        assert!(
            sent < 64 << 20,
            "the system has accepted {sent} bytes without a reader"
        );
        drop(client);
        let mut server = server.into_std().unwrap();
        server.set_nonblocking(false).unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), sent);
    });
}

#[test]
fn sockets_of_socket2_are_taken_over() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    block_on(async {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = TcpSocket::from_std(socket.unwrap().into());
        socket.bind(ANY).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let socket = socket2::Socket::from(TcpSocket::new_v4().unwrap().into_std());
        socket.connect(&address.into()).unwrap();
        let stream = TcpStream::from_std(socket.into()).unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(stream.local_addr().unwrap(), peer);
    });
}
