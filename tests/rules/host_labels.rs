//! Labels of timers, immediates and jobs in a report.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::common::limit::limit;
use crate::common::{Later, Log, ms, now_ms, real_loop, trace};
use nodeloop::host::set_step_label;
use nodeloop::observe::{Event, EventContext};
use nodeloop::{
    EventLoop, TimeoutHandle, next_tick, queue_work, set_immediate, set_interval, set_timeout,
    set_timeout_mut, why_alive,
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

/// Returns the events of a run that concern labels: what is labeled, and what begins, by its number.
fn labels_of(script: impl FnOnce() + 'static) -> Vec<String> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let written = lines.clone();
    let observer = move |event: &Event, context: &EventContext<'_>| {
        let line = match event {
            Event::Labeled(id) => format!("{id} is {}", context.label().unwrap()),
            Event::StepBegin(step) => format!("{} begins {}", step.id, step.kind),
            _ => {
                assert_eq!(context.label(), None);
                return;
            }
        };
        written.borrow_mut().push(line);
    };
    let builder = EventLoop::builder().virtual_time().observer(observer);
    builder.build().unwrap().run_script(script).unwrap();
    lines.take()
}

#[test]
fn observers_receive_labels_of_what_is_queued_and_of_each_call_of_an_interval() {
    let lines = labels_of(|| {
        set_timeout(ms(5), || ()).set_label("app.js:1:1");
        set_immediate(|| ()).set_label("app.js:2:1");
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(7), move || {
            n.set(n.get() + 1);
            if n.get() == 2 {
                own.get().clear();
                own.get().set_label("no effect");
            }
        }));
        interval.get().set_label("app.js:3:1");
    });
    let expected = [
        "#1 begins main script",
        "#2 is app.js:1:1",
        "#3 is app.js:2:1",
        "#4 is app.js:3:1",
        "#3 begins immediate",
        "#2 begins timeout",
        "#4 begins interval",
        "#5 is app.js:3:1",
        "#5 begins interval",
        "#6 begins before_exit",
        "#7 begins exit",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_step_labels_itself() {
    let lines = labels_of(|| {
        set_step_label("app.js:1:1");
        next_tick(|| {
            set_step_label("replaced");
            set_step_label("app.js:2:1");
        });
    });
    let expected = [
        "#1 begins main script",
        "#1 is app.js:1:1",
        "#2 begins tick",
        "#2 is replaced",
        "#2 is app.js:2:1",
        "#3 begins before_exit",
        "#4 begins exit",
    ];
    assert_eq!(lines, expected);
    trace(|log| {
        set_step_label("no effect without observers");
        log.add("ran");
    })
    .assert(["ran"]);
}
