//! How the program of a host ends: by `exit`, and with listeners that fail.

use nodeloop::test::World;
use nodeloop::time::sleep;
use nodeloop::{exit, on_before_exit, on_exit, set_exit_code, set_immediate};

use crate::common::limit::limit;
use crate::notes::{failure, ms};

/// Runs a program that logs the code that its `exit` listener receives.
fn codes(program: impl AsyncFn() + 'static) -> World {
    let world = World::new();
    let log = world.log();
    world.host("h").run(async move || {
        let log = log.clone();
        on_exit(move |code| log.add(format!("exit {code}")));
        program().await;
    });
    world
}

#[test]
fn exit_ends_a_program_at_any_time() {
    let _limit = limit();
    let early = codes(async || exit(0));
    early.run();
    early.log().assert_order(["exit 0"]);
    let late = codes(async || {
        sleep(ms(1)).await;
        exit(0)
    });
    late.run();
    late.log().assert_order(["exit 0"]);
    let before = codes(async || {
        on_before_exit(|| exit(0));
    });
    before.run();
    before.log().assert_order(["exit 0"]);
    let code = codes(async || set_exit_code(3));
    code.run();
    code.log().assert_order(["exit 3"]);
}

#[test]
fn another_code_than_0_fails_the_run() {
    let _limit = limit();
    for program in [
        codes(async || exit(3)),
        codes(async || {
            sleep(ms(1)).await;
            exit(3)
        }),
        codes(async || {
            on_before_exit(|| exit(3));
        }),
    ] {
        let text = failure(&program);
        assert!(text.contains("host \"h\": "), "{text}");
        assert!(text.contains("`exit(3)`"), "{text}");
        program.log().assert_order(["exit 3"]);
    }
}

#[test]
fn a_listener_that_panics_fails_the_run() {
    let _limit = limit();
    let before = codes(async || {
        on_before_exit(|| panic!("before exit"));
    });
    assert_eq!(failure(&before), "before exit");
    let at_exit = codes(async || {
        on_exit(|_| panic!("at exit"));
    });
    assert_eq!(failure(&at_exit), "at exit");
}

#[test]
fn a_listener_may_call_exit() {
    let _limit = limit();
    let code = |code| {
        codes(async move || {
            on_exit(move |_| exit(code));
        })
    };
    code(0).run();
    let text = failure(&code(3));
    assert!(text.contains("`exit(3)`"), "{text}");
}

#[test]
fn work_of_a_before_exit_listener_is_waited_for() {
    let _limit = limit();
    let world = World::new();
    let log = world.log();
    world.host("h").run(async move || {
        let (log, mut calls) = (log.clone(), 0);
        on_before_exit(move || {
            calls += 1;
            if calls == 1 {
                set_immediate(log.callback("immediate"));
            }
        });
    });
    world.run();
    world.log().assert_order(["immediate"]);
}
