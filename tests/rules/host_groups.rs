//! Groups of pending work.

use crate::common::{ms, now_ms, trace};
use nodeloop::host::WorkGroup;
use nodeloop::{queue_microtask, set_immediate, set_interval, set_timeout, spawn};

#[test]
fn a_group_ends_while_the_interval_of_another_goes_on() {
    trace(|log| {
        let line = log.clone();
        let other = set_interval(ms(10), move || line.add(format_args!("other {}", now_ms())));
        let (group, script) = (WorkGroup::new(), log.clone());
        let (hold, second) = (group.hold(), group.hold());
        set_timeout(ms(15), move || {
            script.add("timer");
            queue_microtask(script.callback("microtask of the timer"));
            drop(hold);
        });
        let cleared = set_timeout(ms(100), move || drop(second));
        set_timeout(ms(5), move || cleared.clear()); // drops its callback, and so the hold
        assert!(!group.is_empty());
        spawn(async move {
            group.ended().await;
            log.add(format_args!("ended {}", now_ms()));
            group.ended().await; // it has no work
            set_timeout(ms(10), move || other.clear());
        })
        .detach();
    })
    .assert([
        "other 10",
        "timer",
        "microtask of the timer",
        "ended 15",
        "other 20",
    ]);
}

#[test]
fn a_group_can_have_work_again() {
    trace(|log| {
        let group = WorkGroup::new();
        drop(group.hold());
        assert!(group.is_empty());
        let (hold, waiting) = (group.hold(), group.clone());
        for name in ["first", "second"] {
            let (group, log) = (waiting.clone(), log.clone());
            spawn(async move {
                group.ended().await;
                log.add(name);
            })
            .detach();
        }
        set_immediate(move || drop(hold));
        set_immediate(log.callback("immediate"));
    })
    .assert(["first", "second", "immediate"]);
}
