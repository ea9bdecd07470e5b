//! Exploration of every order: how many there are, limits, reports and replays.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use nodeloop::test::{self, CheckedOrders, Log, Shared, Test, TestBuilder};
use nodeloop::{
    Handle, Seed, keep_alive, queue_work, set_immediate, set_timeout, spawn, spawn_blocking, time,
};

use crate::common::limit::limit;
use crate::common::ms;
use crate::common::process::command_of;

fn work(t: &Test, label: &str) {
    queue_work(|| (), t.log().reaction(label));
}

/// The number of orders, all of which are checked.
fn count(checked: CheckedOrders) -> u64 {
    checked.assert_complete();
    let count = checked.count();
    let expected = match count {
        1 => "1 of 1 order checked".to_owned(),
        _ => format!("{count} of {count} orders checked"),
    };
    assert_eq!(checked.to_string(), expected);
    count
}

fn factorial(number: u64) -> u64 {
    (1..=number).product()
}

/// A test with `jobs` jobs.
async fn jobs(t: Test, jobs: u64) {
    for job in 0..jobs {
        work(&t, &job.to_string());
    }
    t.until_idle().await;
}

#[test]
fn jobs_finish_in_as_many_orders_as_they_have_permutations() {
    let _limit = limit();
    for number in 1..=5 {
        let builder = TestBuilder::new().blocking_threads(5);
        let checked = builder.explore_all(async |t| jobs(t, number).await);
        assert_eq!(checked.logs().count() as u64, factorial(number));
        assert_eq!(checked.runs(), factorial(number));
        assert_eq!(count(checked), factorial(number));
    }
}

#[test]
fn jobs_that_wait_for_a_thread_have_fewer_orders() {
    let _limit = limit();
    // R60: with two threads one of the first two jobs finishes next, until one is left.
    for (threads, expected) in [(1, 1), (2, 16), (3, 54), (4, 96)] {
        let builder = TestBuilder::new().blocking_threads(threads);
        let checked = builder.explore_all(async |t| jobs(t, 5).await);
        assert_eq!(count(checked), expected, "{threads} threads");
    }
}

#[test]
fn messages_of_threads_have_a_multinomial_number_of_orders() {
    let _limit = limit();
    for (threads, expected) in [
        (&[3][..], 1),
        (&[2, 2], 6),
        (&[3, 2], 10),
        (&[1, 1, 1, 1], 24),
        (&[2, 2, 2], 90),
    ] {
        let checked = test::explore_all(async |t| {
            let token = keep_alive();
            for (thread, messages) in threads.iter().enumerate() {
                let (handle, log) = (Handle::current(), t.log());
                let thread = std::thread::spawn(move || {
                    for message in 0..*messages {
                        let label = format!("{thread}.{message}");
                        handle.post(log.callback(label)).unwrap();
                    }
                });
                thread.join().unwrap(); // so that they have arrived when the loop looks
            }
            drop(token);
            t.until_idle().await;
        });
        assert_eq!(count(checked), expected, "{threads:?}");
    }
}

#[test]
fn an_immediate_comes_at_any_point_between_jobs() {
    let _limit = limit();
    for number in 0..=3 {
        let checked = test::explore_all(async |t| {
            set_immediate(t.log().callback("immediate"));
            jobs(t, number).await;
        });
        assert_eq!(count(checked), factorial(number + 1));
    }
}

#[test]
fn chains_of_jobs_are_shuffled() {
    let _limit = limit();
    for (chains, expected) in [(1, 1), (2, 6), (3, 90)] {
        let checked = test::explore_all(async |t| {
            for chain in 0..chains {
                let log = t.log();
                spawn(async move {
                    for step in 0..2 {
                        spawn_blocking(|| ()).await;
                        log.add(format_args!("{chain}.{step}"));
                    }
                })
                .detach();
            }
            t.until_idle().await;
        });
        assert_eq!(count(checked), expected);
    }
}

#[test]
fn durations_are_all_tried() {
    let _limit = limit();
    let checked = test::explore_all(async |t| {
        test::complete_within(ms(5)..=ms(8), t.log().callback("a"));
        test::complete_within(ms(1)..=ms(9), t.log().callback("b"));
        t.until_idle().await;
    });
    assert_eq!(checked.logs().count(), 2);
    assert_eq!(count(checked), 4 * 9);
}

