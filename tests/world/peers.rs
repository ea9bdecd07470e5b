//! Reports tell connections apart that a server has accepted at one line, and packets of one host.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::spawn;
use nodeloop::test::World;

use crate::common::limit::limit;

/// The report of an exploration that finds the order "b", "a" in the log.
fn report_of(add_hosts: impl Fn(&World)) -> String {
    let explore = || {
        World::builder().explore(50, |world| {
            add_hosts(world);
            world.run();
            world.log().assert_order(["a", "b"]);
        })
    };
    let panic = catch_unwind(AssertUnwindSafe(explore)).expect_err("a seed fails");
    *panic.downcast::<String>().expect("a report")
}

#[test]
fn the_peer_of_a_source_is_named() {
    let _limit = limit();
    let report = report_of(|world| {
        let log = world.log();
        world.host("server").serve(async move || {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let log = log.clone();
                spawn(async move {
                    let mut name = [0];
                    stream.read_exact(&mut name).await.unwrap();
                    log.add(char::from(name[0]));
                    stream.write_all(b"x").await.unwrap();
                })
                .detach();
            }
        });
        world.host("client").run(async || {
            let mut one = TcpStream::connect("server:80").await?;
            let mut other = TcpStream::connect("server:80").await?;
            one.try_write(b"a")?; // is not put off by a seed
            other.try_write(b"b")?;
            one.read_exact(&mut [0]).await?;
            other.read_exact(&mut [0]).await
        });
    });
    let line = report.lines().find(|line| line.contains(" came before "));
    let (first, second) = line.expect(&report).split_once(" came before ").unwrap();
    assert!(
        first.ends_with(" with the peer 10.0.0.2:49153")
            && second.ends_with(" with the peer 10.0.0.2:49152"),
        "{report}"
    );
}

#[test]
fn the_sender_of_a_packet_is_named() {
    let _limit = limit();
    let report = report_of(|world| {
        let log = world.log();
        world.host("server").run(async move || {
            let socket = UdpSocket::bind("0.0.0.0:7").await?;
            for _ in 0..2 {
                let mut name = [0];
                socket.recv(&mut name).await?;
                log.add(char::from(name[0]));
            }
            io::Result::Ok(())
        });
        world.host("client").run(async || {
            let one = UdpSocket::bind("0.0.0.0:0").await?;
            let other = UdpSocket::bind("0.0.0.0:0").await?;
            let server = "10.0.0.1:7".parse().unwrap();
            one.try_send_to(b"a", server)?;
            other.try_send_to(b"b", server)?;
            io::Result::Ok(())
        });
    });
    let expected =
        "a packet of client from 10.0.0.2:49153 came before one of client from 10.0.0.2:49152";
    assert!(report.contains(expected), "{report}");
}
