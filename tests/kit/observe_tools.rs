//! Metrics, slow callbacks and drains that starve the loop.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::{Later, Log, ms};
use nodeloop::observe::{
    Event, EventContext, Histogram, Metrics, Starvation, StepKind, slow_callbacks,
    starvation_detector,
};
use nodeloop::{
    Builder, EventLoop, RunError, next_tick, promise, queue_microtask, run_script, set_immediate,
    set_interval, set_timeout, spawn, spawn_lazy, time,
};

fn virtual_builder() -> Builder {
    EventLoop::builder().virtual_time()
}

/// Runs a script in virtual time and returns its metrics.
fn counted(script: impl FnOnce(Metrics) + 'static) -> Metrics {
    let metrics = Metrics::new();
    let inside = metrics.clone();
    let mut event_loop = virtual_builder().observer(metrics.clone()).build().unwrap();
    event_loop.run_script(move || script(inside)).unwrap();
    metrics
}

#[test]
fn everything_is_counted_once() {
    let _limit = limit();
    let metrics = counted(|_| {
        next_tick(|| next_tick(|| {}));
        queue_microtask(|| {});
        drop(spawn(async { promise::ready(()).await })); // one turn of its task
        set_immediate(|| drop(set_immediate(|| {})));
        set_timeout(ms(5), || {});
    });
    let counts = metrics.counts();
    assert_eq!((counts.ticks, counts.microtasks), (2, 2));
    assert_eq!((counts.immediates, counts.timers), (2, 1));
    assert_eq!((counts.macrotasks, counts.promises), (3, 2));
    assert_eq!((counts.turns, counts.waits), (3, 1)); // an immediate, an immediate, the timer
    assert_eq!((counts.panics, counts.rejections), (0, 0));
}

#[test]
fn the_longest_queues_are_known() {
    let _limit = limit();
    let now = Rc::new(RefCell::new(Vec::new()));
    let seen = now.clone();
    let metrics = counted(move |metrics| {
        let look = move || {
            let counts = metrics.counts();
            let pair = (counts.queued_ticks, counts.queued_microtasks);
            seen.borrow_mut().push(pair);
        };
        let again = look.clone();
        next_tick(look);
        next_tick(|| {});
        next_tick(|| {});
        queue_microtask(again);
        queue_microtask(|| {});
    });
    let counts = metrics.counts();
    assert_eq!(counts.max_queued_ticks, 3);
    assert_eq!(counts.max_queued_microtasks, 2);
    assert_eq!(*now.borrow(), [(2, 2), (0, 1)]); // while the first of each runs
    assert_eq!((counts.queued_ticks, counts.queued_microtasks), (0, 0));
}

/// The fields and formulas of `lib/internal/perf/event_loop_utilization.js`, v20.
#[test]
fn utilization_is_computed_as_in_node() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    let metrics = counted(move |metrics| {
        let describe = move |metrics: &Metrics| {
            let now = metrics.event_loop_utilization();
            lines.add(format_args!(
                "{:?} {:?} {:.4}",
                now.idle, now.active, now.utilization
            ));
            now
        };
        time::block_for(ms(1_000)); // the main script does not count
        describe(&metrics);
        let (first, second) = (metrics.clone(), metrics);
        set_timeout(ms(30), move || {
            time::block_for(ms(10));
            let before = describe(&first);
            set_timeout(ms(60), move || {
                time::block_for(ms(180));
                let delta = describe(&second).since(&before);
                assert_eq!((delta.idle, delta.active), (ms(60), ms(180)));
                assert_eq!(delta.utilization, 0.75);
            });
        });
    });
    log.assert([
        "0ns 0ns 0.0000", // the loop has not begun
        "30ms 10ms 0.2500",
        "90ms 190ms 0.6786",
    ]);
    let after = metrics.event_loop_utilization();
    assert_eq!((after.idle, after.active), (ms(90), ms(190)));
}

