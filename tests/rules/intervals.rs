//! Intervals, sleeps that are reset, timeouts and instants. Times are those of virtual clocks.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{FusedFuture, FutureExt};
use futures::stream::FusedStream;
use futures::{StreamExt, select_biased};

use crate::common::limit::limit;
use crate::common::{Log, ms, now_ms, real_loop, trace, virtual_loop};
use nodeloop::time::{
    Elapsed, Instant, Interval, MissedTickBehavior, block_for, interval, interval_at, sleep,
    sleep_until, timeout, timeout_at,
};
use nodeloop::{set_timeout, spawn};

fn log_ticks(log: &Log, mut ticks: Interval, count: usize) {
    let log = log.clone();
    spawn(async move {
        for n in 1..=count {
            ticks.tick().await;
            log.add(format_args!("tick {n}"));
        }
    })
    .detach();
}

/// R26, R30: `303-interval-at.js`.
#[test]
fn an_interval_counts_from_its_first_tick() {
    let log = trace(|log| {
        log_ticks(&log, interval_at(Instant::now() + ms(5), ms(20)), 3);
        set_timeout(ms(5), move || {
            log.add("timer of 5");
            set_timeout(ms(20), move || {
                log.add("timer of 20");
                set_timeout(ms(20), log.callback("timer of 20 again"));
            });
        });
    });
    log.assert([
        "tick 1",
        "timer of 5",
        "tick 2",
        "timer of 20",
        "tick 3",
        "timer of 20 again",
    ]);
}

/// R35: `304-interval-refresh.js`.
#[test]
fn resetting_an_interval_is_a_refresh() {
    let log = trace(|log| {
        let ticks = Rc::new(RefCell::new(interval(ms(40))));
        let (lines, ticking) = (log.clone(), ticks.clone());
        spawn(async move {
            for n in 1..=2 {
                std::future::poll_fn(|cx| ticking.borrow_mut().poll_tick(cx)).await;
                lines.add(format_args!("tick {n}"));
            }
        })
        .detach();
        set_timeout(ms(40), log.callback("timer"));
        set_timeout(ms(20), move || {
            ticks.borrow_mut().reset();
            set_timeout(ms(40), log.callback("timer after the refresh"));
        });
    });
    log.assert(["timer", "tick 1", "timer after the refresh", "tick 2"]);
}

/// The times at which ticks are returned, and with the behaviours of tokio when they were due. The
/// loop is blocked from 15 ms to 45 ms.
fn ticks_around_a_block(behavior: MissedTickBehavior, count: usize) -> Vec<(u64, u64)> {
    let result = virtual_loop().block_on(async move {
        let start = Instant::now();
        let mut ticks = interval(ms(10));
        ticks.set_missed_tick_behavior(behavior);
        assert_eq!(ticks.missed_tick_behavior(), behavior);
        set_timeout(ms(15), || block_for(ms(30)));
        let mut times = Vec::new();
        for _ in 0..count {
            let due = ticks.tick().await;
            times.push((now_ms() as u64, (due - start).as_millis() as u64));
        }
        times
    });
    result.unwrap()
}

#[test]
fn the_behaviours_after_a_block() {
    let of = ticks_around_a_block;
    let drift = [(10, 10), (45, 45), (55, 55), (65, 65)];
    assert_eq!(of(MissedTickBehavior::Drift, 4), drift);
    let burst = [(10, 10), (45, 20), (45, 30), (45, 40), (50, 50), (60, 60)];
    assert_eq!(of(MissedTickBehavior::Burst, 6), burst);
    let delay = [(10, 10), (45, 20), (55, 55), (65, 65)];
    assert_eq!(of(MissedTickBehavior::Delay, 4), delay);
    let skip = [(10, 10), (45, 20), (50, 50), (60, 60)];
    assert_eq!(of(MissedTickBehavior::Skip, 4), skip);
}

/// The consumer sleeps until 35 ms; the loop runs.
#[test]
fn the_behaviours_with_a_late_consumer() {
    let of = |behavior, count: usize| {
        let result = virtual_loop().block_on(async move {
            let mut ticks = interval(ms(10));
            ticks.set_missed_tick_behavior(behavior);
            sleep(ms(35)).await;
            let mut times = Vec::new();
            for _ in 0..count {
                ticks.tick().await;
                times.push(now_ms());
            }
            times
        });
        result.unwrap()
    };
    assert_eq!(of(MissedTickBehavior::Drift, 5), [35, 35, 35, 40, 50]);
    assert_eq!(of(MissedTickBehavior::Burst, 5), [35, 35, 35, 40, 50]);
    assert_eq!(of(MissedTickBehavior::Delay, 3), [35, 45, 55]);
    assert_eq!(of(MissedTickBehavior::Skip, 3), [35, 40, 50]);
}

