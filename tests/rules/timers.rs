//! Chapter 3 of the rules, timers: R20–R36.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output. In a line, `due` is the millisecond at which the
//! timer's own delay has passed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::common::releases::{V22, traces};
use crate::common::{Later, ms, now_ms, trace};
use nodeloop::time::{block_for, simulate_completion};
use nodeloop::{
    TimeoutHandle, next_tick, on_exit, queue_microtask, set_immediate, set_interval, set_timeout,
    set_timeout_mut,
};

/// R20: `27-timer-minimum.js`, the cases that a `Duration` can express.
#[test]
fn short_and_huge_delays_are_one_millisecond() {
    trace(|log| {
        nodeloop::on_warning(|_| {}); // instead of printing
        set_timeout(ms(1), log.callback("1"));
        set_timeout(ms(0), log.callback("0"));
        set_timeout(Duration::from_micros(500), log.callback("0.5"));
        set_timeout(Duration::from_micros(1_900), log.callback("1.9"));
        set_timeout(Duration::MAX, log.callback("Infinity"));
        set_timeout(ms(1 << 31), log.callback("2147483648"));
        set_timeout(ms(2), log.callback("2 ms"));
        block_for(ms(20));
    })
    .assert(["1", "0", "0.5", "1.9", "Infinity", "2147483648", "2 ms"]);
}

/// R20: the longest delay that is not replaced.
#[test]
fn the_longest_delay_is_exact() {
    trace(|log| {
        set_timeout(nodeloop::MAX_DELAY, move || log.add(now_ms()));
    })
    .assert(["2147483647"]);
}

/// R20: `28-timer-truncation.js`.
#[test]
fn fractions_of_a_millisecond_are_dropped() {
    trace(|log| {
        set_timeout(Duration::from_micros(20_900), log.callback("20.9"));
        set_timeout(ms(20), log.callback("20"));
        set_timeout(Duration::from_micros(20_100), log.callback("20.1"));
        block_for(ms(40));
    })
    .assert(["20.9", "20", "20.1"]); // one list, in the order of arming
}

/// R22, R23: `29-timer-list-order-when-late.js`.
#[test]
fn late_timers_come_list_by_list() {
    trace(|log| {
        set_timeout(ms(20), log.callback("A1 due 20"));
        set_timeout(ms(35), log.callback("B1 due 35"));
        block_for(ms(30));
        set_timeout(ms(20), log.callback("A2 due 50"));
        block_for(ms(60));
    })
    .assert([
        "A1 due 20",
        "A2 due 50", // the whole list of 20 ms, though B1 was due earlier
        "B1 due 35",
    ]);
}

/// R21: `30-timer-lists-by-expiry.js`.
#[test]
fn lists_are_ordered_by_expiry() {
    trace(|log| {
        set_timeout(ms(80), log.callback("80 due 80"));
        block_for(ms(30));
        set_timeout(ms(20), log.callback("20 due 50"));
        set_timeout(ms(35), log.callback("35 due 65"));
        block_for(ms(100));
    })
    .assert(["20 due 50", "35 due 65", "80 due 80"]);
}

/// R22, R26: `31-timer-list-requeued.js`.
#[test]
fn a_list_is_put_back_with_the_expiry_of_its_next_timer() {
    trace(|log| {
        set_timeout(ms(40), log.callback("A1 due 40"));
        block_for(ms(25));
        set_timeout(ms(40), log.callback("A2 due 65"));
        set_timeout(ms(20), move || {
            log.add("B due 45");
            block_for(ms(60));
        });
    })
    .assert(["A1 due 40", "B due 45", "A2 due 65"]);
}

/// R28: `32-timer-list-stale-expiry-clear.js`.
#[test]
fn clearing_the_first_timer_leaves_the_expiry_of_its_list() {
    trace(|log| {
        let a = set_timeout(ms(20), || {});
        set_timeout(ms(35), log.callback("B due 35"));
        block_for(ms(30));
        set_timeout(ms(20), log.callback("A2 due 50"));
        a.clear();
        block_for(ms(60));
    })
    .assert([
        "A2 due 50", // its list still expires at 20
        "B due 35",
    ]);
}

