//! A loop that a host drives turn by turn, and a clock that is advanced by hand.

use std::cell::Cell;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::process::command_of;
use crate::common::{Log, ms, now_ms, real_loop, virtual_loop};
use nodeloop::{
    EventLoop, Handle, RunError, StuckPolicy, keep_alive, promise, queue_microtask, set_immediate,
    set_interval, set_timeout, spawn, spawn_blocking, time,
};

fn hosted() -> EventLoop {
    let builder = EventLoop::builder().virtual_time();
    builder.stuck_policy(StuckPolicy::Error).build().unwrap()
}

#[test]
fn a_turn_runs_each_phase_once_and_does_not_wait() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = hosted();
    let script = log.clone();
    event_loop
        .start_script(move || {
            queue_microtask(script.callback("microtask of main"));
            time::simulate_completion(Duration::ZERO, script.callback("poll"));
            let (outer, inner) = (script.clone(), script.clone());
            set_immediate(move || {
                outer.add("check");
                set_immediate(inner.callback("next check"));
            });
            set_timeout(ms(1), script.callback("timer"));
        })
        .unwrap();
    log.assert(["microtask of main"]);
    assert!(event_loop.turn().unwrap());
    log.assert(["microtask of main", "poll", "check"]);
    assert!(event_loop.turn().unwrap()); // the clock has not moved
    log.assert(["microtask of main", "poll", "check", "next check"]);
    assert_eq!(event_loop.poll_timeout(), Some(ms(1)));
    assert!(!event_loop.advance(ms(1)).unwrap());
    log.assert(["microtask of main", "poll", "check", "next check", "timer"]);
    assert_eq!(event_loop.poll_timeout(), None);
}

#[test]
fn timers_that_are_due_run_before_the_first_turn() {
    let _limit = limit();
    // R3: as in a run of its own, so that a host changes no order.
    let script = |log: Log| {
        move || {
            set_timeout(ms(1), log.callback("timer"));
            set_immediate(log.callback("immediate"));
            time::block_for(ms(2));
        }
    };
    let (by_host, alone) = (Log::new(), Log::new());
    let mut event_loop = hosted();
    event_loop.start_script(script(by_host.clone())).unwrap();
    while event_loop.turn().unwrap() {}
    hosted().run_script(script(alone.clone())).unwrap();
    by_host.assert(["timer", "immediate"]);
    assert_eq!(by_host.lines(), alone.lines());
}

#[test]
fn run_until_stalled_stops_where_time_would_have_to_pass() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = hosted();
    let script = log.clone();
    event_loop
        .start_script(move || {
            let (first, second) = (script.clone(), script.clone());
            set_immediate(move || {
                first.add(1);
                set_immediate(move || second.add(2));
            });
            set_timeout(ms(5), script.callback("5 ms"));
        })
        .unwrap();
    assert!(event_loop.run_until_stalled().unwrap());
    log.assert(["1", "2"]);
    assert_eq!(event_loop.poll_timeout(), Some(ms(5)));
}

#[test]
fn advance_stops_at_each_timer_on_the_way_and_never_overshoots() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = hosted();
    let script = log.clone();
    event_loop
        .start_script(move || {
            set_interval(ms(10), move || script.add(now_ms()));
        })
        .unwrap();
    event_loop.advance(ms(35)).unwrap();
    log.assert(["10", "20", "30"]);
    assert_eq!(event_loop.poll_timeout(), Some(ms(5)));
    // Less than a millisecond is not rounded.
    event_loop.advance(Duration::from_micros(4_999)).unwrap();
    log.assert(["10", "20", "30"]);
    assert_eq!(event_loop.poll_timeout(), Some(Duration::from_micros(1)));
    event_loop.advance(Duration::from_micros(1)).unwrap();
    log.assert(["10", "20", "30", "40"]);
}

