//! The kit for tests of order: what it compares, how it reports a failure, and how it moves time. The
//! messages are compared literally, because they are a part of the API.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::ms;
use nodeloop::observe::Phase;
use nodeloop::test::{self, Log, Stepper};
use nodeloop::{
    BlockedOn, RunError, Seed, next_tick, promise, queue_microtask, queue_work, set_immediate,
    set_interval, set_timeout, spawn, spawn_blocking, time,
};

/// The message with which `assertion` panics.
fn message_of(assertion: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(assertion)).expect_err("it must fail");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("text")).to_owned(),
    }
}

/// Replaces `{n}` by the location `n` lines after `line` of this file.
fn with_locations(line: u32, text: &str) -> String {
    let mut located = text.to_owned();
    for after in 0..40 {
        let location = format!("{}:{}", file!(), line + after);
        located = located.replace(&format!("{{{after}}}"), &location);
    }
    located
}

/// A log with an entry of each kind, and the line after which it was made.
fn sample() -> (Log, u32) {
    let line = line!() + 1;
    // Under seed 0 nothing is permuted, and each job is delivered in the same turn every time.
    let log = test::TestBuilder::new().seed(Seed::new(0)).run(async |t| {
        let log = t.log();
        set_timeout(ms(20), log.callback("timeout"));
        set_immediate(log.callback("immediate"));
        queue_microtask(log.callback("microtask"));
        next_tick(log.callback("tick"));
        queue_work(|| (), {
            let mut done = log.callback("job");
            move |()| done()
        });
        log.add("main");
        let task = log.clone();
        spawn(async move {
            promise::ready(()).await;
            task.add("task");
        })
        .await;
        t.until_idle().await;
        log
    });
    (log, line)
}

#[test]
fn every_entry_names_where_it_ran() {
    let _limit = limit();
    let (log, line) = sample();
    let expected = with_locations(
        line,
        r#"the log:
    1 "main"  main script, before the first turn, t=0 ms, run at {1}
    2 "tick"  tick, before the first turn, t=0 ms, queued at {6}
    3 "microtask"  microtask, before the first turn, t=0 ms, queued at {5}
    4 "task"  task, before the first turn, t=0 ms, spawned at {13}
    5 "immediate"  check, turn 1, t=0 ms, set at {4}
    6 "job"  job done, poll, turn 2, t=0 ms, submitted at {7}
    7 "timeout"  timers, turn 3, t=20 ms, set at {3}"#,
    );
    assert_eq!(log.to_string(), expected);
    let last = &log.entries()[6];
    assert_eq!(last.logged_at().line(), line + 3);
}

/// R3: one timers phase runs before the first turn.
#[test]
fn the_timers_phase_before_the_first_turn_has_no_number() {
    let _limit = limit();
    let log = test::run(async |t| {
        let log = t.log();
        set_timeout(ms(0), log.callback("timeout"));
        nodeloop::time::block_for(ms(2));
        t.until_idle().await;
        log
    });
    let position = log.entries()[0].to_string();
    assert!(
        position.starts_with("timers, before the first turn, t=2 ms, set at "),
        "{position}"
    );
}

#[test]
fn an_order_that_differs_is_reported_as_a_difference() {
    let _limit = limit();
    let line = line!();
    let log = test::run(async |t| {
        let log = t.log();
        set_timeout(ms(20), log.callback("timeout"));
        set_immediate(log.callback("immediate"));
        next_tick(log.callback("tick"));
        set_interval(ms(5), {
            let mut each = log.callback("each");
            move || each()
        })
        .unref();
        t.until_idle().await;
        log
    });
    log.assert_order([
        "tick",
        "immediate",
        "each",
        "each",
        "each",
        "timeout",
        "each",
    ]);
    let message = message_of(|| {
        log.assert_order([
            "tick",
            "timeout",
            "immediate",
            "each",
            "each",
            "each",
            "never",
            "each",
        ]);
    });
    let expected = r#"the order differs (- expected, + logged)
    1 "tick"       tick, before the first turn, t=0 ms, queued at {5}
  - 2 "timeout"    logged as entry 6
    2 "immediate"  check, turn 1, t=0 ms, set at {4}
    3 "each"       interval, timers, turn 2, t=5 ms, set at {6}
    4 "each"       interval, timers, turn 3, t=10 ms, set at {6}
    5 "each"       interval, timers, turn 4, t=15 ms, set at {6}
  - 7 "never"      never logged
  + 6 "timeout"    timers, turn 5, t=20 ms, set at {3}
    7 "each"       interval, timers, turn 5, t=20 ms, set at {6}"#;
    assert_eq!(message, with_locations(line, expected));
}

