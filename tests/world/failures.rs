//! How a run fails: what is printed, which calls are refused, and that nothing of a world remains.

use std::rc::Rc;

use nodeloop::Seed;
use nodeloop::test::{DiskError, DiskFault, DiskOperation, World};
use nodeloop::time::sleep;

use crate::common::limit::limit;
use crate::common::process::command_of;
use crate::notes::{failure, ms};

/// Set in a process that runs a world in which a program panics.
const PANICS: &str = "NODELOOP_TEST_WORLD_PANICS";

#[test]
fn a_panic_is_reported_with_the_host_the_time_the_seed_and_the_log() {
    let _limit = limit();
    let cause = std::env::var(PANICS).unwrap_or_default();
    let world = World::builder().seed(Seed::new(7)).build();
    let log = world.log();
    match &*cause {
        "program" => {
            world.host("other").run(async move || {
                log.add("before");
                sleep(ms(2)).await;
                panic!("oops");
            });
            return world.run();
        }
        "callback" => {
            world.host("other").run(async move || {
                log.add("before");
                nodeloop::set_timeout(ms(2), || panic!("oops"));
            });
            return world.run();
        }
        "script" => {
            log.add("before");
            world.host("other").run(async || sleep(ms(3)).await);
            add_panic(&world);
            return world.run();
        }
        _ => {}
    }
    if cfg!(miri) {
        crate::common::skip::skip("Miri cannot start a process");
        return;
    }
    let line = add_panic(&World::new());
    for cause in ["program", "callback", "script"] {
        let mut command =
            command_of(a_panic_is_reported_with_the_host_the_time_the_seed_and_the_log);
        let output = command.env(PANICS, cause).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).replace('\r', "");
        let who = match cause {
            "script" => format!("the action of the script ({}:{line})", file!()),
            _ => "host \"other\"".to_owned(),
        };
        let report = format!(
            "at 2ms of the world with seed 7: {who} has panicked\nthe log:\n    1 \"before\"  "
        );
        assert!(text.contains(&report), "{cause}: {text}");
    }
}

/// Adds an action to the script that panics, and returns its line.
fn add_panic(world: &World) -> u32 {
    let line = line!() + 1;
    world.at(ms(2), |_| panic!("oops"));
    line
}

#[test]
fn a_failure_names_the_seed() {
    let _limit = limit();
    let world = World::builder().seed(Seed::new(7)).build();
    world.host("a").run(async || {
        sleep(ms(111)).await;
        Err::<(), _>("late")
    });
    assert_eq!(
        failure(&world),
        "at 111ms of the world with seed 7: the program of host \"a\" has failed: \"late\"\n\
         the log is empty"
    );
}

#[test]
fn a_rejection_that_no_code_handles_is_reported() {
    let _limit = limit();
    let world = World::new();
    world.host("a").run(async || {
        drop(nodeloop::try_spawn(async { Err::<(), _>("bad") }));
        sleep(ms(5)).await;
    });
    let text = failure(&world);
    assert!(
        text.starts_with("at 0ns of the world: host \"a\": unhandled rejection"),
        "{text}"
    );
}

#[test]
fn a_misspelled_host_is_found() {
    let _limit = limit();
    let wrong: [fn(&World); 5] = [
        |world| world.host("sever").crash(),
        |world| world.host("sever").restart(),
        |world| world.host("sever").refuse_connections(),
        |world| world.host("sever").accept_connections(),
        |world| world.host("sever").limit_sockets(Some(1)),
    ];
    for wrong in wrong {
        let world = World::new();
        world.host("server").run(async || sleep(ms(5)).await);
        world.at(ms(1), wrong);
        assert_eq!(
            failure(&world),
            "host \"sever\" has no program: is its name misspelled?"
        );
    }
    let world = World::new();
    world.host("ends").run(async || ());
    world.host("client").run(async || sleep(ms(5)).await);
    world.at(ms(1), |world| world.host("ends").crash()); // is off already
    world.run();
}

#[test]
fn a_run_that_does_not_end_names_the_hosts_without_a_program() {
    let _limit = limit();
    let world = World::builder().time_limit(ms(10)).build();
    world.host("sever"); // should have been "server"
    world.host("server").serve(async || ());
    world.host("client").run(async || {
        loop {
            sleep(ms(1)).await;
        }
    });
    let text = failure(&world);
    let hint = "\nhost \"sever\": it has no program: is its name misspelled?\n";
    assert!(text.contains("the limit of 10ms"), "{text}");
    assert!(text.contains(hint), "{text}");
    assert_eq!(text.matches("has no program").count(), 1, "{text}");
}