#[test]
fn jobs_hold_the_clock_of_a_host_that_advances() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = hosted();
    let (timers, jobs) = (log.clone(), log.clone());
    drop(event_loop.start(async move {
        set_timeout(ms(10), timers.callback("timer"));
        spawn_blocking(|| ()).await;
        jobs.add(format_args!("job at {}", now_ms()));
    }));
    event_loop.advance(ms(10)).unwrap();
    log.assert(["job at 0", "timer"]);
}

#[test]
fn jobs_that_do_not_hold_the_clock_let_it_jump() {
    let _limit = limit();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let mut event_loop = EventLoop::builder()
        .virtual_time()
        .jobs_hold_time(false)
        .build()
        .unwrap();
    // The job ends when the timer has run. If jobs held the time, neither could ever finish.
    let waited = event_loop.run(async move {
        let job = spawn_blocking(move || receiver.recv().unwrap());
        time::sleep(ms(10)).await;
        sender.send(()).unwrap();
        job.await;
        now_ms()
    });
    assert_eq!(waited.unwrap(), 10);
}

#[cfg(unix)] // Windows has no descriptors
#[test]
fn a_message_makes_the_descriptor_of_a_waiting_host_readable() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().build().unwrap();
    let seen = Rc::new(Cell::new(0));
    event_loop.start_script(|| ()).unwrap();
    let (token, sender) = (event_loop.handle().keep_alive(), event_loop.handle());
    assert_eq!(event_loop.poll_timeout(), None);
    assert!(!is_readable(&event_loop));
    let thread = std::thread::spawn(move || {
        sender.post(|| println!("hello")).unwrap();
        drop(token);
    });
    thread.join().unwrap();
    assert!(is_readable(&event_loop));
    assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO));
    assert!(!event_loop.turn().unwrap());
    assert_eq!(event_loop.poll_timeout(), None);
    assert!(
        !is_readable(&event_loop),
        "the turn has consumed the notification"
    );
    drop(seen);
}

#[cfg(unix)] // Windows has no descriptors
#[test]
fn a_notification_without_a_message_is_consumed_by_the_next_turn() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().build().unwrap();
    event_loop.start_script(|| ()).unwrap();
    let token = event_loop.handle().keep_alive();
    assert_eq!(event_loop.poll_timeout(), None);
    drop(token); // notifies the loop, and leaves no message
    assert!(is_readable(&event_loop));
    event_loop.turn().unwrap();
    assert_eq!(event_loop.poll_timeout(), None);
    assert!(!is_readable(&event_loop));
}

/// Whether the wait of a host would return immediately.
#[cfg(unix)]
fn is_readable(event_loop: &EventLoop) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut watched = [PollFd::new(event_loop, PollFlags::IN)];
    poll(&mut watched, Some(&rustix::event::Timespec::default())).unwrap() == 1
}

#[test]
fn an_uncaught_panic_ends_the_turn_and_empties_the_loop() {
    let _limit = limit();
    let mut event_loop = hosted();
    event_loop
        .start_script(|| {
            set_immediate(|| crate::common::throw("out"));
            set_timeout(ms(1), || unreachable!("it is cancelled"));
        })
        .unwrap();
    let error = event_loop.turn().unwrap_err();
    assert!(matches!(error, RunError::Uncaught(_)), "{error}");
    assert!(!event_loop.turn().unwrap());
    event_loop.advance(ms(5)).unwrap();
}

