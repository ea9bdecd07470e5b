//! Timers as an engine needs them: a period that changes, a callback that is passed again.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use crate::common::{Later, ms, now_ms, trace, virtual_loop};
use nodeloop::host::loop_time_ms;
use nodeloop::observe::position;
use nodeloop::time::block_for;
use nodeloop::{
    ResourceKind, TimeoutHandle, set_immediate, set_interval, set_timeout, set_timeout_mut,
    why_alive,
};

/// R30: `375-repeat-in-callback.js`.
#[test]
fn a_callback_changes_the_period_of_its_timer() {
    trace(|log| {
        let (timer, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = timer.clone();
        timer.set(set_timeout_mut(ms(100), move || {
            n.set(n.get() + 1);
            log.add(format_args!("call {} {}", n.get(), now_ms()));
            match n.get() {
                1 => own.get().set_repeat(Some(ms(100))),
                3 => own.get().set_repeat(Some(ms(200))),
                5 => own.get().set_repeat(None),
                _ => own.get(),
            };
            block_for(ms(50));
        }));
    })
    .assert([
        "call 1 100",
        "call 2 250",
        "call 3 350",
        "call 4 550",
        "call 5 750",
    ]);
}

#[test]
fn a_period_that_is_set_while_the_timer_is_pending_applies_afterwards() {
    trace(|log| {
        let line = log.clone();
        let interval = set_interval(ms(10), move || line.add(now_ms()));
        interval.set_repeat(Some(ms(5)));
        let kind = why_alive().active_resources()[0].kind();
        assert_eq!(kind, ResourceKind::Interval);
        set_timeout(ms(16), move || {
            interval.set_repeat(None);
        });
        drop(log);
    })
    .assert(["10", "15", "20"]);
}

/// R35: a timer that was cleared stays cleared.
#[test]
fn a_period_arms_no_timer_that_was_cleared() {
    trace(|log| {
        let timer = set_timeout_mut(ms(10), || unreachable!("it was cleared"));
        timer.clear();
        timer.set_repeat(Some(ms(5)));
        let own = Later::<TimeoutHandle>::new();
        let cleared = own.clone();
        own.set(set_timeout_mut(ms(10), move || {
            log.add("once");
            cleared.get().set_repeat(Some(ms(5)));
            cleared.get().clear();
        }));
    })
    .assert(["once"]);
}

#[test]
#[should_panic(expected = "create it with `set_timeout_mut`")]
fn a_period_needs_a_callback_that_can_be_called_again() {
    let event_loop = &mut virtual_loop();
    event_loop.with_current(|| {
        set_timeout(ms(1), || ()).set_repeat(Some(ms(1)));
    });
}

#[test]
#[should_panic(expected = "an interval, which keeps its callback")]
fn an_interval_takes_no_other_callback() {
    let event_loop = &mut virtual_loop();
    event_loop.with_current(|| {
        set_interval(ms(1), || ()).refresh_with(|| ());
    });
}

/// R35: the same timer, at the end of the list of its delay.
#[test]
fn a_timer_that_has_fired_is_armed_again_with_another_callback() {
    trace(|log| {
        let (line, again) = (log.clone(), log.clone());
        let timer = set_timeout(ms(10), move || line.add(format_args!("first {}", now_ms())));
        set_timeout(ms(15), move || {
            timer.refresh(); // it has nothing to call
            assert!(!timer.is_pending());
            timer.unref();
            timer.refresh_with(move || again.add(format_args!("second {}", now_ms())));
            assert!(timer.is_pending() && !timer.has_ref());
            timer.ref_();
        });
        set_timeout(ms(25), log.callback("armed before"));
    })
    .assert(["first 10", "armed before", "second 25"]);
}

#[test]
fn a_pending_timer_drops_the_callback_that_is_replaced() {
    let value = Rc::new(());
    let (held, kept) = (value.clone(), value.clone());
    let log = trace(move |log| {
        let first = move || drop(held);
        let timer = set_timeout(ms(10), first);
        assert_eq!(Rc::strong_count(&kept), 3);
        timer.refresh_with(log.callback("second"));
        assert_eq!(Rc::strong_count(&kept), 2);
        let cleared = set_timeout(ms(5), || ());
        cleared.clear();
        let again = kept.clone();
        cleared.refresh_with(move || drop(again)); // R35: stays cleared
        assert_eq!(Rc::strong_count(&kept), 2);
    });
    log.assert(["second"]);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_callback_arms_its_own_timer_again() {
    trace(|log| {
        fn call(timer: Rc<OnceCell<TimeoutHandle>>, log: crate::common::Log, n: u32) {
            log.add(format_args!("call {n} {}", now_ms()));
            if n < 3 {
                let own = timer.clone();
                timer
                    .get()
                    .unwrap()
                    .refresh_with(move || call(own, log, n + 1));
            }
        }
        let timer = Rc::new(OnceCell::new());
        let own = timer.clone();
        let handle = set_timeout(ms(10), move || call(own, log, 1));
        assert!(timer.set(handle).is_ok());
        let weak = Rc::downgrade(&timer);
        drop(timer);
        // The callback owns the handle, and the loop drops it: there is no cycle.
        set_timeout(ms(31), move || {
            set_immediate(move || assert!(weak.upgrade().is_none()));
        });
    })
    .assert(["call 1 10", "call 2 20", "call 3 30"]);
}

/// R26: arming reads the clock.
#[test]
fn the_cached_time_is_that_of_the_last_reading() {
    trace(|log| {
        block_for(ms(30));
        log.add(loop_time_ms());
        let timer = set_timeout_mut(ms(10), move || {
            log.add(format_args!("{} at {:?}", loop_time_ms(), position().time));
            block_for(ms(5));
            log.add(loop_time_ms());
        });
        assert_eq!(loop_time_ms(), 30);
        block_for(ms(5));
        timer.refresh();
        assert_eq!(loop_time_ms(), 35);
    })
    .assert(["0", "45 at 45ms", "45"]);
}