/// Being late by up to 5 ms does not move the next tick.
#[test]
fn a_little_delay_is_tolerated() {
    for (late_ms, next_ms) in [(5, 20), (6, 26)] {
        let result = virtual_loop().block_on(async move {
            let mut ticks = interval(ms(10));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            block_for(ms(10 + late_ms));
            ticks.tick().await;
            ticks.tick().await;
            now_ms()
        });
        assert_eq!(result.unwrap(), next_ms);
    }
}

#[test]
fn the_first_tick_of_an_interval_at() {
    for behavior in [MissedTickBehavior::Drift, MissedTickBehavior::Skip] {
        let of = move |start_ms: u64| {
            let result = virtual_loop().block_on(async move {
                let begin = Instant::now();
                block_for(ms(20));
                let mut ticks = interval_at(begin + ms(start_ms), ms(10));
                ticks.set_missed_tick_behavior(behavior);
                let mut times = Vec::new();
                for _ in 0..2 {
                    ticks.tick().await;
                    times.push(now_ms());
                }
                times
            });
            result.unwrap()
        };
        assert_eq!(of(23), [23, 33]);
        assert_eq!(of(30), [30, 40]);
        let past = match behavior {
            MissedTickBehavior::Drift => [21, 31],
            _ => [20, 30],
        };
        assert_eq!(of(20), past);
        assert_eq!(of(0), past);
    }
}

#[test]
fn resets_move_the_next_tick() {
    for behavior in [MissedTickBehavior::Drift, MissedTickBehavior::Burst] {
        let result = virtual_loop().block_on(async move {
            let mut ticks = interval(ms(10));
            assert_eq!(ticks.period(), ms(10));
            ticks.set_missed_tick_behavior(behavior);
            let mut times = Vec::new();
            sleep(ms(25)).await; // two ticks are kept, or missed
            ticks.reset();
            for n in 0..4 {
                ticks.tick().await;
                times.push(now_ms());
                match n {
                    0 => ticks.reset_after(ms(3)),
                    1 => ticks.reset_at(Instant::now() + ms(2)),
                    2 => ticks.reset(),
                    _ => ticks.reset_immediately(),
                }
            }
            ticks.tick().await;
            times.push(now_ms());
            times
        });
        let last = match behavior {
            MissedTickBehavior::Drift => 51, // a timer
            _ => 50,
        };
        assert_eq!(result.unwrap(), [35, 38, 40, 50, last], "{behavior:?}");
    }
}

/// A task that waits for a tick while the interval is reset or changed gets the next tick.
#[test]
fn a_change_reaches_the_task_that_waits() {
    let changes: [fn(&mut Interval); 5] = [
        Interval::reset,
        |ticks| ticks.set_missed_tick_behavior(MissedTickBehavior::Skip),
        |ticks| {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Drift);
        },
        |ticks| {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            ticks.reset();
        },
        |ticks| ticks.reset_after(ms(10)),
    ];
    for (change, expected) in changes.into_iter().zip([14, 10, 10, 14, 14]) {
        let result = virtual_loop().block_on(async move {
            let ticks = Rc::new(RefCell::new(interval(ms(10))));
            let ticking = ticks.clone();
            set_timeout(ms(4), move || change(&mut ticks.borrow_mut()));
            std::future::poll_fn(|cx| ticking.borrow_mut().poll_tick(cx)).await;
            now_ms()
        });
        assert_eq!(result.unwrap(), expected);
    }
}

#[test]
fn an_unrefed_interval_keeps_nothing_alive() {
    for behavior in [MissedTickBehavior::Drift, MissedTickBehavior::Skip] {
        let log = trace(move |log| {
            let mut ticks = interval_at(Instant::now() + ms(3), ms(10)).unref();
            ticks.set_missed_tick_behavior(behavior);
            assert!(ticks.tick().now_or_never().is_none());
            set_timeout(ms(15), log.callback("the last timer"));
            nodeloop::on_exit(move |_| {
                assert!(ticks.tick().now_or_never().is_some()); // it has lived until now
                log.add(now_ms());
            });
        });
        log.assert(["the last timer", "15"]);
    }
}

/// The behaviour is that of the last call, also after another that has its timer.
#[test]
fn the_behaviour_can_be_changed_again() {
    use MissedTickBehavior::{Burst, Drift, Skip};
    let result = virtual_loop().block_on(async {
        let mut ticks = interval(ms(10));
        for behavior in [Skip, Burst, Drift] {
            ticks.set_missed_tick_behavior(behavior);
        }
        block_for(ms(45));
        let mut times = Vec::new();
        for _ in 0..3 {
            ticks.tick().await;
            times.push(now_ms());
        }
        times
    });
    assert_eq!(result.unwrap(), [45, 55, 65]);
}

