//! The same seed repeats the same run, and a program that does not is found.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::test::World;
use nodeloop::time::{sleep, timeout};

use crate::common::limit::limit;
use crate::notes::ms;

/// Three clients that talk to a server over TCP and UDP, over a bad network.
fn busy(world: &World) {
    let log = world.log();
    world.host("server").serve(async move || {
        let udp = UdpSocket::bind("0.0.0.0:9").await.unwrap();
        let count = log.clone();
        nodeloop::spawn(async move {
            let mut buffer = [0; 8];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                count.add(format!("{length} bytes of {from}"));
            }
        })
        .detach();
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            nodeloop::spawn(async move {
                let _ = futures::io::copy(&stream, &mut &stream).await;
            })
            .detach();
        }
    });
    for name in ["a", "b", "c"] {
        let log = world.log();
        world.host(name).run(async move || {
            let udp = UdpSocket::bind("0.0.0.0:0").await?;
            for round in 0..4 {
                udp.send_to(name.as_bytes(), "server:9").await?;
                let work = async {
                    let mut stream = TcpStream::connect("server:7").await?;
                    stream.write_all(name.as_bytes()).await?;
                    stream.read_exact(&mut [0]).await
                };
                match timeout(ms(5000), work).await {
                    Ok(Ok(())) => log.add(format!("{name} {round}")),
                    Ok(Err(error)) => log.add(format!("{name} {round}: {}", error.kind())),
                    Err(_) => log.add(format!("{name} {round}: late")),
                }
                sleep(ms(3)).await;
            }
            io::Result::Ok(())
        });
    }
    world.at(ms(20), |world| world.partition("a", "server"));
    world.at(ms(400), |world| world.heal("a", "server"));
    world.at(ms(30), |world| world.host("server").crash());
    world.at(ms(35), |world| world.host("server").restart());
}

#[test]
fn every_seed_repeats_its_run() {
    let _limit = limit();
    let builder = World::builder()
        .latency(ms(1)..=ms(9))
        .datagram_loss(0.2)
        .datagram_duplication(0.2)
        .datagram_reordering(0.2)
        .short_reads(0.2)
        .resets(0.1)
        .permit_unfired_faults();
    builder.check_deterministic(20, busy);
}

#[test]
fn a_seed_changes_the_run() {
    let _limit = limit();
    let labels = |number| {
        let builder = World::builder()
            .latency(ms(1)..=ms(9))
            .permit_unfired_faults();
        let world = builder.seed(nodeloop::Seed::new(number)).build();
        busy(&world);
        world.run();
        world.log().labels()
    };
    assert_eq!(labels(3), labels(3));
    assert_ne!(labels(3), labels(4));
}

#[test]
fn a_program_that_is_not_repeatable_is_found_with_the_first_difference() {
    let _limit = limit();
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let check = || {
        World::builder().check_deterministic(2, |world| {
            let run = RUNS.fetch_add(1, Ordering::Relaxed);
            world.host("a").run(async move || {
                sleep(ms(1)).await;
                sleep(ms(5 + run % 2)).await; // the second run takes longer
                sleep(ms(1)).await;
            });
        });
    };
    let panic = catch_unwind(AssertUnwindSafe(check)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("two runs of seed 1 differ"), "{text}");
    assert!(
        text.contains("a: timeout of tests/world/repeatable.rs"),
        "{text}"
    );
}

#[test]
fn a_difference_of_the_log_has_its_host_its_time_and_its_place() {
    let _limit = limit();
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let (start, logged) = (line!() + 4, line!() + 6);
    let check = || {
        World::builder().check_deterministic(2, |world| {
            let log = world.log();
            world.host("h").run(async move || {
                sleep(ms(3)).await;
                log.add(RUNS.fetch_add(1, Ordering::Relaxed));
            });
        });
    };
    let panic = catch_unwind(AssertUnwindSafe(check)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    let (file, task) = (file!(), "task of");
    assert_eq!(
        *text,
        format!(
            "two runs of seed 1 differ: the program depends on something that the world does not control\n  \
             after      3ms h: {task} {file}:{start}:29\n  \
             first run  3ms h: logged \"0\" at {file}:{logged}:21\n  \
             second run 3ms h: logged \"1\" at {file}:{logged}:21"
        )
    );
}

#[test]
fn the_end_of_a_program_is_at_the_place_of_its_host() {
    let _limit = limit();
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let line = line!() + 4;
    let check = || {
        World::builder().check_deterministic(2, |world| {
            let run = RUNS.fetch_add(1, Ordering::Relaxed);
            world.host("a").run(async move || {
                if run % 2 == 1 {
                    sleep(ms(1)).await; // only in the second run
                }
            });
        });
    };
    let panic = catch_unwind(AssertUnwindSafe(check)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    let ended = format!("a: before_exit of {}:{line}:29", file!());
    assert!(text.contains(&ended), "{text}");
}