#[test]
fn a_timer_of_a_millisecond_comes_before_an_immediate_or_after_it() {
    let _limit = limit();
    let checked = test::explore_all(async |t| {
        set_timeout(Duration::ZERO, t.log().callback("timeout"));
        set_immediate(t.log().callback("immediate"));
        t.until_idle().await;
    });
    assert_eq!(checked.logs().count(), 2);
    // A millisecond passes before the first turn, in the first turn, or in neither.
    assert_eq!(count(checked), 3);
}

#[test]
fn the_loop_timer_of_a_cleared_timer_does_not_make_the_search_endless() {
    let _limit = limit();
    let checked = test::explore_all(async |t| {
        let timer = set_timeout(ms(3), || unreachable!("it is cleared"));
        time::simulate_completion(ms(2), move || {
            timer.clear();
            time::simulate_completion(ms(1), || ()); // due with the loop timer
        });
        t.until_idle().await;
    });
    assert!(count(checked) <= 3);
}

#[test]
fn events_with_logs_of_their_own_are_independent_if_state_is_declared() {
    let _limit = limit();
    let body = async |t: Test| {
        for _ in 0..4 {
            queue_work(|| (), Log::new().reaction("done"));
        }
        t.until_idle().await;
    };
    assert_eq!(count(test::explore_all(body)), 24);
    let declared = TestBuilder::new().declared_state().explore_all(body);
    assert_eq!(count(declared), 1);
}

#[test]
fn groups_of_jobs_have_the_product_of_their_orders() {
    let _limit = limit();
    for (groups, expected) in [(&[2, 2][..], 4), (&[3, 1], 6), (&[3, 2], 12)] {
        let builder = TestBuilder::new().declared_state().blocking_threads(5);
        let checked = builder.explore_all(async |t| {
            for jobs in groups {
                let cell = Shared::new(0);
                for _ in 0..*jobs {
                    let cell = cell.clone();
                    queue_work(|| (), move |()| *cell.borrow_mut() += 1);
                }
            }
            t.until_idle().await;
        });
        assert_eq!(count(checked), expected, "{groups:?}");
    }
}

#[test]
fn each_reader_comes_before_the_writer_or_after_it() {
    let _limit = limit();
    for readers in 1..=4 {
        let builder = TestBuilder::new().declared_state().blocking_threads(5);
        let checked = builder.explore_all(async |t| {
            let cell = Shared::new(0);
            let written = cell.clone();
            queue_work(|| (), move |()| *written.borrow_mut() = 1);
            for _ in 0..readers {
                let read = cell.clone();
                queue_work(|| (), move |()| assert!(*read.borrow() < 2));
            }
            t.until_idle().await;
        });
        assert_eq!(count(checked), 1 << readers);
    }
}

#[test]
fn tasks_that_await_different_jobs_are_independent_if_state_is_declared() {
    let _limit = limit();
    let body = async |t: Test| {
        for _ in 0..3 {
            spawn(async move { spawn_blocking(|| ()).await }).detach();
        }
        t.until_idle().await;
    };
    assert_eq!(count(test::explore_all(body)), 6);
    let declared = TestBuilder::new().declared_state().explore_all(body);
    assert_eq!(count(declared), 1);
}

#[test]
fn an_exploration_ends_at_its_limit_and_reports_how_far_it_came() {
    let _limit = limit();
    let builder = TestBuilder::new().blocking_threads(6).max_runs(100);
    let checked = builder.explore_all(async |t| jobs(t, 6).await);
    assert_eq!((checked.count(), checked.runs()), (100, 100));
    assert!(!checked.is_complete());
    assert_eq!(
        checked.to_string(),
        "100 orders checked, about 14.1 % of the search"
    );
    let failed = catch_unwind(|| checked.assert_complete()).unwrap_err();
    let message = failed.downcast::<String>().unwrap();
    let expected = "100 orders checked, about 14.1 % of the search; raise `max_runs` and \
                    `max_duration`, or make the test smaller";
    assert_eq!(*message, expected);
    let builder = TestBuilder::new().max_duration(Duration::ZERO);
    let checked = builder.explore_all(async |t| jobs(t, 3).await);
    assert_eq!(checked.runs(), 1);
    assert!(!checked.is_complete());
    let expected = "1 order checked, about 25.0 % of the search";
    assert_eq!(checked.to_string(), expected);
}

/// The message with which an exploration fails.
fn failure_of(builder: TestBuilder, body: impl AsyncFn(Test)) -> String {
    let failed = catch_unwind(AssertUnwindSafe(|| builder.explore_all(body)));
    *failed.unwrap_err().downcast::<String>().unwrap()
}

