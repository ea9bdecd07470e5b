//! TCP between the hosts of a world, and within one.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{NetError, TcpListener, TcpSocket, TcpStream, lookup_host};
use nodeloop::set_immediate;
use nodeloop::test::World;
use nodeloop::time::sleep;

use crate::common::limit::limit;
use crate::notes::{Notes, ms};

/// Reads until the end of the stream.
async fn text_of(mut stream: &TcpStream) -> io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[test]
fn a_connection_takes_the_time_of_its_packets() {
    let _limit = limit();
    let world = World::builder().latency(ms(10)..=ms(10)).build();
    let notes = Notes::of(&world);
    let server = notes.clone();
    world.host("server").run(async move || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let (mut stream, peer) = listener.accept().await?;
        server.add(format!("server: accepted {peer}"));
        let mut buffer = [0; 16];
        let length = stream.read(&mut buffer).await?;
        server.add(format!(
            "server: {}",
            String::from_utf8_lossy(&buffer[..length])
        ));
        stream.write_all(b"pong").await?;
        assert_eq!(stream.read(&mut buffer).await?, 0);
        server.add("server: end");
        io::Result::Ok(())
    });
    let client = notes.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:80").await?;
        client.add(format!("client: connected to {}", stream.peer_addr()?));
        stream.write_all(b"ping").await?;
        let mut buffer = [0; 4];
        stream.read_exact(&mut buffer).await?;
        client.add(format!("client: {}", String::from_utf8_lossy(&buffer)));
        io::Result::Ok(())
    });
    world.run();
    notes.assert([
        "20ms client: connected to 10.0.0.1:80",
        "30ms server: accepted 10.0.0.2:49152",
        "30ms server: ping",
        "40ms client: pong",
        "50ms server: end",
    ]);
}

#[test]
fn within_a_host_packets_take_no_time() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let log = notes.clone();
    world.host("alone").run(async move || {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        assert_eq!(address.port(), 49_152);
        let server = log.clone();
        let accepted = nodeloop::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            server.add("accepted");
            text_of(&stream).await.unwrap()
        });
        let mut stream = TcpStream::connect(address).await?;
        log.add("connected");
        stream.write_all(b"hello").await?;
        stream.close().await?;
        log.add(accepted.await);
        io::Result::Ok(())
    });
    world.run();
    notes.assert(["0ns accepted", "0ns connected", "0ns hello"]);
}

#[test]
fn a_port_without_a_listener_refuses() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    world
        .host("server")
        .serve(async || std::future::pending::<()>().await);
    let log = notes.clone();
    world.host("client").run(async move || {
        let error = TcpStream::connect("server:80").await.unwrap_err();
        log.add(&error);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(NetError::of(&error).unwrap().raw_os_error().is_some());
        // Within the host the refusal is known at once, and reported by the pending phase (R63).
        let immediate = log.clone();
        set_immediate(move || immediate.add("immediate"));
        let error = TcpStream::connect("127.0.0.1:81").await.unwrap_err();
        log.add(error);
    });
    world.run();
    notes.assert([
        "2ms connect ECONNREFUSED 10.0.0.1:80",
        "2ms connect ECONNREFUSED 127.0.0.1:81",
        "2ms immediate",
    ]);
}

#[test]
fn nobody_answers_at_an_address_that_no_host_has() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let log = notes.clone();
    world.host("client").run(async move || {
        log.add(TcpStream::connect("10.9.9.9:80").await.unwrap_err());
        log.add(lookup_host("nowhere:80").await.unwrap_err());
        log.add(TcpListener::bind("10.9.9.9:80").await.unwrap_err());
        let local = lookup_host("localhost:7").await.unwrap();
        log.add(format!("{local:?}"));
    });
    world.run();
    notes.assert([
        "0ns connect EHOSTUNREACH 10.9.9.9:80",
        "0ns getaddrinfo nowhere: failed to lookup address information: no host of the world has this name",
        "0ns listen EADDRNOTAVAIL: address not available 10.9.9.9:80",
        "0ns [127.0.0.1:7]",
    ]);
}

