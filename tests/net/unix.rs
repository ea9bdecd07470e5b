//! Unix domain sockets. `tests/rules/pending.rs` tests the phases in which connects are reported.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::Poll;

use crate::common::limit::limit;
use crate::common::net::{SocketPath, destroy};
use crate::common::{block_on, needs_system};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::{FutureExt, StreamExt};
use nodeloop::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream};
use nodeloop::spawn;

#[test]
fn a_stream_connects_and_carries_data() {
    let _limit = limit();
    let path = SocketPath::new();
    block_on(async move {
        let listener = UnixListener::bind(&path.path).unwrap();
        assert_eq!(
            listener.local_addr().unwrap().as_pathname(),
            Some(&*path.path)
        );
        let serving = spawn(async move {
            let mut incoming = listener.incoming().take(2);
            while let Some(stream) = incoming.next().await {
                let stream = stream.unwrap();
                futures::io::copy(&stream, &mut &stream).await.unwrap();
            }
        });
        for text in ["first", "second"] {
            let stream = UnixStream::connect(&path.path).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path.path));
            assert!(stream.take_error().unwrap().is_none());
            let (mut reader, mut writer) = (&stream, &stream);
            writer.write_all(text.as_bytes()).await.unwrap();
            writer.close().await.unwrap();
            let mut echo = String::new();
            reader.read_to_string(&mut echo).await.unwrap();
            assert_eq!(echo, text);
        }
        serving.await;
    });
}

