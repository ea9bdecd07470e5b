//! The script of a world: its order, and what happens if it lasts longer than the programs.

use nodeloop::test::World;
use nodeloop::time::sleep;

use crate::common::limit::limit;
use crate::notes::{Notes, failure, ms};

#[test]
fn an_action_that_adds_another_loses_none() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let (inner, outer) = (notes.clone(), notes.clone());
    world.at(ms(0), move |world| {
        world.at(ms(1000), move |_| inner.add("added by an action"));
    });
    world.at(ms(1000), move |_| outer.add("added before"));
    world.host("h").run(async || sleep(ms(2000)).await);
    world.run();
    notes.assert(["1s added before", "1s added by an action"]);
}

#[test]
fn a_world_that_ends_before_its_script_fails() {
    let _limit = limit();
    let world = World::new();
    world.host("h").run(async || sleep(ms(5)).await);
    let line = line!() + 1;
    world.at(ms(50), |world| world.host("h").crash());
    assert_eq!(
        failure(&world),
        format!(
            "at 5ms of the world: the world ended at 5ms, before the action of the script at 50ms ({}:{line}): \
             let a program of `Host::run` last longer, or call `WorldBuilder::permit_unfired_faults`\n\
             the log is empty",
            file!()
        )
    );
    let world = World::builder().permit_unfired_faults().build();
    world.host("h").run(async || sleep(ms(5)).await);
    world.at(ms(50), |world| world.host("h").crash());
    world.run();
    assert_eq!(world.now(), ms(5));
}

#[test]
fn the_world_waits_for_the_restart_of_its_only_client() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let client = notes.clone();
    world.host("h").run(async move || {
        client.add("started");
        sleep(ms(10)).await;
        client.add("ended");
    });
    world.at(ms(5), |world| world.host("h").crash());
    world.at(ms(50), |world| world.host("h").restart());
    world.run();
    notes.assert(["0ns started", "50ms started", "60ms ended"]);
}

#[test]
fn a_world_without_a_program_to_wait_for_fails() {
    let _limit = limit();
    let world = World::new();
    world.host("s").serve(async || sleep(ms(5)).await);
    assert_eq!(
        failure(&world),
        "at 0ns of the world: no program of `Host::run`: the world has nothing to wait for; start at \
         least one program with `run`, because `serve` is not waited for\nthe log is empty"
    );
}

#[test]
fn failures_say_what_to_do() {
    let _limit = limit();
    let world = World::builder().time_limit(ms(100)).build();
    world.host("h").run(async || sleep(ms(200)).await);
    assert!(failure(&world).starts_with(
        "at 0ns of the world: the limit of 100ms of virtual time is exceeded: end the program, or raise \
         `WorldBuilder::time_limit`\n"
    ));
    let world = World::new();
    world.host("h").run(async || {
        loop {
            nodeloop::yield_now().await;
        }
    });
    assert!(failure(&world).starts_with(
        "at 0ns of the world: the hosts always have something to do, so that no time passes: wait with \
         `sleep` instead of `yield_now`\n"
    ));
    let world = World::new();
    world
        .host("h")
        .run(async || std::future::pending::<()>().await);
    assert!(
        failure(&world)
            .starts_with("at 0ns of the world: no program can continue: see what each waits for\n")
    );
}