#[test]
fn a_clock_that_is_held_by_hand_does_not_jump() {
    let _limit = limit();
    let manual = || {
        let builder = EventLoop::builder().virtual_time();
        builder.auto_advance(false).build().unwrap()
    };
    let waited = manual().run(async {
        let sleep = nodeloop::spawn(time::sleep(ms(20)));
        time::advance(ms(19)).await;
        assert!(!sleep.is_finished());
        time::advance(ms(1)).await;
        assert!(sleep.is_finished());
        now_ms()
    });
    assert_eq!(waited.unwrap(), 20);
    // Nothing advances the clock: this can never end, and is reported instead of hanging.
    let line = line!() + 1;
    let error = manual().run(async { time::sleep(ms(20)).await });
    let Err(RunError::Stuck(stuck)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        stuck.to_string(),
        format!(
            "nothing can run unless time passes, and the virtual clock is held: advance \
             it\n  the main future, run at tests/kit/hosted.rs:{line}:26\n    it waits for a timer, \
             due in 20ms, created at tests/kit/hosted.rs:{line}:38\n  a timer, due in 20ms, created at \
             tests/kit/hosted.rs:{line}:38"
        )
    );
}

#[test]
fn why_alive_names_what_keeps_the_loop_alive_and_what_does_not() {
    let _limit = limit();
    let report = Rc::new(Cell::new(String::new()));
    let slot = report.clone();
    let line = line!() - 1;
    let mut event_loop = hosted();
    event_loop
        .start_script(move || {
            let timer = set_timeout(ms(20), || ());
            timer.unref();
            let every = set_interval(ms(30), || ());
            let immediate = set_immediate(|| ());
            let token = keep_alive();
            time::simulate_completion(ms(5), || ());
            Handle::current().post(|| ()).unwrap();
            let why = nodeloop::why_alive();
            assert_eq!(why.keeping_alive().count(), 5);
            slot.set(why.to_string());
            every.clear();
            immediate.clear();
            drop(token);
        })
        .unwrap();
    let at = |below: u32, column: u32| format!("tests/kit/hosted.rs:{}:{column}", line + below);
    let expected = [
        "the loop is alive:".to_owned(),
        format!("a timer, due in 20ms, created at {}, unref'd", at(5, 25)),
        format!("an interval, due in 30ms, created at {}", at(7, 25)),
        format!("an immediate, created at {}", at(8, 29)),
        format!(
            "a simulated completion, due in 5ms, created at {}",
            at(10, 13)
        ),
        format!("a keep-alive token, created at {}", at(9, 25)),
        "a message of another thread".to_owned(),
    ];
    assert_eq!(report.take(), expected.join("\n  "));
    while event_loop.run_until_stalled().unwrap() {
        event_loop.advance(ms(5)).unwrap();
    }
    assert!(!event_loop.why_alive().is_alive());
}

#[cfg(unix)] // the child is a program of Unix
#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn why_alive_agrees_with_the_loop_on_children() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().build().unwrap();
    drop(event_loop.start(async {
        let mut child = nodeloop::process::Command::new("true").spawn().unwrap();
        child.wait().await.unwrap();
    }));
    let why = event_loop.why_alive();
    let kinds: Vec<_> = why
        .keeping_alive()
        .map(nodeloop::ActiveResource::kind)
        .collect();
    assert_eq!(kinds, [nodeloop::ResourceKind::Child], "{why}");
    event_loop.run_script(|| ()).unwrap();
    assert!(!event_loop.why_alive().is_alive());
}

/// Waits for a message that never arrives; run by the test below.
#[test]
#[ignore = "never ends, as a child of `a_run_that_waits_forever_reports_it`"]
fn a_run_that_waits_forever() {
    let _limit = limit();
    let (_sender, receiver) = futures::channel::oneshot::channel::<()>(); // its sender has a waker
    let _ = nodeloop::run(receiver);
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn a_run_that_waits_forever_reports_it() {
    let _limit = limit();
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let mut child = command_of(a_run_that_waits_forever)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let printed: Vec<String> = lines.map(Result::unwrap).take(2).collect(); // waits for them
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        printed[0].contains("StillWaitingWarning: the main future is pending"),
        "{printed:?}"
    );
    assert!(
        printed[1].contains("the main future, run at tests/kit/hosted.rs:"),
        "{printed:?}"
    );
}