#[test]
fn time_between_two_runs_does_not_count() {
    let _limit = limit();
    let metrics = Metrics::new();
    let mut event_loop = virtual_builder().observer(metrics.clone()).build().unwrap();
    for _ in 0..2 {
        event_loop
            .run_script(|| {
                time::block_for(ms(500)); // the main script
                set_timeout(ms(10), || time::block_for(ms(5)));
            })
            .unwrap();
    }
    let utilization = metrics.event_loop_utilization();
    assert_eq!((utilization.idle, utilization.active), (ms(20), ms(10)));
}

#[test]
fn the_delay_is_the_time_that_callbacks_add_to_waits() {
    let _limit = limit();
    let metrics = counted(|_| {
        time::block_for(ms(7));
        let interval: Later<nodeloop::TimeoutHandle> = Later::new();
        let (own, mut call) = (interval.clone(), 0);
        interval.set(set_interval(ms(100), move || {
            call += 1;
            time::block_for(ms(call * 10));
            if call == 3 {
                own.get().clear();
            }
        }));
    });
    let delay = metrics.delay();
    assert_eq!(delay.count(), 4); // before each of three polls, and at the end
    assert_eq!((delay.min(), delay.max()), (ms(7), ms(30)));
    assert_eq!(delay.mean(), Duration::from_micros(16_750));
    metrics.reset_delay();
    assert_eq!(metrics.delay().count(), 0);
}

#[test]
fn percentiles_are_close() {
    let _limit = limit();
    let mut histogram = Histogram::new();
    for us in 1..=10_000 {
        histogram.record(Duration::from_micros(us));
    }
    for (percent, exact_us) in [(50.0, 5_000), (90.0, 9_000), (99.0, 9_900), (99.9, 9_990)] {
        let exact = Duration::from_micros(exact_us);
        let found = histogram.percentile(percent);
        assert!(found >= exact && found <= exact + exact / 32, "{found:?}");
    }
}

#[test]
fn slow_steps_are_reported_with_their_location() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    let here = Location::caller().file();
    let slow = slow_callbacks(ms(50), move |slow| {
        assert_eq!(slow.step.location.file(), here);
        lines.add(format_args!("{} {:?}", slow.step.kind, slow.took));
    });
    virtual_builder()
        .observer(slow)
        .build()
        .unwrap()
        .run(async {
            time::block_for(ms(50));
            next_tick(|| time::block_for(ms(51)));
            next_tick(|| time::block_for(ms(49))); // short enough
            queue_microtask(|| time::block_for(ms(52)));
            set_immediate(|| time::block_for(ms(53)));
            set_timeout(ms(1), || {
                queue_microtask(|| time::block_for(ms(54))); // not the timer itself
            });
            time::sleep(ms(1_000)).await;
            time::block_for(ms(55));
        })
        .unwrap();
    log.assert([
        "main script 50ms",
        "tick 51ms",
        "microtask 52ms",
        "microtask 54ms", // R3: the timer is due before the first turn
        "immediate 53ms",
        "task 55ms",
    ]);
}

/// A chain that alternates between the two queues, so that nothing else runs.
fn ping(left: u32) {
    if left > 0 {
        next_tick(move || pong(left - 1));
    }
}

fn pong(left: u32) {
    queue_microtask(move || ping(left));
}

#[test]
fn a_starving_drain_is_reported_once_with_its_links() {
    let _limit = limit();
    let reports: Rc<RefCell<Vec<Starvation>>> = Rc::default();
    let sink = reports.clone();
    let watch = starvation_detector(1_000, move |starving| {
        sink.borrow_mut().push(starving.clone());
    });
    virtual_builder()
        .observer(watch)
        .build()
        .unwrap()
        .run_script(|| {
            set_timeout(ms(1), || ping(5_000));
            set_timeout(ms(2), || ping(10));
        })
        .unwrap();
    let reports = reports.borrow();
    let [starving] = &reports[..] else {
        panic!("{} reports", reports.len());
    };
    assert_eq!((starving.ticks, starving.microtasks), (501, 500));
    let before = starving.preceded_by.unwrap();
    assert_eq!(before.kind, StepKind::Timeout);
    let links: Vec<_> = starving.links.iter().map(|l| (l.kind, l.count)).collect();
    assert_eq!(
        links,
        [(StepKind::Tick, 501), (StepKind::Microtask, 500)],
        "{starving}"
    );
    assert!(!starving.has_more_links);
    let text = starving.to_string();
    assert!(text.contains("it began after the timeout created at tests/kit/observe_tools.rs:"));
    assert!(text.contains("501 × a tick created at tests/kit/observe_tools.rs:"));
}

