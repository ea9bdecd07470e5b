//! Faults of the network: partitions, resets, crashes, limits, and faults that never happen.

use std::io::{self, ErrorKind};
use std::time::Duration;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::Seed;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::test::World;
use nodeloop::time::{sleep, timeout};

use crate::common::limit::limit;
use crate::notes::{Notes, failure, ms};

/// Adds a server that echoes what each connection sends.
fn add_echo(world: &World) {
    world.host("server").serve(async || {
        let listener = TcpListener::bind("0.0.0.0:7").await?;
        loop {
            let (stream, _) = listener.accept().await?;
            nodeloop::spawn(async move {
                let _ = futures::io::copy(&stream, &mut &stream).await;
            })
            .detach();
        }
        #[allow(unreachable_code, reason = "names the type of the errors")]
        io::Result::Ok(())
    });
}

#[test]
fn what_a_partition_holds_up_arrives_after_it_has_ended() {
    let _limit = limit();
    let world = World::builder().latency(ms(10)..=ms(10)).build();
    let notes = Notes::of(&world);
    add_echo(&world);
    let client = notes.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:7").await?;
        sleep(ms(80)).await;
        stream.write_all(b"hello").await?;
        client.add("written");
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).await?;
        client.add("echoed");
        io::Result::Ok(())
    });
    let script = notes.clone();
    world.at(ms(50), move |world| {
        script.add("partition");
        world.partition("client", "server");
    });
    let script = notes.clone();
    world.at(ms(500), move |world| {
        script.add("heal");
        world.heal("client", "server");
    });
    world.run();
    // Sent at 100 ms, again at 320 and 740; the echo takes 20 ms.
    notes.assert([
        "50ms partition",
        "100ms written",
        "500ms heal",
        "760ms echoed",
    ]);
}

#[test]
fn a_partition_that_does_not_end_breaks_a_connection_after_a_quarter_of_an_hour() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    add_echo(&world);
    let client = notes.clone();
    let control = world.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:7").await?;
        control.partition_one_way("server", "client"); // what is sent arrives, and no answer does
        stream.write_all(b"hello").await?;
        let error = stream.read(&mut [0; 5]).await.unwrap_err();
        client.add(error.kind());
        io::Result::Ok(())
    });
    world.run();
    let seconds = world.now().as_secs();
    assert!((800..1000).contains(&seconds), "{seconds} s");
    assert!(world.log().labels()[0].ends_with("timed out"));
}

#[test]
fn connecting_to_a_separated_or_a_crashed_host_times_out() {
    let _limit = limit();
    for crashes in [false, true] {
        let world = World::new();
        let notes = Notes::of(&world);
        add_echo(&world);
        world.at(ms(1), move |world| match crashes {
            true => world.host("server").crash(),
            false => world.partition("client", "server"),
        });
        let client = notes.clone();
        world.host("client").run(async move || {
            sleep(ms(2)).await;
            let short = timeout(ms(500), TcpStream::connect("server:7")).await;
            assert!(short.is_err());
            client.add("abandoned");
            client.add(TcpStream::connect("server:7").await.unwrap_err());
        });
        world.run();
        notes.assert(["502ms abandoned", "127.502s connect ETIMEDOUT 10.0.0.1:7"]);
    }
}

#[test]
fn a_peer_of_a_crashed_host_learns_of_it_when_the_host_is_back() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    add_echo(&world);
    let client = notes.clone();
    let control = world.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:7").await?;
        control.host("server").crash();
        // The peer is gone, and nothing says so.
        assert!(timeout(ms(1000), stream.read(&mut [0; 1])).await.is_err());
        client.add("silent");
        stream.write_all(b"hello").await?;
        control.host("server").restart();
        client.add(stream.read(&mut [0; 1]).await.unwrap_err().kind());
        TcpStream::connect("server:7").await?;
        client.add("connected again");
        io::Result::Ok(())
    });
    world.run();
    notes.assert([
        "1.002s silent",
        "1.004s connection reset",
        "1.006s connected again",
    ]);
}

#[test]
fn keepalive_notices_a_peer_that_is_gone() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    add_echo(&world);
    let client = notes.clone();
    let control = world.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:7").await?;
        stream.set_keepalive(Some(Duration::from_secs(10)))?;
        sleep(Duration::from_secs(25)).await; // answered twice
        control.host("server").crash();
        client.add(stream.read(&mut [0; 1]).await.unwrap_err().kind());
        io::Result::Ok(())
    });
    world.run();
    // The last answer at 20 s, 10 s of silence, and nine probes with 75 s between them.
    notes.assert(["705.006s timed out"]);
}

#[test]
fn connections_are_reset_and_refused_by_script() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    add_echo(&world);
    world.at(ms(10), |world| {
        world.reset_connections("client", "server");
        world.host("server").refuse_connections();
    });
    world.at(ms(20), |world| world.host("server").accept_connections());
    let client = notes.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:7").await?;
        client.add(stream.read(&mut [0; 1]).await.unwrap_err().kind());
        client.add(TcpStream::connect("server:7").await.unwrap_err());
        sleep(ms(10)).await;
        TcpStream::connect("server:7").await?;
        client.add("connected");
        io::Result::Ok(())
    });
    world.run();
    notes.assert([
        "10ms connection reset",
        "12ms connect ECONNREFUSED 10.0.0.1:7",
        "24ms connected",
    ]);
    let faults: Vec<String> = world
        .faults()
        .iter()
        .map(|fault| format!("{}: {fault}", fault.count()))
        .collect();
    assert_eq!(
        faults,
        [
            "1: the reset of the connections of client and server at 10ms",
            "1: the refusal of connections by server at 10ms",
        ]
    );
}