#[test]
fn a_port_is_taken_until_its_listener_is_dropped() {
    let _limit = limit();
    let world = World::new();
    world.host("server").run(async || {
        let first = TcpListener::bind("127.0.0.1:80").await?;
        let error = TcpListener::bind("0.0.0.0:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(first);
        TcpListener::bind("0.0.0.0:80").await?;
        io::Result::Ok(())
    });
    world.run();
}

#[test]
fn a_full_buffer_makes_the_writer_wait_for_the_reader() {
    let _limit = limit();
    const TOTAL: usize = 1 << 20;
    let world = World::new();
    let notes = Notes::of(&world);
    let server = notes.clone();
    world.host("server").run(async move || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let (mut stream, _) = listener.accept().await?;
        sleep(Duration::from_secs(1)).await;
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await?;
        assert!(
            received
                .iter()
                .enumerate()
                .all(|(at, byte)| *byte == (at % 251) as u8)
        );
        server.add(format!("server: {}", received.len()));
        io::Result::Ok(())
    });
    let client = notes.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:80").await?;
        let bytes: Vec<u8> = (0..TOTAL).map(|at| (at % 251) as u8).collect();
        stream.write_all(&bytes).await?;
        client.add("client: written");
        stream.close().await?;
        io::Result::Ok(())
    });
    world.run();
    let log = world.log().labels();
    assert!(log[0].starts_with("1.0"), "{log:?}"); // the reader slept for a second
    assert_eq!(log.len(), 2);
    assert!(log[1].ends_with("server: 1048576"), "{log:?}");
}

#[test]
fn each_direction_ends_on_its_own() {
    let _limit = limit();
    let world = World::new();
    world.host("server").run(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let (mut stream, _) = listener.accept().await?;
        assert_eq!(text_of(&stream).await?, "request");
        stream.write_all(b"response").await?;
        io::Result::Ok(())
    });
    world.host("client").run(async || {
        let mut stream = TcpStream::connect("server:80").await?;
        stream.write_all(b"request").await?;
        stream.shutdown(Shutdown::Write)?;
        let error = stream.write(b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(text_of(&stream).await?, "response");
        io::Result::Ok(())
    });
    world.run();
}

#[test]
fn dropping_a_stream_with_unread_bytes_resets_the_connection() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    world.host("server").run(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let (stream, _) = listener.accept().await?;
        stream.readable().await?;
        drop(stream);
        io::Result::Ok(())
    });
    let log = notes.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:80").await?;
        stream.write_all(b"unread").await?;
        log.add(stream.read(&mut [0; 8]).await.unwrap_err().kind());
        assert_eq!(stream.read(&mut [0; 8]).await?, 0); // the error is reported once, as on Linux
        log.add(stream.write(b"more").await.unwrap_err().kind());
        io::Result::Ok(())
    });
    world.run();
    notes.assert(["4ms connection reset", "4ms broken pipe"]);
}

#[test]
fn a_reset_discards_what_was_written() {
    let _limit = limit();
    let world = World::new();
    world.host("server").run(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let (mut stream, _) = listener.accept().await?;
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        io::Result::Ok(())
    });
    world.host("client").run(async || {
        let stream = TcpStream::connect("server:80").await?;
        stream.reset(|| {})?;
        io::Result::Ok(())
    });
    world.run();
}

#[test]
fn options_are_stored_and_a_descriptor_is_refused() {
    let _limit = limit();
    let world = World::new();
    world.host("alone").run(async || {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(10_000)?;
        assert_eq!(socket.recv_buffer_size()?, 20_000);
        socket.bind("127.0.0.1:0".parse().unwrap())?;
        let listener = socket.listen(16)?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        let (accepted, peer) = listener.accept().await?;
        assert_eq!(accepted.recv_buffer_size()?, 20_000);
        assert_eq!(peer, stream.local_addr()?);
        stream.set_nodelay(true)?;
        stream.set_ttl(7)?;
        stream.set_keepalive(Some(Duration::from_secs(5)))?;
        assert!(stream.nodelay()? && stream.keepalive()?);
        assert_eq!((stream.ttl()?, stream.linger()?), (7, None));
        #[cfg(unix)] // Windows has no descriptors
        {
            let error = stream.descriptor().unwrap_err();
            assert!(error.to_string().contains("simulated world"), "{error}");
        }
        let error = stream.into_std().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        io::Result::Ok(())
    });
    world.run();
}

#[test]
fn a_socket_of_the_system_is_refused() {
    let _limit = limit();
    let world = World::new();
    let real = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    world.host("alone").run(async move || {
        let error = TcpListener::from_std(real.try_clone().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    });
    world.run();
}

#[test]
fn an_event_permits_32_accepts() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let log = notes.clone();
    world.host("alone").run(async move || {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut clients = Vec::new();
        for _ in 0..40 {
            clients.push(TcpStream::connect(address).await?);
        }
        let next = log.clone();
        let mut accepted = 0;
        while accepted < 40 {
            listener.accept().await?;
            accepted += 1;
            if accepted == 1 {
                let next = next.clone();
                set_immediate(move || next.add("immediate"));
            }
            if [32, 33, 40].contains(&accepted) {
                log.add(accepted);
            }
        }
        io::Result::Ok(())
    });
    world.run();
    notes.assert(["0ns 32", "0ns immediate", "0ns 33", "0ns 40"]);
}
