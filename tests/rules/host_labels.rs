//! Labels of timers, immediates and jobs in a report.

use std::cell::Cell;

use crate::common::limit::limit;
use crate::common::{Later, Log, ms, now_ms, real_loop, trace};
use nodeloop::{
    TimeoutHandle, queue_work, set_immediate, set_interval, set_timeout, set_timeout_mut, why_alive,
};

#[test]
fn a_report_has_labels_in_the_place_of_locations() {
    trace(|log| {
        set_timeout(ms(10), log.callback("timer")).set_label("app.js:1:1");
        set_interval(ms(5), || ()).set_label("app.js:2:1").unref();
        set_immediate(|| ()).set_label("app.js:3:1");
        let report = why_alive();
        let labels: Vec<_> = report.active_resources().iter().map(|it| it.label()).collect();
        assert_eq!(labels, [Some("app.js:2:1"), Some("app.js:1:1"), Some("app.js:3:1")]);
        let text = report.to_string();
        let expected = "the loop is alive:\n  an interval, due in 5ms, created at app.js:2:1, unref'd\n  \
                        a timer, due in 10ms, created at app.js:1:1\n  an immediate, created at app.js:3:1";
        assert_eq!(text, expected);
    })
    .assert(["timer"]);
}

#[test]
fn resources_of_one_label_are_counted_together() {
    trace(|_| {
        for n in 0..25 {
            let label = format!("app.js:{}:1", n % 2);
            set_immediate(|| ()).set_label(label);
        }
        let text = why_alive().to_string();
        assert_eq!(text.matches("created at app.js:0:1").count(), 11, "{text}");
        assert!(
            text.contains("\u{2026} and 3 more created at app.js:0:1"),
            "{text}"
        );
        assert!(
            text.contains("\u{2026} and 2 more created at app.js:1:1"),
            "{text}"
        );
    });
}

/// A label changes nothing else: a timer fires, repeats, is refreshed and cleared as without it.
#[test]
fn a_label_changes_no_timer() {
    for label in [false, true] {
        let named = move |timer: TimeoutHandle| {
            if label {
                timer.set_label("first name").set_label("app.js:1:1");
            }
            timer
        };
        trace(move |log| {
            let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
            let (own, line) = (interval.clone(), log.clone());
            interval.set(named(set_interval(ms(10), move || {
                n.set(n.get() + 1);
                line.add(format_args!("interval {}", now_ms()));
                if n.get() == 2 {
                    own.get().clear();
                }
            })));
            let line = log.clone();
            let again = named(set_timeout_mut(ms(5), move || {
                line.add(format_args!("again {}", now_ms()));
            }));
            let once = Later::<TimeoutHandle>::new();
            let (own, line) = (once.clone(), log.clone());
            once.set(named(set_timeout(ms(6), move || {
                own.get().refresh(); // its callback is running, and cannot be called again
                assert!(!own.get().is_pending());
                line.add("once");
            })));
            let cleared = named(set_timeout(ms(7), || unreachable!("it was cleared")));
            cleared.clear();
            cleared.set_label("no effect");
            set_timeout(ms(12), move || {
                again.refresh();
                once.get().refresh();
                assert!(!once.get().is_pending());
            });
        })
        .assert(["again 5", "once", "interval 10", "again 17", "interval 20"]);
    }
}

#[test]
fn a_job_has_a_label_until_it_is_delivered() {
    let _limit = limit();
    let log = Log::new();
    let script = log.clone();
    let result = real_loop().run_script(move || {
        let job = queue_work(|| 7, move |value| script.add(value));
        job.set_label("readFile app.js:4:1");
        let report = why_alive();
        let label = report.active_resources()[0].label();
        assert_eq!(label, Some("readFile app.js:4:1"));
        set_immediate(move || {
            job.set_label("later");
        });
    });
    result.unwrap();
    log.assert(["7"]);
}