#[test]
fn what_is_far_from_a_difference_is_left_out() {
    let _limit = limit();
    let log = Log::new();
    let labels: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    labels.iter().for_each(|label| log.add(label));
    let mut expected: Vec<&str> = labels.iter().map(String::as_str).collect();
    log.assert_order(&expected);
    expected.remove(10);
    let message = message_of(|| log.assert_order(&expected));
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[1], "    … 7 more as expected");
    assert!(lines[5].starts_with("  + 11 \"10\""), "{message}");
    assert_eq!(lines[9], "    … 6 more as expected");
    assert_eq!(lines.len(), 10);
}

#[test]
fn partial_orders_name_the_entries_that_break_them() {
    let _limit = limit();
    let line = line!();
    let log = test::run(async |t| {
        let log = t.log();
        for round in 1..=2 {
            set_timeout(ms(10 * round), log.callback("timeout"));
        }
        set_immediate(log.callback("immediate"));
        t.until_idle().await;
        log
    });
    log.assert_before("immediate", "timeout");
    log.assert_in_order(["immediate", "timeout", "timeout"]);
    log.assert_contiguous(["timeout", "timeout"]);
    log.assert_same_phase(["immediate"]);
    log.assert_once("immediate");
    log.assert_never("tick");
    let immediate = "\n    1 \"immediate\"  check, turn 1, t=0 ms, set at {6}";
    let first = "\n    2 \"timeout\"  timers, turn 2, t=10 ms, set at {4}";
    let second = "\n    3 \"timeout\"  timers, turn 3, t=20 ms, set at {4}";
    let cases: [(&dyn Fn(), String); 7] = [
        (
            &|| log.assert_before("timeout", "immediate"),
            format!(
                "\"timeout\" must come before \"immediate\", but came after it{immediate}{second}"
            ),
        ),
        (
            &|| log.assert_before("immediate", "tick"),
            format!("\"tick\" was never logged\nthe log:{immediate}{first}{second}"),
        ),
        (
            &|| log.assert_in_order(["timeout", "immediate"]),
            format!("no \"immediate\" comes after{first}\nthe log:{immediate}{first}{second}"),
        ),
        (
            &|| log.assert_same_phase(["timeout"]),
            format!(
                "these must run in the same phase of the same turn, but did not{first}{second}"
            ),
        ),
        (
            &|| log.assert_once("timeout"),
            format!("\"timeout\" must be logged once, but was logged 2 times{first}{second}"),
        ),
        (
            &|| log.assert_never("immediate"),
            format!("\"immediate\" must never be logged, but was{immediate}"),
        ),
        (
            &|| log.assert_contiguous(["timeout", "immediate"]),
            "[\"timeout\", \"immediate\"] must come with nothing in between\n\
             \x20 - 1 \"timeout\"    logged as entry 2\n\
             \x20   1 \"immediate\"  check, turn 1, t=0 ms, set at {6}\n\
             \x20 + 2 \"timeout\"    timers, turn 2, t=10 ms, set at {4}\n\
             \x20 + 3 \"timeout\"    timers, turn 3, t=20 ms, set at {4}"
                .to_owned(),
        ),
    ];
    for (assertion, expected) in &cases {
        assert_eq!(message_of(assertion), with_locations(line, expected));
    }
}

#[test]
fn other_threads_write_to_the_same_log() {
    let _limit = limit();
    let log = test::run(async |t| {
        let log = t.log();
        let from_thread = log.clone();
        spawn_blocking(move || from_thread.add("in the job")).await;
        log.add("after it");
        log
    });
    log.assert_order(["in the job", "after it"]);
    let entry = &log.entries()[0];
    assert!(
        entry
            .to_string()
            .starts_with("outside of the loop, on thread "),
        "{entry}"
    );
}

#[test]
fn a_body_returns_its_value_and_its_errors() -> Result<(), std::num::ParseIntError> {
    let sum = test::run(async |_| Ok::<_, std::num::ParseIntError>("1".parse::<u8>()? + 1))?;
    assert_eq!(sum, 2);
    Ok(())
}

#[test]
#[should_panic(expected = "the body itself")]
fn a_panic_of_the_body_fails_the_test_as_it_is() {
    let _limit = limit();
    test::run(async |_| panic!("the body itself"));
}