#[test]
fn many_immediates_starve_no_other_phase() {
    let _limit = limit();
    fn link(left: u32) {
        if left > 0 {
            set_immediate(move || link(left - 1));
        }
    }
    let watch = starvation_detector(100, |starving| panic!("{starving}"));
    let mut event_loop = virtual_builder().observer(watch).build().unwrap();
    event_loop.run_script(|| link(1_000)).unwrap();
}

#[test]
fn a_drain_limit_ends_the_run() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    let error = virtual_builder()
        .drain_limit(1_000)
        .build()
        .unwrap()
        .run_script(move || {
            set_immediate(move || lines.add("never"));
            drop(spawn_lazy(async {
                loop {
                    promise::ready(()).await;
                }
            }));
        })
        .unwrap_err();
    log.assert([]);
    let RunError::Starvation(starving) = error else {
        panic!("{error}");
    };
    assert_eq!((starving.ticks, starving.microtasks), (0, 1_001));
    assert_eq!(starving.preceded_by.unwrap().kind, StepKind::MainScript);
    assert_eq!(starving.links.len(), 1);
    assert_eq!(starving.links[0].kind, StepKind::Task);
}

/// Beyond sixteen locations the most recent ones are kept, and the report states that there were
/// more.
#[test]
fn a_chain_of_many_locations_lists_the_last() {
    let _limit = limit();
    macro_rules! one {
        () => {
            queue_microtask(|| {})
        };
    }
    fn twenty() {
        (one!(), one!(), one!(), one!(), one!());
        (one!(), one!(), one!(), one!(), one!());
        (one!(), one!(), one!(), one!(), one!());
        (one!(), one!(), one!(), one!(), one!());
    }
    fn forever() {
        queue_microtask(forever);
    }
    let error = virtual_builder()
        .drain_limit(500)
        .build()
        .unwrap()
        .run_script(|| {
            twenty();
            forever();
        })
        .unwrap_err();
    let RunError::Starvation(starving) = error else {
        panic!("{error}");
    };
    let counts: Vec<u64> = starving.links.iter().map(|link| link.count).collect();
    assert_eq!(counts[..2], [481, 1], "{starving}");
    assert_eq!(counts.len(), 16);
    assert!(starving.has_more_links);
}

#[test]
fn a_run_without_a_limit_drains_as_node_does() {
    let _limit = limit();
    fn link(left: u32) {
        if left > 0 {
            next_tick(move || link(left - 1));
        }
    }
    run_script(|| link(if cfg!(miri) { 1_000 } else { 100_000 }));
}

/// Also those that have no promise, such as the reaction of a combinator to a member.
#[test]
fn every_promise_that_is_created_is_settled_once() {
    let _limit = limit();
    let open = Rc::new(RefCell::new(Vec::new()));
    let (seen, total) = (open.clone(), Rc::new(Cell::new(0)));
    let count = total.clone();
    let see = move |event: &Event, _: &EventContext<'_>| match event {
        Event::PromiseCreated { promise, .. } => {
            seen.borrow_mut().push(*promise);
            count.set(count.get() + 1);
        }
        Event::PromiseSettled { promise, .. } => seen.borrow_mut().retain(|it| it != promise),
        _ => {}
    };
    let mut event_loop = virtual_builder().observer(see).build().unwrap();
    let members = || promise::all([spawn(async { 1 }), spawn(async { 2 })]);
    assert_eq!(
        event_loop.block_on(async { members().await }).unwrap(),
        Ok(vec![1, 2])
    );
    assert!(
        open.borrow().is_empty(),
        "{:?} of {}",
        open.borrow(),
        total.get()
    );
    assert!(
        total.get() >= 5,
        "two tasks, two reactions and the result: {}",
        total.get()
    );
}