#[test]
fn periods_are_whole_milliseconds() {
    let result = virtual_loop().block_on(async {
        for behavior in [MissedTickBehavior::Drift, MissedTickBehavior::Skip] {
            let mut ticks = interval(Duration::ZERO);
            ticks.set_missed_tick_behavior(behavior);
            assert_eq!(ticks.period(), ms(1));
            ticks.tick().await;
            assert_eq!(interval(Duration::from_micros(1_001)).period(), ms(2));
            // Neither overflows.
            let mut long = interval_at(Instant::now(), Duration::MAX);
            long.set_missed_tick_behavior(behavior);
            block_for(ms(10));
            long.tick().await;
            assert!(long.tick().now_or_never().is_none());
        }
    });
    result.unwrap();
}

/// `select!` needs futures that are `Unpin` and fused.
#[test]
fn ticks_and_sleeps_in_a_select_loop() {
    let log = trace(|log| {
        spawn(async move {
            let (mut ticks, mut end) = (interval(ms(10)), sleep(ms(25)));
            assert!(!ticks.is_terminated());
            loop {
                select_biased! {
                    _ = ticks.tick() => log.add("tick"),
                    () = end => break,
                }
            }
            let mut tick = ticks.tick();
            assert!(!tick.is_terminated());
            (&mut tick).await;
            assert!(tick.is_terminated() && end.is_terminated());
            log.add(now_ms());
            assert!(ticks.next().await.is_some());
            log.add(now_ms());
        })
        .detach();
    });
    log.assert(["tick", "tick", "30", "40"]);
}

/// The waker of the task moves to the new timer, and the sleep stays unref'd.
#[test]
fn a_sleep_that_is_reset_wakes_the_task_that_waits() {
    let log = trace(|log| {
        let shared = Rc::new(RefCell::new(sleep(ms(10)).unref()));
        let (waiting, lines) = (shared.clone(), log.clone());
        spawn(async move {
            std::future::poll_fn(|cx| waiting.borrow_mut().poll_unpin(cx)).await;
            lines.add(format_args!("woken at {}", now_ms()));
        })
        .detach();
        set_timeout(ms(5), move || {
            shared.borrow_mut().reset(Instant::now() + ms(20))
        });
        set_timeout(ms(30), move || log.add("timer"));
    });
    log.assert(["woken at 25", "timer"]);
    let kept = Rc::new(RefCell::new(None)); // for longer than the run
    let keep = kept.clone();
    let log = trace(move |log| {
        let mut unrefed = sleep(ms(10)).unref();
        unrefed.reset(Instant::now() + ms(1000));
        nodeloop::on_exit(move |_| log.add(now_ms()));
        keep.replace(Some(unrefed));
    });
    log.assert(["0"]);
}

/// A main future that waits for a sleep that does not keep the loop alive is not out of reach, although
/// nothing has a waker of it.
#[test]
fn a_main_future_can_wait_for_an_unrefed_sleep() {
    let _limit = limit();
    let result = real_loop().run(async {
        sleep(ms(1)).await;
        sleep(ms(5)).unref().await;
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn timeouts_with_a_deadline() {
    let result = virtual_loop().block_on(async {
        let start = Instant::now();
        assert_eq!(timeout_at(start + ms(10), sleep(ms(5))).await, Ok(()));
        assert_eq!(
            timeout_at(start + ms(10), sleep(ms(20))).await,
            Err(Elapsed)
        );
        assert_eq!(now_ms(), 10);
        assert_eq!(timeout_at(start, sleep(ms(20))).await, Err(Elapsed));
        assert_eq!(
            now_ms(),
            11,
            "a deadline that has passed is a timer of one millisecond"
        );
        let mut limited = timeout(ms(5), sleep_until(start + ms(20)));
        assert_eq!(limited.deadline(), start + ms(16));
        assert!(!limited.is_terminated());
        assert_eq!((&mut limited).await, Err(Elapsed));
        assert!(limited.is_terminated());
        assert!(!limited.get_ref().is_elapsed());
        limited.get_mut().reset(start + ms(30));
        pin!(limited.into_inner()).await;
        assert_eq!(now_ms(), 30);
        let error: std::io::Error = Elapsed.into();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    });
    result.unwrap();
}

#[test]
fn instants_saturate_or_are_checked() {
    let result = virtual_loop().block_on(async {
        let start = Instant::now(); // zero, on a virtual clock
        let later = start + ms(10);
        assert_eq!(later - start, ms(10));
        assert_eq!(start - later, Duration::ZERO);
        assert_eq!(start.saturating_duration_since(later), Duration::ZERO);
        assert_eq!(start.checked_duration_since(later), None);
        assert_eq!(later.checked_duration_since(start), Some(ms(10)));
        assert_eq!(later - ms(20), start);
        assert_eq!(later.checked_sub(ms(20)), None);
        assert_eq!(later.checked_sub(ms(10)), Some(start));
        assert_eq!(later.checked_add(Duration::MAX), None);
        assert_eq!(start.checked_add(ms(10)), Some(later));
        assert_eq!(later + Duration::MAX, start + Duration::MAX);
        let mut moved = start;
        moved += ms(5);
        moved -= ms(2);
        block_for(ms(10));
        assert_eq!(moved.elapsed(), ms(7));
    });
    result.unwrap();
}