#[test]
fn a_stuck_body_fails_and_reports_what_it_waits_for() {
    let _limit = limit();
    let keep = std::cell::Cell::new(None); // for longer than the run
    let line = line!();
    let failure = test::TestBuilder::new()
        .try_run(async |t| {
            t.log().add("waiting");
            let (promise, resolver) = promise::with_resolver::<()>();
            drop(resolver);
            let (lost, kept) = promise::with_resolver::<()>();
            drop(spawn(lost));
            set_timeout(ms(5), || ()).unref();
            keep.set(Some(kept));
            promise.await
        })
        .unwrap_err();
    let expected = r#"the main future can never finish: nothing keeps the loop alive, and no waker is left that could wake it
  the main future, run at {2}:10
    it waits for the promise created at {4}:39, which can never settle: all its resolvers were dropped
  a timer, due in 5ms, created at {8}:13, unref'd
  a task spawned at {7}:18 is pending
    it waits for the promise created at {6}:32
the log:
    1 "waiting"  main script, before the first turn, t=0 ms, run at {2}"#;
    assert_eq!(failure.to_string(), with_locations(line, expected));
    let Some(RunError::Stuck(stuck)) = failure.error() else {
        panic!("{failure:?}")
    };
    let lost = |wait: &BlockedOn| {
        matches!(
            wait,
            BlockedOn::Promise {
                out_of_reach: true,
                ..
            }
        )
    };
    assert!(
        stuck
            .report()
            .tasks()
            .iter()
            .any(|task| task.blocked_on().iter().any(lost))
    );
}

#[test]
fn a_task_that_is_left_fails_the_test() {
    let _limit = limit();
    let line = line!();
    let left = async |_t: test::Test| {
        let (promise, resolver) = promise::with_resolver::<()>();
        drop(spawn(async move {
            promise.await;
            drop(resolver); // it holds what would wake it
        }));
    };
    let failure = test::TestBuilder::new().try_run(left).unwrap_err();
    let expected = r#"the test has left a pending task that can never be woken; await, abort or finish it, or call `allow_leftovers`
  a task spawned at {3}:14 is pending
    it waits for the promise created at {2}:35
the log is empty"#;
    assert_eq!(failure.to_string(), with_locations(line, expected));
    assert_eq!(failure.leftovers().map(|left| left.tasks().len()), Some(1));
    test::TestBuilder::new().allow_leftovers().run(left);
}

#[test]
fn the_report_of_many_tasks_that_are_left_is_short() {
    let _limit = limit();
    let (count, others) = if cfg!(miri) {
        (1_000, "990")
    } else {
        (10_000, "9,990")
    };
    let line = line!();
    let failure = test::TestBuilder::new().try_run(async |_t: test::Test| {
        for _ in 0..count {
            drop(spawn(std::future::pending::<()>()));
        }
    });
    let text = failure.unwrap_err().to_string();
    let more = format!("\n  … and {others} more spawned at {{3}}:18\n");
    let more = with_locations(line, &more);
    assert!(
        text.contains(&format!("{count} pending tasks")) && text.contains(&more),
        "{text}"
    );
    assert_eq!(text.matches("a task spawned at").count(), 10);
}

#[test]
fn unhandled_errors_fail_the_test() {
    let _limit = limit();
    let line = line!();
    let failure = test::TestBuilder::new().try_run(async |t| {
        let log = t.log();
        set_immediate(log.callback("immediate"));
        set_timeout(ms(5), || {
            drop(nodeloop::try_spawn(async { Err::<(), _>("no luck") }));
        });
    });
    let expected = r#"unhandled rejection of the promise created at {5}:18: "no luck"
  await it, add a reaction, or install `on_unhandled_rejection`
the log:
    1 "immediate"  check, turn 1, t=0 ms, set at {3}"#;
    assert_eq!(
        failure.unwrap_err().to_string(),
        with_locations(line, expected)
    );
    let line = line!();
    let failure = test::TestBuilder::new().try_run(async |_| {
        set_immediate(|| std::panic::resume_unwind(Box::new("thrown")));
    });
    let expected = "uncaught panic in the callback created at {2}:9: thrown\nthe log is empty";
    assert_eq!(
        failure.unwrap_err().to_string(),
        with_locations(line, expected)
    );
    let failure = test::TestBuilder::new().try_run(async |_| nodeloop::exit(3));
    let text = failure.unwrap_err().to_string();
    assert_eq!(text, "the program called `exit(3)`\nthe log is empty");
}