/// R29: `33-timer-list-dropped-when-empty.js`.
#[test]
fn clearing_the_only_timer_drops_its_list() {
    trace(|log| {
        let a = set_timeout(ms(20), || {});
        set_timeout(ms(35), log.callback("B due 35"));
        block_for(ms(30));
        a.clear();
        set_timeout(ms(20), log.callback("A2 due 50")); // a fresh list
        block_for(ms(60));
    })
    .assert(["B due 35", "A2 due 50"]);
}

/// R29: `34-timer-list-kept-when-unref.js`.
#[test]
fn clearing_the_only_timer_keeps_its_list_if_it_was_unrefd() {
    trace(|log| {
        let a = set_timeout(ms(20), || {});
        a.unref();
        set_timeout(ms(35), log.callback("B due 35"));
        block_for(ms(30));
        a.clear();
        set_timeout(ms(20), log.callback("A2 due 50")); // the old list, which expires at 20
        block_for(ms(60));
    })
    .assert(["A2 due 50", "B due 35"]);
}

/// R28, R35: `35-timer-list-stale-expiry-refresh.js`.
#[test]
fn refreshing_leaves_the_expiry_of_the_list() {
    trace(|log| {
        let a = set_timeout(ms(20), log.callback("A1 due 50 (refreshed)"));
        set_timeout(ms(35), log.callback("B due 35"));
        block_for(ms(30));
        a.refresh();
        block_for(ms(60));
    })
    .assert(["A1 due 50 (refreshed)", "B due 35"]);
}

/// R24: `36-timers-phase-fixed-now.js`.
#[test]
fn a_timers_phase_reads_the_clock_once() {
    trace(|log| {
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            set_immediate(line.callback("immediate"));
            block_for(ms(40));
        });
        set_timeout(ms(40), log.callback("B"));
    })
    .assert([
        "A",
        "immediate", // B became due while A ran, and waits for the next timers phase
        "B",
    ]);
}

/// R25, R27: `37-timer-in-timer-not-same-phase.js`.
#[test]
fn a_timer_never_runs_in_the_phase_that_armed_it() {
    trace(|log| {
        let line = log.clone();
        set_timeout(ms(10), move || {
            line.add("A");
            set_timeout(ms(1), line.callback("new"));
            set_immediate(line.callback("immediate"));
            block_for(ms(10));
        });
        set_timeout(ms(12), move || {
            log.add("B");
            block_for(ms(10));
        });
        block_for(ms(30));
    })
    .assert(["A", "B", "immediate", "new"]);
}

/// R25: `38-immediate-before-timeout-in-timer.js`.
#[test]
fn from_a_timer_an_immediate_runs_before_a_timeout() {
    trace(|log| {
        set_timeout(ms(10), move || {
            set_timeout(ms(0), log.callback("timeout"));
            set_immediate(log.callback("immediate"));
        });
    })
    .assert(["immediate", "timeout"]);
}

/// R40: `39-immediate-before-timeout-in-io.js`.
#[test]
fn from_a_completion_an_immediate_runs_before_a_timeout() {
    trace(|log| {
        simulate_completion(ms(0), move || {
            set_timeout(ms(0), log.callback("timeout"));
            set_immediate(log.callback("immediate"));
        });
    })
    .assert(["immediate", "timeout"]);
}

/// R30: `40-interval-rearm-before-callback.js`.
#[test]
fn an_interval_counts_from_the_beginning_of_its_call() {
    trace(|log| {
        let (interval, at) = (Later::<TimeoutHandle>::new(), RefCell::new(Vec::new()));
        let own = interval.clone();
        interval.set(set_interval(ms(60), move || {
            let mut at = at.borrow_mut();
            at.push(now_ms().to_string());
            if at.len() == 3 {
                own.get().clear();
                log.add(at.join(" "));
            }
            set_timeout(ms(1000), || {}).unref();
            block_for(ms(40));
        }));
    })
    .assert(["60 120 180"]); // not 60 160 260
}

