//! Signals that the script of a world delivers.

use nodeloop::Seed;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::signal::{SignalKind, ctrl_c, on_signal, raise_default, signal};
use nodeloop::test::World;
use nodeloop::time::sleep;

use crate::common::limit::limit;
use crate::notes::{Notes, failure, ms};

const INTERRUPT: SignalKind = SignalKind::interrupt();

#[test]
fn each_signal_is_a_macrotask_of_the_host_that_it_was_delivered_to() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    for name in ["a", "b"] {
        let notes = notes.clone();
        world.host(name).run(async move || {
            let listened = notes.clone();
            on_signal(INTERRUPT, move || {
                listened.add(format!("{name} signal"));
                let notes = listened.clone();
                nodeloop::queue_microtask(move || notes.add(format!("{name} microtask")));
            })
            .unwrap();
            sleep(ms(20)).await;
        });
    }
    world.at(ms(5), |world| {
        world.host("a").deliver_signal(INTERRUPT);
        world.host("a").deliver_signal(INTERRUPT);
    });
    world.at(ms(10), |world| world.host("b").deliver_signal(INTERRUPT));
    world.run();
    notes.assert([
        "5ms a signal",
        "5ms a microtask",
        "5ms a signal",
        "5ms a microtask",
        "10ms b signal",
        "10ms b microtask",
    ]);
}

/// R64: a signal comes after the other events of its poll phase.
#[test]
fn a_signal_comes_after_what_arrives_at_the_same_time() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let server = notes.clone();
    world.host("server").run(async move || {
        let listened = server.clone();
        on_signal(INTERRUPT, move || listened.add("signal")).unwrap();
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        listener.accept().await.unwrap();
        server.add("accepted");
        sleep(ms(5)).await;
    });
    world
        .host("client")
        .run(async || drop(TcpStream::connect("server:80").await));
    // When the third packet of the handshake arrives.
    world.at(ms(3), |world| {
        world.host("server").deliver_signal(INTERRUPT)
    });
    world.run();
    notes.assert(["3ms accepted", "3ms signal"]);
}

#[test]
fn a_program_ends_itself_by_a_signal() {
    let _limit = limit();
    struct Dropped(Notes);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let world = World::new();
    let notes = Notes::of(&world);
    let program = notes.clone();
    world.host("h").run(async move || {
        let _dropped = Dropped(program.clone());
        ctrl_c().await.unwrap();
        program.add("stopping");
        sleep(ms(10)).await; // the clean-up
        raise_default(INTERRUPT).unwrap();
        program.add("not reached");
    });
    world.at(ms(5), |world| world.host("h").deliver_signal(INTERRUPT));
    world.run();
    notes.assert(["5ms stopping", "15ms dropped"]);
}

#[test]
fn a_signal_that_would_end_the_program_fails_the_run() {
    let _limit = limit();
    let world = World::new();
    world.host("h").run(async || {
        drop(signal(INTERRUPT).unwrap()); // no longer listens
        sleep(ms(110)).await;
    });
    world.at(ms(100), |world| world.host("h").deliver_signal(INTERRUPT));
    let name = if cfg!(unix) { "SIGINT" } else { "Ctrl-C" };
    assert_eq!(
        failure(&world),
        format!(
            "the program of host \"h\" does not listen to {name}, which would end it: let it listen before, \
             or call `Host::crash`"
        )
    );
}

/// As in reality, where it may have been sent while there was a listener.
#[cfg(unix)] // on Windows, the second one would end the program
#[test]
fn a_second_signal_shortly_after_the_last_listener_is_ignored() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let program = notes.clone();
    world.host("h").run(async move || {
        ctrl_c().await.unwrap();
        program.add("stopping");
        sleep(ms(99)).await; // the clean-up
        ctrl_c().await.unwrap();
        program.add("stopped");
    });
    for at in [5, 15, 103, 110] {
        world.at(ms(at), |world| world.host("h").deliver_signal(INTERRUPT));
    }
    world.run();
    notes.assert(["5ms stopping", "110ms stopped"]);
}

#[cfg(unix)] // on Windows, the crate can't name such a signal
#[test]
fn a_signal_that_no_program_can_listen_to_is_refused() {
    let _limit = limit();
    let refusal = |number: i32| {
        let world = World::new();
        world.host("h").run(async || sleep(ms(10)).await);
        world.at(ms(5), move |world| {
            world.host("h").deliver_signal(SignalKind::from_raw(number));
        });
        failure(&world)
    };
    for number in [-1, 0, 999] {
        assert_eq!(
            refusal(number),
            format!("there is no signal {number}: pass a kind of signal that the system has")
        );
    }
    assert_eq!(
        refusal(SignalKind::kill().as_raw()),
        "the program of host \"h\" can't listen to SIGKILL: call `Host::crash` to end it"
    );
}

#[test]
fn a_signal_for_a_program_that_does_not_run_fails_the_run() {
    let _limit = limit();
    let world = World::new();
    world.host("short").run(async || {});
    world.host("long").run(async || sleep(ms(10)).await);
    world.at(ms(5), |world| world.host("short").deliver_signal(INTERRUPT));
    let text = failure(&world);
    assert!(
        text.starts_with("host \"short\" does not run, so that no signal reaches it"),
        "{text}"
    );
}

#[test]
fn a_signal_does_not_outlive_a_crash() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let program = notes.clone();
    world.host("h").run(async move || {
        program.add("started");
        let listened = program.clone();
        on_signal(INTERRUPT, move || listened.add("signal")).unwrap();
        sleep(ms(10)).await;
    });
    world.at(ms(5), |world| {
        world.host("h").deliver_signal(INTERRUPT);
        world.host("h").crash();
        world.host("h").restart();
    });
    world.run();
    notes.assert(["0ns started", "5ms started"]);
}

#[cfg(unix)] // Windows has no such signals
#[test]
fn the_kinds_of_unix_keep_their_effects() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let program = notes.clone();
    world.host("h").run(async move || {
        let refused = signal(SignalKind::kill()).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let listened = program.clone();
        let hangup = on_signal(SignalKind::hangup(), move || listened.add("reload")).unwrap();
        assert!(!hangup.has_ref());
        raise_default(SignalKind::child()).unwrap(); // has no effect
        terminate.recv().await.unwrap();
        program.add("terminated");
    });
    world.at(ms(5), |world| {
        world.host("h").deliver_signal(SignalKind::window_change()); // lost
        world.host("h").deliver_signal(SignalKind::hangup());
    });
    world.at(ms(7), |world| {
        world.host("h").deliver_signal(SignalKind::terminate())
    });
    world.run();
    notes.assert(["5ms reload", "7ms terminated"]);
}

/// A seed may hold back what arrives, but loses nothing.
#[test]
fn every_signal_arrives_for_every_seed() {
    let _limit = limit();
    for number in 1..=20 {
        let world = World::builder().seed(Seed::new(number)).build();
        let log = world.log();
        world.host("h").run(async move || {
            let seen = log.clone();
            on_signal(INTERRUPT, move || seen.add("signal")).unwrap();
            for _ in 0..20 {
                nodeloop::set_immediate(|| ());
                sleep(ms(1)).await;
            }
        });
        for at in [3, 3, 7] {
            world.at(ms(at), |world| world.host("h").deliver_signal(INTERRUPT));
        }
        world.run();
        world.log().assert_order(["signal"; 3]);
    }
}