#[test]
fn a_drain_without_end_fails_the_test_instead_of_hanging_it() {
    let _limit = limit();
    fn forever() {
        queue_microtask(forever);
    }
    let failure = test::TestBuilder::new()
        .drain_limit(1_000)
        .try_run(async |_| forever());
    let failure = failure.unwrap_err();
    let Some(RunError::Starvation(starving)) = failure.error() else {
        panic!("{failure}")
    };
    assert_eq!(starving.microtasks, 1_001);
}

#[test]
fn advance_is_exact_and_runs_what_is_due_at_its_own_time() {
    let _limit = limit();
    test::run(async |t| {
        let times = Rc::new(RefCell::new(Vec::new()));
        let (seen, clock) = (times.clone(), t.clone());
        let every = set_interval(ms(10), move || {
            seen.borrow_mut().push(clock.now().as_millis())
        });
        t.advance(Duration::from_micros(34_999)).await;
        assert_eq!(t.now(), Duration::from_micros(34_999));
        assert_eq!(times.take(), [10, 20, 30]);
        t.advance(Duration::from_micros(1)).await;
        assert_eq!(t.now(), ms(35));
        assert!(times.take().is_empty());
        every.clear();
    });
}

#[test]
fn block_wait_and_advance_are_three_things() {
    let _limit = limit();
    test::run(async |t| {
        let log = t.log();
        set_timeout(ms(10), log.callback("timer"));
        queue_work(|| (), {
            let mut done = log.callback("job");
            move |()| done()
        });
        time::block_for(ms(15)); // time passes, and nothing runs
        assert_eq!((t.now(), log.is_empty()), (ms(15), true));
        time::wait_for_jobs(); // no time passes, and nothing runs
        assert_eq!((t.now(), log.is_empty()), (ms(15), true));
        t.advance(ms(1)).await;
        assert_eq!(t.now(), ms(16));
        // The timer is overdue, so the timers phase before the first turn runs it.
        log.assert_order(["timer", "job"]);
    });
}

#[test]
fn time_can_be_held_while_the_test_waits_for_something_real() {
    let _limit = limit();
    test::run(async |t| {
        let log = t.log();
        set_interval(ms(1), log.callback("interval")).unref();
        let held = t.hold_time();
        let (sender, receiver) = futures::channel::oneshot::channel();
        let token = nodeloop::keep_alive();
        let thread = std::thread::spawn(move || {
            let _ = sender.send(());
            drop(token);
        });
        receiver.await.unwrap();
        assert_eq!((t.now(), log.is_empty()), (Duration::ZERO, true));
        t.advance(ms(2)).await; // `advance` moves it
        assert_eq!(log.labels().len(), 2);
        drop(held);
        thread.join().unwrap();
    });
}

/// The message is sent before the token is dropped, so the loop may never see neither.
#[test]
fn a_message_that_races_with_its_token_is_seen_while_time_is_held() {
    let _limit = limit();
    for _ in 0..500 {
        test::run(async |t| {
            set_interval(ms(1), || ()).unref();
            let _held = t.hold_time();
            let (sender, receiver) = futures::channel::oneshot::channel();
            let token = nodeloop::keep_alive();
            let thread = std::thread::spawn(move || {
                let _ = sender.send(());
                drop(token);
            });
            receiver.await.unwrap();
            thread.join().unwrap();
        });
    }
}

#[test]
fn a_test_that_waits_for_time_that_is_held_fails() {
    let _limit = limit();
    let line = line!();
    let failure = test::TestBuilder::new().try_run(async |t| {
        let _held = t.hold_time();
        time::sleep(ms(20)).await;
    });
    let expected = r#"nothing can run unless time passes, and the virtual clock is held: advance it
  the main future, run at {1}:44
    it waits for a timer, due in 20ms, created at {3}:9
  a timer, due in 20ms, created at {3}:9
the log is empty"#;
    assert_eq!(
        failure.unwrap_err().to_string(),
        with_locations(line, expected)
    );
}