#[test]
fn a_listener_without_descriptors_tries_again() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let server = notes.clone();
    world.host("server").serve(async move || {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        loop {
            let _stream = listener.accept().await.unwrap();
            server.add("accepted");
        }
    });
    world.host("server").limit_sockets(Some(1)); // the listener itself
    world.at(ms(150), |world| world.host("server").limit_sockets(Some(2)));
    let client = notes.clone();
    world.host("client").run(async move || {
        let _stream = TcpStream::connect("server:7").await?;
        client.add("connected");
        sleep(ms(300)).await;
        io::Result::Ok(())
    });
    world.run();
    notes.assert(["2ms connected", "203ms accepted"]); // every 100 ms
}

#[test]
fn short_reads_and_writes_lose_nothing() {
    let _limit = limit();
    for number in 1..=20 {
        let world = World::builder()
            .short_reads(0.5)
            .short_writes(0.5)
            .latency(ms(1)..=ms(20))
            .seed(Seed::new(number))
            .build();
        add_echo(&world);
        world.host("client").run(async || {
            let stream = TcpStream::connect("server:7").await?;
            let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 253) as u8).collect();
            let mut echoed = Vec::new();
            let (mut reader, mut writer) = (&stream, &stream);
            let write = async {
                writer.write_all(&bytes).await?;
                writer.close().await
            };
            let (written, read) = futures::join!(write, reader.read_to_end(&mut echoed));
            written?;
            read?;
            assert_eq!(echoed, bytes);
            io::Result::Ok(())
        });
        world.run();
    }
}

#[test]
fn random_resets_are_errors_of_writes() {
    let _limit = limit();
    let world = World::builder().resets(0.3).build();
    add_echo(&world);
    let log = world.log();
    world.host("client").run(async move || {
        for _ in 0..30 {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            match stream.write(b"hello").await {
                Ok(_) => log.add("written"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                    log.add("reset");
                }
            }
        }
    });
    world.run();
    assert!(world.log().labels().contains(&"reset".to_owned()));
}

#[test]
fn bandwidth_delays_a_large_message() {
    let _limit = limit();
    let world = World::builder()
        .latency(ms(0)..=ms(0))
        .bandwidth(100_000)
        .build();
    let notes = Notes::of(&world);
    add_echo(&world);
    let client = notes.clone();
    world.host("client").run(async move || {
        let mut stream = TcpStream::connect("server:7").await?;
        stream.write_all(&[0; 50_000]).await?;
        client.add("written");
        stream.read_exact(&mut [0; 50_000]).await?;
        client.add("echoed");
        io::Result::Ok(())
    });
    world.run();
    let labels = world.log().labels();
    assert_eq!(labels[0], "0ns written");
    // Half a second each way; the echo begins with the first packet.
    assert!(
        (ms(500)..ms(800)).contains(&world.now()),
        "{:?}",
        world.now()
    );
}

#[test]
fn a_fault_that_never_happens_fails_the_run() {
    let _limit = limit();
    let run = |world: &World| {
        world
            .host("server")
            .serve(async || std::future::pending::<()>().await);
        world.host("client").run(async || sleep(ms(100)).await);
        world.at(ms(1), |world| world.partition("client", "server"));
    };
    let world = World::new();
    run(&world);
    let text = failure(&world);
    assert!(
        text.contains("the partition of client and server"),
        "{text}"
    );
    let world = World::builder().permit_unfired_faults().build();
    run(&world);
    world.run();
    assert_eq!(world.faults()[0].count(), 0);
}

#[test]
fn each_partition_has_to_lose_something() {
    let _limit = limit();
    let world = World::new();
    add_echo(&world);
    world.host("client").run(async || {
        TcpStream::connect("server:7").await?;
        sleep(Duration::from_secs(60)).await;
        io::Result::Ok(())
    });
    world.partition("client", "server");
    world.at(ms(500), |world| world.heal("client", "server"));
    let seconds = Duration::from_secs;
    world.at(seconds(30), |world| world.partition("client", "server"));
    assert_eq!(
        failure(&world),
        "at 61.002s of the world: faults were configured and never happened, so that the test did not test \
         them: the partition of client and server at 30s; make them happen, or call \
         `WorldBuilder::permit_unfired_faults`\nthe log is empty"
    );
}

#[test]
fn arguments_out_of_range_are_refused() {
    let _limit = limit();
    let text = |call: fn() -> nodeloop::test::WorldBuilder| {
        let panic = std::panic::catch_unwind(call).unwrap_err();
        panic.downcast::<String>().map_or_else(
            |panic| (*panic.downcast_ref::<&str>().unwrap()).to_owned(),
            |text| *text,
        )
    };
    let probability = |value| format!("the probability is {value}: pass a number between 0 and 1");
    assert_eq!(
        text(|| World::builder().datagram_loss(30.0)),
        probability("30")
    );
    assert_eq!(
        text(|| World::builder().datagram_duplication(1.5)),
        probability("1.5")
    );
    assert_eq!(
        text(|| World::builder().datagram_reordering(2.0)),
        probability("2")
    );
    assert_eq!(
        text(|| World::builder().short_reads(f64::NAN)),
        probability("NaN")
    );
    assert_eq!(
        text(|| World::builder().short_writes(-0.5)),
        probability("-0.5")
    );
    assert_eq!(text(|| World::builder().resets(-1.0)), probability("-1"));
    assert_eq!(
        text(|| World::builder().latency(ms(5)..=ms(1))),
        "the range of latencies is empty: its start must not be after its end"
    );
}