#[test]
fn a_path_in_use_is_an_error() {
    let _limit = limit();
    let path = SocketPath::new();
    block_on(async move {
        let _listener = UnixListener::bind(&path.path).unwrap();
        let again = UnixListener::bind(&path.path);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_path_without_a_listener_refuses() {
    let _limit = limit();
    let path = SocketPath::new();
    block_on(async move {
        drop(UnixListener::bind(&path.path).unwrap()); // the path stays
        let refused = UnixStream::connect(&path.path).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_pair_converts_to_std_and_back() {
    let _limit = limit();
    if needs_system("sockets of the standard library") {
        return;
    }
    block_on(async {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut other = UnixStream::from_std(other.into_std().unwrap()).unwrap();
        one.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(other.read(&mut buffer).await.unwrap(), 5);
        other.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(one.read(&mut buffer).await.unwrap(), 0);
        let listener = SocketPath::new();
        let std_listener = std::os::unix::net::UnixListener::bind(&listener.path).unwrap();
        let ours = UnixListener::from_std(std_listener).unwrap();
        let connecting = UnixStream::connect(&listener.path);
        let (stream, accepted) = futures::join!(connecting, ours.accept());
        assert!(stream.is_ok() && accepted.unwrap().1.is_unnamed());
        ours.into_std().unwrap();
    });
}

/// Dropping a connect that has already failed has no effect.
#[test]
fn a_connect_may_be_dropped_before_its_report() {
    let _limit = limit();
    block_on(async {
        let mut connecting = Box::pin(UnixStream::connect("/nonexistent/socket"));
        assert!(futures::poll!(&mut connecting).is_pending());
        drop(connecting);
        nodeloop::yield_now().await;
    });
}

/// The texts are those of Node.
#[test]
fn errors_name_the_path() {
    let _limit = limit();
    let path = SocketPath::new();
    block_on(async move {
        let error = UnixStream::connect("/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "connect ENOENT /nonexistent/socket");
        let _listener = UnixListener::bind(&path.path).unwrap();
        let error = UnixListener::bind(&path.path).unwrap_err();
        let path = path.path.display();
        let text = format!("listen EADDRINUSE: address already in use {path}");
        assert_eq!(error.to_string(), text);
        let datagrams = UnixDatagram::unbound().unwrap();
        let error = datagrams.connect("/nonexistent/socket").unwrap_err();
        assert_eq!(error.to_string(), "connect ENOENT /nonexistent/socket");
        let error = datagrams
            .send_to(b"x", "/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "send ENOENT /nonexistent/socket");
    });
}

#[test]
fn halves_are_owned_and_reunited() {
    let _limit = limit();
    block_on(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (reader, mut writer) = one.into_split();
        writer.write_all(b"whole").await.unwrap();
        let one = reader.reunite(writer).unwrap();
        let mut buffer = [0; 5];
        other.read_exact(&mut buffer).await.unwrap();
        let (mut reader, writer) = one.into_split();
        drop(writer);
        assert_eq!(
            other.read(&mut buffer).await.unwrap(),
            0,
            "that direction has ended"
        );
        other.write_all(b"alive").await.unwrap();
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"alive");
        destroy(reader.as_ref()).await;
        assert!(reader.read(&mut buffer).await.is_err());
    });
}

#[test]
fn datagrams_arrive_whole_with_their_source_address() {
    let _limit = limit();
    let (here, there) = (SocketPath::new(), SocketPath::new());
    block_on(async move {
        let one = UnixDatagram::bind(&here.path).unwrap();
        let other = UnixDatagram::bind(&there.path).unwrap();
        let nameless = UnixDatagram::unbound().unwrap();
        for text in ["first", ""] {
            one.send_to(text.as_bytes(), &there.path).await.unwrap();
        }
        nameless.connect(&there.path).unwrap();
        assert_eq!(
            nameless.peer_addr().unwrap().as_pathname(),
            Some(&*there.path)
        );
        nameless.send(b"nameless").await.unwrap();
        let mut buffer = [0; 16];
        for text in ["first", ""] {
            let (length, from) = other.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], text.as_bytes());
            assert_eq!(from.as_pathname(), Some(&*here.path));
        }
        let (length, from) = other.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"nameless");
        assert!(from.is_unnamed());
        assert_eq!(
            other.local_addr().unwrap().as_pathname(),
            Some(&*there.path)
        );
        assert!(UnixDatagram::bind(&here.path).is_err());
    });
}

/// What Node does with these names was recorded with `net.createServer().listen('\0x')`.
#[test]
#[cfg(target_os = "linux")] // only Linux has abstract names
fn a_path_that_begins_with_a_nul_byte_is_an_abstract_name() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    use std::os::linux::net::SocketAddrExt;

    let name = format!("nodeloop-\0-{}", std::process::id());
    let path = format!("\0{name}");
    block_on(async move {
        let listener = UnixListener::bind(&path).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
        let std_client = std::os::unix::net::UnixStream::connect_addr(&address);
        drop((std_client.unwrap(), listener.accept().await.unwrap()));
        let client = UnixStream::connect(&path).await.unwrap();
        let address = client.peer_addr().unwrap();
        assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));

        let again = UnixListener::bind(&path).unwrap_err();
        let text = format!("listen EADDRINUSE: address already in use {path}");
        assert_eq!(again.to_string(), text);
        drop((client, listener));
        let refused = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("connect ECONNREFUSED {path}"));
        // Linux has room for 107 bytes. Node truncates the name.
        let too_long = UnixListener::bind(format!("\0{}", "x".repeat(108)));
        assert_eq!(too_long.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
#[cfg(target_os = "linux")] // only Linux has abstract names
fn datagrams_use_abstract_names() {
    let _limit = limit();
    use std::os::linux::net::SocketAddrExt;

    let path = |number| format!("\0nodeloop-datagram-{}-{number}", std::process::id());
    block_on(async move {
        let one = UnixDatagram::bind(path(1)).unwrap();
        let other = UnixDatagram::bind(path(2)).unwrap();
        one.send_to(b"to", path(2)).await.unwrap();
        one.connect(path(2)).unwrap();
        one.send(b"connected").await.unwrap();
        let mut buffer = [0; 16];
        for text in [&b"to"[..], b"connected"] {
            let (length, from) = other.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], text);
            assert_eq!(from.as_abstract_name(), Some(&path(1).as_bytes()[1..]));
        }
        let refused = one.send_to(b"x", path(3)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_nul_byte_within_a_path_is_an_error() {
    let _limit = limit();
    block_on(async {
        let kind = ErrorKind::InvalidInput;
        assert_eq!(UnixListener::bind("a\0b").unwrap_err().kind(), kind);
        assert_eq!(UnixStream::connect("a\0b").await.unwrap_err().kind(), kind);
        let socket = UnixDatagram::unbound().unwrap();
        assert_eq!(socket.connect("a\0b").unwrap_err().kind(), kind);
        let sent = socket.send_to(b"x", "a\0b").await;
        assert_eq!(sent.unwrap_err().kind(), kind);
    });
}

/// Linux would bind the listener to a name of its own choice, where no client finds it.
#[test]
fn an_empty_path_is_an_error() {
    let _limit = limit();
    let check = |error: std::io::Error| {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("is empty"), "{error}");
    };
    let paths: &[&str] = if cfg!(target_os = "linux") {
        &["", "\0"]
    } else {
        &[""]
    };
    block_on(async {
        for path in paths {
            check(UnixListener::bind(path).unwrap_err());
            check(UnixStream::connect(path).await.unwrap_err());
            check(UnixDatagram::bind(path).unwrap_err());
            let socket = UnixDatagram::unbound().unwrap();
            check(socket.connect(path).unwrap_err());
            check(socket.send_to(b"x", path).await.unwrap_err());
        }
    });
}

/// On other systems the names do not exist.
#[test]
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_names_are_unsupported() {
    let _limit = limit();
    block_on(async {
        let error = UnixListener::bind("\0name").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    });
}

/// A receiver that is slow loses nothing: both ways of sending wait for it.
#[test]
fn datagrams_wait_for_a_slow_receiver() {
    let _limit = limit();
    const COUNT: usize = 3_000;
    let path = SocketPath::new();
    block_on(async move {
        let receiver = UnixDatagram::bind(&path.path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let connected = UnixDatagram::unbound().unwrap();
        connected.connect(&path.path).unwrap();
        let sending = spawn(async move {
            for _ in 0..COUNT {
                connected.send(b"connected").await.unwrap();
            }
        });
        let sending_to = spawn(async move {
            for _ in 0..COUNT {
                sender.send_to(b"to a path", &path.path).await.unwrap();
            }
        });
        nodeloop::yield_now().await;
        assert!(
            !sending.is_finished() && !sending_to.is_finished(),
            "they wait"
        );
        for received in 0..2 * COUNT {
            assert_eq!(receiver.recv(&mut [0; 16]).await.unwrap(), 9);
            if received % 100 == 0 {
                nodeloop::yield_now().await;
            }
        }
        sending.await;
        sending_to.await;
    });
}

#[test]
fn datagram_sockets_pair_go_to_std_and_close() {
    let _limit = limit();
    if needs_system("sockets of the standard library") {
        return;
    }
    block_on(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let other = UnixDatagram::from_std(other.into_std().unwrap()).unwrap();
        one.send(b"hello").await.unwrap();
        other.readable().await.unwrap();
        other.writable().await.unwrap();
        assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 5);
        assert!(other.take_error().unwrap().is_none());
        assert!(other.has_ref() && !other.unref().has_ref() && other.ref_().has_ref());
        other.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(other.send(b"no more").await.is_err());
        let other = Rc::new(other);
        let waiting = other.clone();
        let waiting = spawn(async move { waiting.recv(&mut [0; 8]).await.unwrap_err().kind() });
        other.close().await;
        assert_eq!(waiting.await, ErrorKind::NotConnected);
        assert!(other.descriptor().is_err());
        assert!(one.send(b"gone").await.is_err());
        let (closes, _peer) = UnixDatagram::pair().unwrap();
        let (promise, resolver) = nodeloop::promise::with_resolver();
        closes.close_with(move || resolver.resolve(()));
        promise.await;
    });
}

#[test]
fn a_socket_is_bound_before_it_connects() {
    let _limit = limit();
    let (server, client) = (SocketPath::new(), SocketPath::new());
    block_on(async move {
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&server.path).unwrap();
        let listener = socket.listen(16).unwrap();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&client.path).unwrap();
        let error = UnixSocket::new_stream().unwrap().bind(&client.path);
        let text = format!("bind EADDRINUSE {}", client.path.display());
        assert_eq!(error.unwrap_err().to_string(), text);
        let stream = socket.connect(&server.path).await.unwrap();
        let (accepted, from) = listener.accept().await.unwrap();
        assert_eq!(from.as_pathname(), Some(&*client.path));
        assert_eq!(
            accepted.peer_addr().unwrap().as_pathname(),
            Some(&*client.path)
        );
        assert_eq!(
            stream.local_addr().unwrap().as_pathname(),
            Some(&*client.path)
        );

        let refused = UnixSocket::new_stream().unwrap().connect("/nowhere/socket");
        let text = "connect ENOENT /nowhere/socket";
        assert_eq!(refused.await.unwrap_err().to_string(), text);
    });
}

/// After a datagram that did not fit, `writable` waits until the receiver has read one.
#[test]
fn a_full_queue_is_reported_to_a_sender_that_does_not_wait() {
    let _limit = limit();
    let path = SocketPath::new();
    block_on(async move {
        let receiver = UnixDatagram::bind(&path.path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let mut sent = 0;
        let full = loop {
            match sender.try_send_to(b"x", &path.path) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let polled = poll_fn(|cx| Poll::Ready(sender.poll_send_to(cx, b"x", &path.path))).await;
        assert!(polled.is_pending());
        assert!(sender.writable().now_or_never().is_none());
        receiver.readable().await.unwrap();
        let reading = spawn(async move {
            for _ in 0..sent {
                receiver.recv(&mut [0; 8]).await.unwrap();
            }
            receiver
        });
        sender.writable().await.unwrap();
        let sent = poll_fn(|cx| sender.poll_send_to(cx, b"x", &path.path)).await;
        assert_eq!(sent.unwrap(), 1);
        let receiver = reading.await;
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 1);
    });
}

#[test]
fn a_socket_for_datagrams_is_not_one_for_streams() {
    let _limit = limit();
    let (one, other) = (SocketPath::new(), SocketPath::new());
    block_on(async move {
        let socket = UnixSocket::new_datagram().unwrap();
        socket.bind(&one.path).unwrap();
        let one = (socket.datagram().unwrap(), one);
        let socket = UnixSocket::new_datagram().unwrap();
        socket.bind(&other.path).unwrap();
        let other = (socket.datagram().unwrap(), other);
        assert_eq!(one.0.try_send_to(b"abc", &other.1.path).unwrap(), 3);
        other.0.readable().await.unwrap();
        let (length, from) = other.0.try_recv_from(&mut [0; 8]).unwrap();
        assert_eq!((length, from.as_pathname()), (3, Some(&*one.1.path)));

        let socket = UnixSocket::new_stream().unwrap();
        assert_eq!(
            socket.datagram().unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let socket = UnixSocket::new_datagram().unwrap();
        let error = socket.connect(&one.1.path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = UnixSocket::new_datagram().unwrap().listen(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[cfg(target_os = "linux")] // the process id of a peer is that of Linux
#[test]
fn the_credentials_of_the_peer() {
    let _limit = limit();
    if needs_system("the peer is this process") {
        return;
    }
    block_on(async {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = one.peer_cred().unwrap();
        assert_eq!(peer.pid(), Some(std::process::id() as i32));
        assert_eq!(peer.uid(), rustix::process::geteuid().as_raw());
        assert_eq!(peer.gid(), rustix::process::getegid().as_raw());
    });
}