#[test]
fn the_body_can_wait_for_a_turn_for_a_stall_and_for_the_end() {
    let _limit = limit();
    test::run(async |t| {
        let log = t.log();
        let (outer, inner) = (log.clone(), log.clone());
        set_immediate(move || {
            outer.add("immediate");
            set_immediate(inner.callback("next immediate"));
        });
        set_timeout(ms(5), log.callback("timer"));
        t.turn().await;
        log.assert_order(["immediate"]);
        t.until_stalled().await;
        log.assert_order(["immediate", "next immediate"]);
        assert_eq!(t.now(), Duration::ZERO);
        assert_eq!(t.advance_to_next_timer().await, Some(ms(5)));
        log.assert_order(["immediate", "next immediate", "timer"]);
        assert_eq!(t.advance_to_next_timer().await, None);
        set_timeout(ms(7), log.callback("last"));
        t.until_idle().await;
        assert_eq!(t.now(), ms(12));
        log.assert_once("last");
    });
}

#[test]
fn a_timeout_around_a_job_does_not_fire_while_the_job_runs() {
    let _limit = limit();
    // tokio issue 4614
    test::run(async |t| {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let job = time::timeout(
            Duration::from_secs(100),
            spawn_blocking(move || receiver.recv()),
        );
        set_immediate(move || sender.send(()).unwrap());
        assert!(job.await.is_ok());
        assert_eq!(t.now(), Duration::ZERO);
    });
}

#[test]
fn a_job_that_never_ends_need_not_stop_the_clock() {
    let _limit = limit();
    // tokio issue 6242
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    test::TestBuilder::new()
        .jobs_hold_time(false)
        .run(async |t| {
            let job = queue_work(move || receiver.recv(), |_| ());
            time::sleep(ms(10)).await;
            assert_eq!(t.now(), ms(10));
            drop((job, sender));
        });
}

#[test]
fn a_stepper_goes_phase_by_phase() {
    let _limit = limit();
    let mut stepper = Stepper::start(|log| {
        set_timeout(ms(1), log.callback("timer"));
        set_immediate(log.callback("immediate"));
        time::simulate_completion(Duration::ZERO, log.callback("poll"));
    });
    let log = stepper.log();
    assert_eq!(stepper.run_phase(), Phase::Timers); // R3: before the first turn
    assert_eq!(stepper.run_phase(), Phase::Pending);
    assert!(log.is_empty());
    assert_eq!(stepper.run_phase(), Phase::Poll);
    log.assert_order(["poll"]);
    assert_eq!(stepper.run_phase(), Phase::Check);
    log.assert_order(["poll", "immediate"]);
    assert!(stepper.run_turn()); // to the end of this turn
    assert_eq!(stepper.run_phase(), Phase::Pending);
    assert_eq!(stepper.now(), Duration::ZERO);
    assert_eq!(stepper.advance_to_next_timer(), Some(ms(1)));
    log.assert_order(["poll", "immediate", "timer"]);
    assert_eq!(log.entries()[2].position().turn, 5);
    stepper.script(|log| log.add("again"));
    log.assert_once("again");
    stepper.finish();
}

#[test]
fn a_stepper_runs_until_idle_over_jobs_and_timers() {
    let _limit = limit();
    let mut stepper = Stepper::start(|log| {
        drop(spawn(async move {
            spawn_blocking(|| ()).await;
            time::sleep(ms(30)).await;
            log.add("done");
        }));
    });
    stepper.run_until_stalled();
    stepper.run_until_idle();
    stepper.log().assert_order(["done"]);
    assert_eq!(stepper.now(), ms(30));
    stepper.finish();
}

#[test]
fn a_stepper_fails_at_the_step_that_panics() {
    let _limit = limit();
    let line = line!();
    let mut stepper = Stepper::start(|_| {
        set_immediate(|| std::panic::resume_unwind(Box::new("thrown")));
    });
    let message = message_of(|| _ = stepper.run_turn());
    let expected = "uncaught panic in the callback created at {2}:9: thrown\nthe log is empty";
    assert_eq!(message, with_locations(line, expected));
}

#[test]
fn a_finished_stepper_leaves_no_task() {
    let _limit = limit();
    let stepper = Stepper::start(|_| drop(spawn(std::future::pending::<()>())));
    let message = message_of(|| stepper.finish());
    assert!(
        message.starts_with("the test has left a pending task"),
        "{message}"
    );
    assert!(
        message.contains("what it waits for is unknown to the loop"),
        "{message}"
    );
}

#[test]
fn the_script_form_runs_a_main_script() {
    let _limit = limit();
    let seen = Rc::new(Cell::new(false));
    let flag = seen.clone();
    test::run_script(move |t| {
        let log = t.log();
        next_tick(move || {
            log.add("tick");
            log.assert_order(["tick"]);
            flag.set(true);
        });
    });
    assert!(seen.get());
}