/// R30: `41-interval-late-no-catch-up.js`.
#[test]
fn missed_calls_of_an_interval_are_not_made_up() {
    trace(|log| {
        let (interval, at) = (Later::<TimeoutHandle>::new(), RefCell::new(Vec::new()));
        let own = interval.clone();
        interval.set(set_interval(ms(40), move || {
            let mut at = at.borrow_mut();
            at.push(now_ms().to_string());
            if at.len() == 2 {
                own.get().clear();
                log.add(at.join(" "));
            }
        }));
        block_for(ms(100));
    })
    .assert(["100 140"]);
}

/// R31: `42-interval-longer-than-period.js`.
#[test]
fn an_interval_slower_than_its_period_lets_the_other_phases_run() {
    trace(|log| {
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(15), move || {
            n.set(n.get() + 1);
            log.add(format_args!("interval {}", n.get()));
            set_immediate(log.callback("immediate"));
            block_for(ms(30));
            if n.get() == 3 {
                own.get().clear();
            }
        }));
    })
    .assert([
        "interval 1",
        "immediate",
        "interval 2",
        "immediate",
        "interval 3",
        "immediate",
    ]);
}

/// R32: `43-interval-after-timer-of-callback.js`.
#[test]
fn an_interval_comes_after_the_timers_of_its_callback() {
    trace(|log| {
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(40), move || {
            n.set(n.get() + 1);
            log.add(format_args!("interval {}", n.get()));
            if n.get() == 1 {
                block_for(ms(15));
                set_timeout(ms(40), log.callback("timer"));
            }
            if n.get() == 2 {
                own.get().clear();
            }
        }));
    })
    .assert([
        "interval 1",
        "timer", // due at 95, but before the interval, which is due at 80
        "interval 2",
    ]);
}

/// R33: `44-interval-cleared-in-callback.js`.
#[test]
fn an_interval_cleared_in_its_callback_is_over() {
    trace(|log| {
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(10), move || {
            n.set(n.get() + 1);
            log.add(n.get());
            if n.get() == 2 {
                own.get().clear();
                log.add("cleared");
            }
        }));
    })
    .assert(["1", "2", "cleared"]);
}

/// R33: `45-clear-same-pass.js`.
#[test]
fn a_timer_cleared_in_its_own_phase_does_not_run() {
    trace(|log| {
        let (b, c) = (Later::<TimeoutHandle>::new(), Later::<TimeoutHandle>::new());
        let (line, clear_b, clear_c) = (log.clone(), b.clone(), c.clone());
        set_timeout(ms(10), move || {
            line.add("A");
            clear_b.get().clear();
            queue_microtask(move || clear_c.get().clear());
        });
        b.set(set_timeout(ms(10), log.callback("B")));
        c.set(set_timeout(ms(10), log.callback("C")));
        set_timeout(ms(10), log.callback("D"));
        block_for(ms(30));
    })
    .assert(["A", "D"]);
}

/// R34: `46-refresh-in-drain-before-timer.js`.
#[test]
fn a_timer_is_picked_before_the_drain() {
    trace(|log| {
        let b = Later::<TimeoutHandle>::new();
        let (line, refresh) = (log.clone(), b.clone());
        set_timeout(ms(20), move || {
            line.add("A");
            next_tick(move || {
                line.add("tick");
                refresh.get().refresh(); // and is lost
            });
        });
        b.set(set_timeout(ms(20), log.callback("B")));
        block_for(ms(40));
    })
    .assert(["A", "tick", "B"]);
}

/// R35: `47-refresh-pending.js`.
#[test]
fn a_pending_timer_can_be_refreshed() {
    trace(|log| {
        let line = log.clone();
        let a = set_timeout(ms(60), move || {
            line.add(format_args!("A {}", now_ms() > 85));
        });
        set_timeout(ms(30), move || drop(a.refresh().clone()));
        set_timeout(ms(70), log.callback("B"));
    })
    .assert(["B", "A true"]); // A at 90
}