/// Fails only in the order `c b a d`, one of 24.
async fn rare_race(t: Test) {
    for label in ["a", "b", "c", "d"] {
        work(&t, label);
    }
    t.until_idle().await;
    assert_ne!(t.log().labels(), ["c", "b", "a", "d"]);
}

#[test]
fn a_failing_order_is_reported_with_its_decisions_and_an_order_that_passes() {
    let _limit = limit();
    let message = failure_of(TestBuilder::new(), rare_race);
    let title = "order 15 fails; replay it with\n    NODELOOP_SEED=order:0=2,1=1 cargo test \
        explore_all::a_failing_order_is_reported_with_its_decisions_and_an_order_that_passes\n\
        It fails with 2 of its 2 decisions:\n";
    assert!(message.starts_with(title), "{message}");
    let file = file!();
    for decision in [
        format!("     0  job 3 of {file}:"), // submitted on one line, so they are numbered
        format!("     1  job 2 of {file}:"),
        format!(" finished before job 1 of {file}:"),
        "\nThe most similar order that passes (-) and the order of this seed (+):\n".to_owned(),
    ] {
        assert!(message.contains(&decision), "no {decision:?} in: {message}");
    }
    // The seed repeats the order.
    let seed: Seed = "order:0=2,1=1".parse().unwrap();
    let failed = TestBuilder::new().seed(seed).try_run(rare_race);
    let log = failed.unwrap_err().log().labels();
    assert_eq!(log, ["c", "b", "a", "d"]);
}

/// The program has changed since the seed was printed: the decision between two jobs has no answer 2.
#[test]
fn an_answer_that_a_decision_does_not_have_takes_the_plain_order() {
    let _limit = limit();
    for (seed, order) in [("order:0=1", ["b", "a"]), ("order:0=2", ["a", "b"])] {
        let seed: Seed = seed.parse().unwrap();
        let labels = TestBuilder::new().seed(seed).run(async |t| {
            work(&t, "a");
            work(&t, "b");
            t.until_idle().await;
            t.log().labels()
        });
        assert_eq!(labels, order);
    }
}