#[test]
fn a_fault_of_a_disk_that_never_happens_fails_the_run() {
    let _limit = limit();
    let world = World::new();
    let host = world.host("h");
    host.run(async || nodeloop::fs::write("/tmp/a", "x").await);
    host.disk()
        .inject(DiskFault::error(DiskOperation::Rename, DiskError::Io));
    assert_eq!(
        failure(&world),
        "at 0ns of the world: faults were configured and never happened, so that the test did not test them: \
         the fault of the disk of h: Error(Io) of Rename, which saw 0 operations; make them happen, or call \
         `WorldBuilder::permit_unfired_faults`\nthe log is empty"
    );
}

#[test]
fn a_world_does_not_run_inside_of_a_loop() {
    let _limit = limit();
    let text = nodeloop::block_on(async {
        let world = World::new();
        world.host("a").run(async || ());
        failure(&world)
    });
    assert_eq!(
        text,
        "`World::run` was called inside of an event loop: it has loops of its own; call it from a plain \
         `#[test]`"
    );
}

/// At the place of the caller, not as the failure of a run at a place of the crate.
#[test]
fn an_exploration_inside_of_a_loop_is_refused() {
    let _limit = limit();
    let panic = nodeloop::block_on(async {
        let explore = || World::builder().explore(1, |world| drop(world.host("a")));
        std::panic::catch_unwind(explore).unwrap_err()
    });
    let text = panic.downcast::<&str>().map_or_else(
        |panic| *panic.downcast::<String>().unwrap(),
        |text| text.to_string(),
    );
    assert!(
        text.starts_with("`WorldBuilder::explore` was called inside of an event loop"),
        "{text}"
    );
}

#[test]
fn a_world_runs_once() {
    let _limit = limit();
    let world = World::new();
    world.host("a").run(async || ());
    world.run();
    let ended = "the world has ended: create a new one for another run";
    assert_eq!([failure(&world), failure(&world)], [ended, ended]);
    let world = World::new();
    world.host("a").run(async || ());
    world.at(ms(0), World::run);
    assert_eq!(
        failure(&world),
        "the world runs already: an action of its script can't run it"
    );
}

#[test]
fn the_end_of_the_run_drops_the_programs_even_if_they_hold_the_world() {
    let _limit = limit();
    struct Dropped(nodeloop::test::Log);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let world = World::new();
    let log = world.log();
    let (held, dropped) = (world.clone(), Dropped(log.clone()));
    let served = log.clone();
    world.host("server").serve(async move || {
        let _dropped = Dropped(served.clone());
        loop {
            sleep(ms(1)).await;
        }
    });
    let token = Rc::new(());
    let kept = token.clone();
    world.host("a").run(async move || {
        let _ = (held.now(), &dropped, &kept);
        sleep(ms(5)).await;
    });
    world.run();
    log.assert_order(["dropped", "dropped"]);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn an_error_is_printed_with_its_sources() {
    let _limit = limit();
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the order was not stored")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let outer = || Outer(std::io::Error::other("the disk is full"));
    let expected = "at 0ns of the world: the program of host \"a\" has failed: the order was not stored: the disk \
                    is full\nthe log is empty";
    let world = World::new();
    let host = world.host("a");
    host.run(async move || std::io::Result::<()>::Err(std::io::Error::other(outer())));
    assert_eq!(failure(&world), expected);
    let world = World::new();
    let host = world.host("a");
    host.run(async move || Result::<(), Box<dyn std::error::Error>>::Err(outer().into()));
    assert_eq!(failure(&world), expected);
    // Whatever the value of the `Result`.
    let world = World::new();
    let host = world.host("a");
    host.run(async move || std::io::Result::<usize>::Err(std::io::Error::other(outer())));
    assert_eq!(failure(&world), expected);
    type BoxedSend = Box<dyn std::error::Error + Send + Sync>;
    let world = World::new();
    let host = world.host("a");
    host.run(async move || Result::<String, BoxedSend>::Err(outer().into()));
    assert_eq!(failure(&world), expected);
}