/// R35: `48-refresh-after-fired.js`.
#[test]
fn a_timer_that_has_fired_can_be_armed_again() {
    trace(|log| {
        let a = set_timeout_mut(ms(20), log.callback("A"));
        set_timeout(ms(50), move || {
            log.add("refresh");
            a.refresh();
        });
    })
    .assert(["A", "refresh", "A"]);
}

/// R35: a documented deviation from `48-refresh-after-fired.js`: an `FnOnce` can be called once
/// only.
#[test]
fn a_timer_that_could_be_called_once_is_over() {
    trace(|log| {
        let a = set_timeout(ms(20), log.callback("A"));
        set_timeout(ms(50), move || {
            log.add("refresh");
            a.refresh();
            assert!(!a.is_pending());
        });
        on_exit(|_| assert_eq!(now_ms(), 50));
    })
    .assert(["A", "refresh"]);
}

/// R35: `49-refresh-after-clear.js`.
#[test]
fn a_cleared_timer_stays_cleared() {
    trace(|log| {
        for a in [
            set_timeout(ms(20), log.callback("never")),
            set_timeout_mut(ms(20), log.callback("never")),
        ] {
            a.clear();
            a.refresh();
            assert!(!a.is_pending());
        }
        set_timeout(ms(50), log.callback("end"));
    })
    .assert(["end"]);
}