#[test]
fn a_failure_in_the_plain_order_is_reported_as_such() {
    let _limit = limit();
    let line = line!() + 2;
    let message = failure_of(TestBuilder::new(), async |t| {
        t.log().assert_once("nothing");
    });
    let expected = format!(
        "the test fails in the plain order, without any exploration, at {}:{line}:17: \"nothing\" \
         was never logged\nthe log is empty",
        file!()
    );
    assert_eq!(message, expected);
    // A callback that panics is named with the place of the panic, too.
    let line = line!() + 2;
    let message = failure_of(TestBuilder::new(), async |t| {
        set_timeout(ms(1), || panic!("in a callback"));
        t.until_idle().await;
    });
    let expected = format!("without any exploration, at {}:{line}:31: ", file!());
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn a_race_that_needs_an_unlikely_order_is_found() {
    let _limit = limit();
    // One of 720 orders: a hundred seeds seldom find it.
    let body = async |t: Test| {
        jobs(t.clone(), 6).await;
        assert_ne!(t.log().labels(), ["5", "3", "4", "0", "2", "1"]);
    };
    let message = failure_of(TestBuilder::new().blocking_threads(6), body);
    assert!(message.contains("It fails with "), "{message}");
}

#[test]
fn a_test_that_does_not_repeat_is_reported() {
    let _limit = limit();
    let runs = Rc::new(Cell::new(0));
    let message = failure_of(TestBuilder::new(), async |t| {
        runs.set(runs.get() + 1);
        jobs(t, if runs.get() == 1 { 3 } else { 2 }).await;
    });
    let expected = "the test did something else when its run was repeated (at decision 0): keep no \
                    state outside of the body (statics, hash maps, the real clock), and join threads \
                    before the loop looks for what they send";
    assert_eq!(message, expected);
}

#[test]
fn long_ranges_of_durations_are_named_at_the_limit() {
    let _limit = limit();
    let checked = TestBuilder::new().max_runs(20).explore_all(async |t| {
        for _ in 0..3 {
            test::complete_within(ms(1)..=ms(1000), || ());
        }
        work(&t, "job");
        t.until_idle().await;
    });
    let failed = catch_unwind(|| checked.assert_complete()).unwrap_err();
    let message = failed.downcast::<String>().unwrap();
    let expected = "20 orders checked, about 0.0 % of the search; most of them differ in durations: \
                    narrow the ranges of `complete_within`, or raise `max_runs` and `max_duration`";
    assert_eq!(*message, expected);
}

#[test]
fn a_timer_comes_before_a_job_only_if_jobs_do_not_hold_the_time() {
    let _limit = limit();
    let body = async |t: Test| {
        work(&t, "job");
        set_timeout(ms(5), t.log().callback("timer"));
        t.until_idle().await;
    };
    let orders = |checked: CheckedOrders| {
        checked.assert_complete();
        let logs: Vec<String> = checked.logs().map(|log| log.join(" ")).collect();
        logs.join(", ")
    };
    assert_eq!(orders(test::explore_all(body)), "job timer");
    let raced = TestBuilder::new().jobs_hold_time(false).explore_all(body);
    assert_eq!(orders(raced), "job timer, timer job");
}

#[test]
fn what_node_guarantees_is_the_same_in_every_order() {
    let _limit = limit();
    let checked = test::explore_all(async |t| {
        let log = t.log();
        set_timeout(ms(30), log.callback("30 ms"));
        set_timeout(ms(20), log.callback("20 ms"));
        set_immediate(log.callback("immediate"));
        time::simulate_completion(ms(5), log.callback("completion"));
        time::simulate_completion(ms(5), log.callback("completion, again"));
        t.advance(ms(20)).await;
        assert_eq!(t.now(), ms(20));
        t.until_idle().await;
    });
    assert_eq!(count(checked), 1);
}

#[test]
fn the_seed_of_an_order_is_read_as_it_is_written() {
    let _limit = limit();
    for text in ["order", "order:2=1", "order:2=1,5=3"] {
        assert_eq!(text.parse::<Seed>().unwrap().to_string(), text);
    }
    for text in ["order:", "order:2", "order:2=", "order:2=1,2=3", "order2=1"] {
        assert!(text.parse::<Seed>().is_err(), "{text:?}");
    }
}

/// Fails in some orders; run by the test below.
#[test]
#[ignore = "fails on purpose, as a child of `the_environment_replays_an_order`"]
fn a_race() {
    let _limit = limit();
    let checked = test::explore_all(rare_race);
    checked.assert_complete();
    println!("{checked}");
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn the_environment_replays_an_order() {
    let _limit = limit();
    let run = |seed: &str| {
        let mut child = command_of(a_race);
        let output = child.env("NODELOOP_SEED", seed).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        (output.status.success(), printed)
    };
    let (passed, printed) = run("order:0=2,1=1");
    assert!(
        !passed && printed.contains("NODELOOP_SEED=order:0=2,1=1\n"),
        "{printed}"
    );
    assert!(printed.contains("finished before job 1 of"), "{printed}");
    // A replay of one order that passes is complete.
    let (passed, printed) = run("order");
    assert!(
        passed && printed.contains("1 order replayed\n"),
        "{printed}"
    );
    // Decisions that do not apply any more are named, and the run continues, but it shows nothing without any
    // decision that applies.
    let none = "so that only the plain order was run: the program has changed";
    let (passed, printed) = run("order:1=7,30=1");
    let expected = "decisions that do not apply any more, where the plain order was taken: 1, 30\n";
    assert!(!passed && printed.contains(expected), "{printed}");
    assert!(printed.contains(none), "{printed}");
    let (passed, printed) = run("7:200");
    let expected = "decisions that do not apply any more, where the plain order was taken: 200\n";
    assert!(!passed && printed.contains(expected), "{printed}");
    let none = format!("no decision of NODELOOP_SEED=7:200 applies, {none}");
    assert!(printed.contains(&none), "{printed}");
}

#[test]
fn a_wake_without_a_message_does_not_make_a_job_slow() {
    let _limit = limit();
    let checked = TestBuilder::new()
        .jobs_hold_time(false)
        .explore_all(async |t| {
            let token = keep_alive();
            let job = move || {
                drop(token); // wakes the loop, and sends nothing
                thread::sleep(ms(20));
            };
            queue_work(job, t.log().reaction("job"));
            set_timeout(ms(5), t.log().callback("timer"));
            t.until_idle().await;
        });
    let logs: Vec<String> = checked.logs().map(|log| log.join(" ")).collect();
    assert_eq!(logs, ["job timer", "timer job"]);
    // The job is delivered at once, after the wait for the timer, or after the timer.
    assert_eq!(count(checked), 3);
}