/// The listener may end what the main future waits for.
#[test]
fn a_listener_receives_the_warning_of_a_long_wait() {
    let _limit = limit();
    let (sender, receiver) = futures::channel::oneshot::channel();
    let (mut sender, mut event_loop) = (Some(sender), real_loop());
    let line = line!() + 1;
    let warning = event_loop.block_on(async move {
        let on_warning = nodeloop::on_warning(move |warning| {
            let sender = sender.take().expect("one warning in a run");
            sender.send(warning.clone()).expect("the main future waits");
        });
        let warning = receiver.await.unwrap();
        on_warning.remove();
        warning
    });
    let warning = warning.unwrap();
    assert_eq!(warning.name(), "StillWaitingWarning");
    let report = warning.message();
    assert!(report.starts_with("the main future is pending"), "{report}");
    let remedy = "\n  if another thread wakes it, hold a `KeepAlive` there, which silences this warning; if nothing \
                  does, end such a run with `StuckPolicy::Error`";
    assert!(report.ends_with(remedy), "{report}");
    let location = warning.location();
    assert_eq!((location.file(), location.line()), (file!(), line));
}

/// The number of lines of one location.
const LISTED: usize = 10;

/// The text of a report does not grow with the number of tasks.
#[test]
fn the_text_lists_ten_of_each_location_and_counts_the_others() {
    let _limit = limit();
    let (count, others) = if cfg!(miri) {
        (1_000, "990")
    } else {
        (10_000, "9,990")
    };
    let mut event_loop = virtual_loop();
    let resolvers = event_loop.block_on(async {
        let start = |_| {
            let (promise, resolver) = promise::with_resolver::<()>();
            drop(spawn(async move {
                promise.await;
            }));
            resolver
        };
        (0..count).map(start).collect::<Vec<_>>()
    });
    let report = event_loop.why_alive();
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * LISTED + 1, "{text}");
    let location = report.tasks()[0].location();
    let listed = format!("  a task spawned at {location} is pending");
    assert_eq!(lines[1], listed);
    assert_eq!(lines[2 * LISTED - 1], listed);
    let more = format!("  … and {others} more spawned at {location}");
    assert_eq!(lines[2 * LISTED + 1], more);
    drop(resolvers);
}

/// One task that waits for many promises, twice for each.
#[test]
fn what_a_task_waits_for_is_grouped_and_listed_once() {
    let _limit = limit();
    let mut event_loop = virtual_loop();
    let resolvers = event_loop.block_on(async {
        let (promises, resolvers): (Vec<_>, Vec<_>) =
            (0..1_234).map(|_| promise::with_resolver::<()>()).unzip();
        drop(spawn(async move {
            let shared: Vec<_> = promises
                .into_iter()
                .map(nodeloop::Promise::shared)
                .collect();
            let twice = shared.iter().chain(&shared).cloned();
            let mut all: Vec<_> = twice.map(IntoFuture::into_future).collect();
            poll_fn(|cx| {
                let pending = all
                    .iter_mut()
                    .filter_map(|one| match Pin::new(one).poll(cx) {
                        Poll::Ready(()) => None,
                        Poll::Pending => Some(()),
                    });
                match pending.count() {
                    0 => Poll::Ready(()),
                    _ => Poll::Pending,
                }
            })
            .await;
        }));
        resolvers
    });
    let report = event_loop.why_alive();
    let [task] = report.tasks() else {
        panic!("not one task: {report}");
    };
    assert_eq!(task.blocked_on().len(), 1_234);
    let nodeloop::BlockedOn::Promise { location, .. } = task.blocked_on()[0] else {
        panic!("not a promise: {report}");
    };
    let text = task.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + LISTED + 1, "{text}");
    let listed = format!("    it waits for the promise created at {location}");
    assert_eq!(lines[LISTED], listed);
    let more = format!("    … and 1,224 more created at {location}");
    assert_eq!(lines[LISTED + 1], more);
    drop(resolvers);
}