/// R35: `50-refresh-in-own-callback.js`.
#[test]
fn a_timer_can_arm_itself_again() {
    trace(|log| {
        let (a, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = a.clone();
        a.set(set_timeout_mut(ms(10), move || {
            n.set(n.get() + 1);
            log.add(n.get());
            if n.get() < 3 {
                own.get().refresh();
            }
        }));
    })
    .assert(["1", "2", "3"]);
}

/// R35: `97-refresh-zombie.js`.
#[test]
fn a_timer_cleared_after_it_fired_is_armed_without_a_callback() {
    trace(|log| {
        let a = set_timeout_mut(ms(60), log.callback("A"));
        set_timeout(ms(90), move || {
            a.clear();
            a.refresh();
        });
        on_exit(move |_| log.add(format_args!("alive for the delay {}", now_ms() == 150)));
    })
    .assert(["A", "alive for the delay true"]);
}

/// R36: `51-unref-ref.js`.
#[test]
fn unref_and_ref_change_the_aliveness_only() {
    trace(|log| {
        let a = set_timeout(ms(20), log.callback("A"));
        a.unref();
        set_timeout(ms(30), log.callback("B")).unref();
        log.add(a.has_ref());
        a.ref_();
        log.add(a.has_ref());
    })
    .assert(["false", "true", "A"]);
}

/// R36: a fired timer keeps the setting for a later refresh. Checked against Node:
///
/// ```js
/// const a = setTimeout(() => console.log('A'), 20);
/// setTimeout(() => { a.unref(); a.refresh(); console.log('end'); }, 50);
/// ```
#[test]
fn a_fired_timer_keeps_its_unref() {
    trace(|log| {
        let a = set_timeout_mut(ms(20), log.callback("A"));
        set_timeout(ms(50), move || {
            a.unref();
            a.refresh();
            log.add("end");
        });
    })
    .assert(["A", "end"]);
}

/// R29, R30: `98-interval-in-empty-list.js`.
#[test]
fn a_list_cleared_and_refilled_in_a_callback_is_a_fresh_one() {
    trace(|log| {
        let line = log.clone();
        set_timeout(ms(30), move || {
            line.add("A");
            set_timeout(ms(30), line.callback("never")).clear();
            block_for(ms(20));
            set_timeout(ms(30), line.callback("C due 80"));
        });
        set_timeout(ms(65), log.callback("B due 65"));
    })
    .assert(["A", "B due 65", "C due 80"]);
}

/// R33, R34: `114-picked-timer-replaced.js`.
#[test]
fn a_list_emptied_after_the_pick_is_not_the_new_one_of_its_duration() {
    trace(|log| {
        let b = Later::<TimeoutHandle>::new();
        let (line, clear_b) = (log.clone(), b.clone());
        set_timeout(ms(100), move || {
            line.add("A");
            next_tick(move || {
                clear_b.get().clear();
                set_timeout(ms(100), line.callback("new one of that duration"));
                set_timeout(ms(50), line.callback("X"));
            });
        });
        b.set(set_timeout(ms(100), log.callback("never")));
        set_timeout(ms(120), log.callback("Y, overdue too"));
        set_immediate(log.callback("immediate"));
        block_for(ms(160));
    })
    .assert([
        "A",
        "Y, overdue too",
        "immediate",
        "X",
        "new one of that duration",
    ]);
}

/// R29, R34: `115-picked-timer-replaced-unref.js`.
#[test]
fn an_emptied_list_that_stays_receives_the_new_timer() {
    trace(|log| {
        let b = Later::<TimeoutHandle>::new();
        let (line, clear_b) = (log.clone(), b.clone());
        set_timeout(ms(100), move || {
            line.add("A");
            next_tick(move || {
                clear_b.get().clear();
                set_timeout(ms(100), line.callback("new one of that duration"));
                set_timeout(ms(50), line.callback("X"));
            });
        });
        b.set(set_timeout(ms(100), log.callback("never")).unref().clone());
        set_timeout(ms(120), log.callback("Y, overdue too"));
        set_immediate(log.callback("immediate"));
        block_for(ms(160));
    })
    .assert([
        "A",
        "Y, overdue too",
        "immediate",
        "X",
        "new one of that duration",
    ]);
}

/// R24: `118-timers-phase-again.js`.
#[test]
fn a_last_drain_that_arms_a_timer_repeats_the_pass() {
    traces(|log| {
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            set_immediate(line.callback("immediate"));
            block_for(ms(60));
            next_tick(move || {
                line.add("tick");
                set_timeout(ms(100), line.callback("C"));
            });
        });
        set_timeout(ms(50), log.callback("B"));
    })
    .assert(
        ..V22,
        [
            "A",
            "tick", // reads the clock, and B is due by now
            "B",
            "immediate",
            "C",
        ],
    )
    .assert(V22.., ["A", "tick", "immediate", "B", "C"]);
}

/// R24: `119-timers-phase-again-callback-reads.js`.
#[test]
fn a_callback_that_arms_a_timer_does_not_repeat_the_pass() {
    traces(|log| {
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            set_immediate(line.callback("immediate 1"));
            set_timeout(ms(100), || ());
            block_for(ms(60));
            set_timeout(ms(100), || ());
            next_tick(line.callback("tick 1"));
        });
        set_timeout(ms(50), log.callback("B"));
        set_timeout(ms(300), move || {
            let line = log.clone();
            set_timeout(ms(20), move || {
                line.add("A2");
                set_immediate(line.callback("immediate 2"));
                queue_microtask(move || {
                    line.add("micro 2");
                    block_for(ms(60));
                    set_timeout(ms(100), || ());
                });
            });
            set_timeout(ms(50), log.callback("B2"));
        });
    })
    .assert(
        ..V22,
        [
            "A",
            "tick 1",
            "immediate 1", // the loop timer is a millisecond after the last reading
            "B",
            "A2",
            "micro 2",
            "B2", // here the last drain has read it
            "immediate 2",
        ],
    )
    .assert(
        V22..,
        [
            "A",
            "tick 1",
            "immediate 1",
            "B",
            "A2",
            "micro 2",
            "immediate 2",
            "B2",
        ],
    );
}

