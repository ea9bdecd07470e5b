//! Hosts and time: who runs when, crashes and restarts, and how a run ends.

use nodeloop::test::World;
use nodeloop::time::{block_for, sleep};

use crate::common::limit::limit;
use crate::notes::{failure, ms};

#[test]
fn hosts_take_turns_in_the_order_of_their_creation() {
    let _limit = limit();
    let world = World::new();
    let log = world.log();
    for name in ["a", "b"] {
        let log = log.clone();
        world.host(name).run(async move || {
            log.add(format!("{name} main"));
            sleep(ms(10)).await;
            log.add(format!("{name} 10"));
            nodeloop::set_immediate(log.callback(format!("{name} immediate")));
        });
    }
    world.run();
    log.assert_order([
        "a main",
        "b main",
        "a 10",
        "b 10",
        "a immediate",
        "b immediate",
    ]);
    assert_eq!(world.now(), ms(10));
}

#[test]
fn a_host_that_blocks_does_not_delay_the_others() {
    let _limit = limit();
    let world = World::new();
    let log = world.log();
    let busy = log.clone();
    world.host("busy").run(async move || {
        block_for(ms(50));
        busy.add("busy");
        sleep(ms(1)).await;
        busy.add("busy again");
    });
    let idle = log.clone();
    world.host("idle").run(async move || {
        sleep(ms(20)).await;
        idle.add("idle");
    });
    world.run();
    log.assert_order(["busy", "idle", "busy again"]);
    assert_eq!(world.now(), ms(51));
}

#[test]
fn the_world_does_not_wait_for_a_server() {
    let _limit = limit();
    let world = World::new();
    let log = world.log();
    let server = log.clone();
    world.host("server").serve(async move || {
        loop {
            sleep(ms(10)).await;
            server.add("served");
        }
    });
    world.host("client").run(async || sleep(ms(25)).await);
    world.run();
    log.assert_order(["served", "served"]);
}

#[test]
fn a_crash_drops_the_tasks_and_a_restart_runs_the_program_again() {
    let _limit = limit();
    struct Dropped(nodeloop::test::Log);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let world = World::new();
    let log = world.log();
    let server = log.clone();
    world.host("server").serve(async move || {
        server.add("started");
        let _dropped = Dropped(server.clone());
        std::future::pending::<()>().await;
    });
    let crash = log.clone();
    world.at(ms(5), move |world| {
        crash.add("crash");
        world.host("server").crash();
    });
    world.at(ms(7), |world| world.host("server").restart());
    world.host("client").run(async || sleep(ms(10)).await);
    world.run();
    // The second time at the end of the run.
    log.assert_order(["started", "crash", "dropped", "started", "dropped"]);
}

#[test]
fn a_world_in_which_nothing_can_continue_reports_what_each_host_waits_for() {
    let _limit = limit();
    let world = World::new();
    world.host("one").run(async || {
        sleep(ms(1)).await;
        std::future::pending::<()>().await;
    });
    let text = failure(&world);
    assert!(text.starts_with("at 1ms of the world"), "{text}");
    assert!(text.contains("\"one\""), "{text}");
    assert!(text.contains("tests/world/hosts.rs"), "{text}");
}

#[test]
fn a_run_has_a_limit_of_virtual_time() {
    let _limit = limit();
    let world = World::builder().time_limit(ms(100)).build();
    world.host("endless").run(async || {
        loop {
            sleep(ms(30)).await;
        }
    });
    let text = failure(&world);
    assert!(
        text.contains("the limit of 100ms of virtual time"),
        "{text}"
    );
}

#[test]
fn errors_and_panics_of_a_program_fail_the_run() {
    let _limit = limit();
    let world = World::new();
    world.host("a").run(async || Err::<(), _>("no"));
    assert!(failure(&world).contains("host \"a\" has failed: \"no\""));
    let world = World::new();
    world.host("a").run(async || {
        sleep(ms(1)).await;
        panic!("broken")
    });
    assert_eq!(failure(&world), "broken");
}
