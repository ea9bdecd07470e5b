//! UDP between the hosts of a world.

use std::io::{self, ErrorKind};

use nodeloop::Seed;
use nodeloop::net::UdpSocket;
use nodeloop::test::World;
use nodeloop::time::{sleep, timeout};

use crate::common::limit::limit;
use crate::notes::{Notes, ms};

#[test]
fn datagrams_are_exchanged() {
    let _limit = limit();
    let world = World::builder().latency(ms(3)..=ms(3)).build();
    let notes = Notes::of(&world);
    let server = notes.clone();
    world.host("server").run(async move || {
        let socket = UdpSocket::bind("0.0.0.0:53").await?;
        let mut buffer = [0; 4];
        let (length, from) = socket.recv_from(&mut buffer).await?;
        server.add(format!("{length} of {from}"));
        socket.send_to(b"answer", from).await?;
        io::Result::Ok(())
    });
    let client = notes.clone();
    world.host("client").run(async move || {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.connect("server:53").await?;
        assert_eq!(socket.local_addr()?.to_string(), "10.0.0.2:49152");
        socket.send(b"question").await?;
        let mut buffer = [0; 16];
        let length = socket.recv(&mut buffer).await?;
        client.add(String::from_utf8_lossy(&buffer[..length]));
        io::Result::Ok(())
    });
    world.run();
    notes.assert(["3ms 4 of 10.0.0.2:49152", "6ms answer"]);
}

#[test]
fn a_connected_sender_learns_that_nobody_receives() {
    let _limit = limit();
    let world = World::new();
    world
        .host("server")
        .serve(async || std::future::pending::<()>().await);
    world.host("client").run(async || {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.connect("server:53").await?;
        socket.send(b"question").await?;
        let error = socket.recv(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = socket.send(&[0; 70_000]).await.unwrap_err();
        assert!(error.raw_os_error().is_some());
        io::Result::Ok(())
    });
    world.run();
}

/// Sends ten datagrams and returns those that arrive.
fn received(world: &World) -> Vec<u8> {
    let log = world.log();
    world.host("receiver").run(async move || {
        let socket = UdpSocket::bind("0.0.0.0:53").await?;
        let mut buffer = [0; 1];
        while timeout(ms(1000), socket.recv(&mut buffer)).await.is_ok() {
            log.add(buffer[0]);
        }
        io::Result::Ok(())
    });
    world.host("sender").run(async || {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        for number in 0..10 {
            socket.send_to(&[number], "receiver:53").await?;
            sleep(ms(1)).await;
        }
        io::Result::Ok(())
    });
    world.run();
    let labels = world.log().labels();
    labels.iter().map(|label| label.parse().unwrap()).collect()
}

#[test]
fn datagrams_are_lost_duplicated_and_reordered_by_the_seed() {
    let _limit = limit();
    let all: Vec<u8> = (0..10).collect();
    assert_eq!(received(&World::new()), all);
    let lossy = |number| {
        World::builder()
            .datagram_loss(0.4)
            .seed(Seed::new(number))
            .build()
    };
    let lost = received(&lossy(1));
    assert!(lost.len() < 10 && lost.is_sorted(), "{lost:?}");
    assert_eq!(received(&lossy(1)), lost);
    assert_ne!(received(&lossy(2)), lost);
    let doubled = received(&World::builder().datagram_duplication(0.4).build());
    assert!(doubled.len() > 10 && doubled.is_sorted(), "{doubled:?}");
    let reordered = received(&World::builder().datagram_reordering(0.4).build());
    assert!(
        reordered.len() == 10 && !reordered.is_sorted(),
        "{reordered:?}"
    );
}

#[test]
fn a_full_buffer_loses_datagrams() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let log = notes.clone();
    world.host("alone").run(async move || {
        let receiver = UdpSocket::bind("127.0.0.1:0").await?;
        let sender = UdpSocket::bind("127.0.0.1:0").await?;
        for _ in 0..300 {
            sender.send_to(&[0; 1_000], receiver.local_addr()?).await?;
        }
        let mut count = 0;
        while timeout(ms(1), receiver.recv(&mut [0; 1_000])).await.is_ok() {
            count += 1;
        }
        log.add(count);
        io::Result::Ok(())
    });
    world.run();
    notes.assert(["1ms 212"]);
}

#[test]
fn a_socket_that_is_connected_to_any_address_reaches_its_own_host() {
    let _limit = limit();
    let body = async || {
        let server = UdpSocket::bind("127.0.0.1:0").await?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        client
            .connect(("0.0.0.0", server.local_addr()?.port()))
            .await?;
        client.send(b"question").await?;
        let mut buffer = [0; 16];
        let (length, from) = server.recv_from(&mut buffer).await?;
        server.send_to(&buffer[..length], from).await?;
        let length = client.recv(&mut buffer).await?;
        let peer = client.peer_addr()? == server.local_addr()?;
        io::Result::Ok((buffer[..length].to_vec(), peer))
    };
    let real = nodeloop::block_on(body()).unwrap();
    assert_eq!(real, (b"question".to_vec(), true));
    assert_eq!(crate::common::block_on(body()).unwrap(), real);
}