/// R24, R25: `120-timers-phase-again-one-millisecond.js`.
#[test]
fn a_timer_of_the_last_drain_may_run_in_the_repeated_pass() {
    traces(|log| {
        let line = log.clone();
        set_timeout(ms(20), move || {
            set_immediate(line.callback("immediate 1"));
            next_tick(move || {
                set_timeout(ms(1), line.callback("timer 1"));
                block_for(ms(30));
            });
        });
        set_timeout(ms(100), move || {
            set_immediate(log.callback("immediate 2"));
            next_tick(move || {
                set_timeout(ms(1), log.callback("timer 2"));
                block_for(ms(30));
                set_timeout(ms(10), || ());
            });
        });
    })
    .assert(..V22, ["immediate 1", "timer 1", "timer 2", "immediate 2"])
    .assert(V22.., ["immediate 1", "timer 1", "immediate 2", "timer 2"]);
}

/// R24, R26, R41: `121-sleep-in-last-drain.js`.
#[test]
fn a_sleep_reads_the_clock_as_a_timer_does() {
    traces(|log| {
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            set_immediate(line.callback("immediate"));
            block_for(ms(60));
            queue_microtask(move || {
                drop(nodeloop::spawn(async move {
                    line.add("micro");
                    nodeloop::time::sleep(ms(100)).await;
                    line.add("slept");
                }));
            });
        });
        set_timeout(ms(50), log.callback("B"));
    })
    .assert(..V22, ["A", "micro", "B", "immediate", "slept"])
    .assert(V22.., ["A", "micro", "immediate", "B", "slept"]);
}

/// R24, R26, R35: `122-refresh-in-last-drain.js`.
#[test]
fn a_refresh_reads_the_clock_as_a_timer_does() {
    traces(|log| {
        let other = set_timeout(ms(200), log.callback("other"));
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            set_immediate(line.callback("immediate"));
            block_for(ms(60));
            next_tick(move || {
                line.add("tick");
                other.refresh();
            });
        });
        set_timeout(ms(50), log.callback("B"));
    })
    .assert(..V22, ["A", "tick", "B", "immediate", "other"])
    .assert(V22.., ["A", "tick", "immediate", "B", "other"]);
}

/// R33: `128-cleared-timer-of-other-list.js`.
#[test]
fn a_drain_may_clear_the_list_that_was_chosen() {
    trace(|log| {
        let b = Later::<TimeoutHandle>::new();
        let (line, clear_b) = (log.clone(), b.clone());
        set_timeout(ms(40), move || {
            line.add("A");
            next_tick(move || {
                clear_b.get().clear();
                set_timeout(ms(80), line.callback("C"));
            });
        });
        b.set(set_timeout(ms(80), log.callback("never")));
        set_timeout(ms(100), log.callback("D"));
        set_immediate(log.callback("immediate"));
        block_for(ms(140));
    })
    .assert(["A", "D", "immediate", "C"]);
}

/// R33: the callback of a cleared timer is dropped at once, and its destructor may use the loop.
#[test]
fn clearing_drops_the_callback_outside_of_any_borrow() {
    struct ArmsWhenDropped(crate::common::Log);
    impl Drop for ArmsWhenDropped {
        fn drop(&mut self) {
            self.0.add("dropped");
            set_timeout(ms(5), self.0.callback("armed by the destructor"));
        }
    }
    trace(|log| {
        let guard = Rc::new(ArmsWhenDropped(log.clone()));
        let timer = set_timeout(ms(10), move || drop(guard));
        timer.clear();
        log.add("cleared");
    })
    .assert(["dropped", "cleared", "armed by the destructor"]);
}

/// R35: the callback of a timer is spent, also if it panics.
#[test]
fn a_callback_that_panics_is_not_armed_again() {
    trace(|log| {
        let uncaught = log.clone();
        nodeloop::on_uncaught(move |error| uncaught.add(error.message()));
        let number = 7;
        let timer = set_timeout(ms(1), move || panic!("callback {number}"));
        set_timeout(ms(5), move || {
            timer.refresh();
            log.add(timer.is_pending());
        });
    })
    .assert(["callback 7", "false"]);
}
