//! Chapter 3 of the rules: the expiry and the number of a list of timers, and when a timer is
//! picked: R21, R22, R28, R29, R34.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use crate::common::{Later, ms, trace};
use nodeloop::time::block_for;
use nodeloop::{TimeoutHandle, next_tick, set_immediate, set_timeout, set_timeout_mut};

/// R22: `260-list-put-back-expiry.js`.
#[test]
fn a_list_goes_back_with_the_expiry_of_its_next_timer() {
    trace(|log| {
        let line = log.clone();
        set_timeout(ms(300), move || {
            line.add("A1 due 300");
            set_timeout(ms(20), line.callback("B due 320"));
            set_timeout(ms(290), line.callback("C due 590"));
            set_immediate(|| block_for(ms(600)));
        });
        block_for(ms(250));
        set_timeout(ms(300), log.callback("A2 due 550"));
    })
    .assert([
        "A1 due 300",
        "B due 320", // all three are overdue; the list of A did not go back with an earlier expiry
        "A2 due 550",
        "C due 590", // nor with a later one
    ]);
}

/// R22: `261-list-put-back-number.js`.
#[test]
fn a_list_is_requeued_after_those_with_the_same_expiry() {
    trace(|log| {
        set_timeout(ms(300), log.callback("A1 due 300"));
        block_for(ms(250));
        set_timeout(ms(300), log.callback("A2 due 550"));
        block_for(ms(30));
        set_timeout(ms(270), log.callback("B due 550"));
    })
    .assert(["A1 due 300", "B due 550", "A2 due 550"]);
}

/// R21: `266-lists-of-one-expiry-by-number.js`.
#[test]
fn of_two_lists_with_the_same_expiry_the_older_one_comes_first() {
    trace(|log| {
        let x = set_timeout(ms(50), log.callback("X"));
        set_timeout(ms(300), log.callback("A"));
        x.clear();
        block_for(ms(100));
        set_timeout(ms(200), log.callback("B"));
        block_for(ms(400));
    })
    .assert(["A", "B"]);
}

/// R29: `272-list-made-again-is-new.js`.
#[test]
fn a_list_that_is_made_again_is_new() {
    trace(|log| {
        set_timeout(ms(299), log.callback("X")).clear();
        set_timeout(ms(300), log.callback("A"));
        block_for(ms(1));
        set_timeout(ms(299), log.callback("B")); // the same expiry
        block_for(ms(400));
    })
    .assert(["A", "B"]);
}

/// R29: as before, after a timer that has fired.
#[test]
fn a_list_that_is_made_again_after_its_timer_has_fired_is_new() {
    trace(|log| {
        let line = log.clone();
        set_timeout(ms(50), log.callback("X"));
        set_timeout(ms(60), move || {
            set_timeout(ms(51), line.callback("A"));
            block_for(ms(1));
            set_timeout(ms(50), line.callback("B")); // the same expiry
            block_for(ms(100));
        });
    })
    .assert(["X", "A", "B"]);
}

/// R28: `262-cleared-first-keeps-number.js`.
#[test]
fn clearing_the_first_timer_leaves_the_number_of_its_list() {
    trace(|log| {
        let a1 = set_timeout(ms(300), log.callback("A1"));
        set_timeout(ms(300), log.callback("A2"));
        block_for(ms(100));
        set_timeout(ms(200), log.callback("B")); // the same expiry
        a1.clear();
        block_for(ms(400));
    })
    .assert(["A2", "B"]);
}

/// R34: `263-refresh-of-the-picked-is-lost.js`.
#[test]
fn a_refresh_of_the_picked_timer_is_lost() {
    trace(|log| {
        let (line, b) = (log.clone(), Later::<TimeoutHandle>::new());
        let refresh = b.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            let in_tick = line.clone();
            next_tick(move || {
                in_tick.add("tick");
                refresh.get().refresh();
            });
            set_immediate(line.callback("immediate"));
        });
        b.set(set_timeout_mut(ms(20), log.callback("B"))); // it could run twice
        set_timeout(ms(20), log.callback("C"));
        set_timeout(ms(200), log.callback("end"));
        block_for(ms(60));
    })
    .assert(["A", "tick", "B", "C", "immediate", "end"]);
}

/// R34: `264-refresh-between-lists-counts.js`.
#[test]
fn a_refresh_between_two_lists_counts() {
    trace(|log| {
        let (line, b) = (log.clone(), Later::<TimeoutHandle>::new());
        let refresh = b.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            let in_tick = line.clone();
            next_tick(move || {
                in_tick.add("tick");
                refresh.get().refresh();
            });
            set_immediate(line.callback("immediate"));
        });
        b.set(set_timeout(ms(100), log.callback("B")));
        set_timeout(ms(100), log.callback("C"));
        block_for(ms(150));
    })
    .assert(["A", "tick", "C", "immediate", "B"]);
}

/// R33, R35: a timer is pending until it is called or cleared, and again when it was refreshed.
#[test]
fn a_timer_is_pending_until_it_runs_or_is_cleared() {
    trace(|log| {
        let a = set_timeout_mut(ms(10), || ());
        let b = set_timeout(ms(30), || ());
        log.add(format_args!("{} {}", a.is_pending(), b.is_pending()));
        set_timeout(ms(20), move || {
            log.add(format_args!("{} {}", a.is_pending(), b.is_pending()));
            a.refresh();
            b.clear();
            log.add(format_args!("{} {}", a.is_pending(), b.is_pending()));
        });
    })
    .assert(["true true", "false true", "true false"]);
}
