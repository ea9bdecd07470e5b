//! The events that observers receive, their order, and what observers may not do.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::{Later, Log, ms, throw, virtual_loop};
use nodeloop::observe::{self, position};
use nodeloop::observe::{
    Event, EventContext, Observer, ObserverHandle, Phase, Queue, SettledAs, StepKind,
};
use nodeloop::{
    EventLoop, RunError, StuckPolicy, next_tick, on_uncaught, on_unhandled_rejection, promise,
    queue_microtask, set_immediate, set_interval, set_timeout, spawn, time, try_spawn, yield_now,
};

/// Writes every event as one line, indented as the events nest.
struct Lines {
    log: Log,
    depth: Cell<usize>,
}

impl Observer for Lines {
    fn observe(&self, event: &Event, moment: &EventContext<'_>) {
        let (change, line) = line_of(event, moment);
        if change < 0 {
            self.depth.set(self.depth.get() - 1);
        }
        if let Some(line) = line {
            let depth = self.depth.get();
            self.log.add(format_args!("{:depth$}{line}", ""));
        }
        if change > 0 {
            self.depth.set(self.depth.get() + 1);
        }
    }
}

/// Whether an event begins or ends something, and its line. Of the events that end something, only
/// the end of a wait has a line.
fn line_of(event: &Event, moment: &EventContext<'_>) -> (i32, Option<String>) {
    let name = |promise: observe::PromiseId| format!("{promise}");
    match event {
        Event::RunBegin { .. } => (1, Some("run".to_owned())),
        Event::TurnBegin => (1, Some(format!("turn {}", moment.turn()))),
        Event::PhaseBegin(phase) => (1, Some(phase.to_string())),
        Event::StepBegin(step) => (1, Some(format!("{} {}", step.kind, step.id))),
        Event::DrainBegin => (1, Some("drain".to_owned())),
        Event::EagerBegin { promise, .. } => (1, Some(format!("poll {}", name(*promise)))),
        Event::WaitBegin { at_most, .. } => (1, Some(format!("wait {at_most:?}"))),
        Event::WaitEnd { waited, .. } => (-1, Some(format!("waited {waited:?}"))),
        Event::Enqueued { step, due, by, .. } => {
            let due = due.map_or(String::new(), |due| format!(" due {due:?}"));
            let by = by.map_or(String::new(), |by| format!(" by {}", by.id));
            (0, Some(format!("+ {} {}{due}{by}", step.kind, step.id)))
        }
        Event::Cleared(id) => (0, Some(format!("- {id}"))),
        Event::Panicked(step) => (0, Some(format!("panicked: {}", step.id))),
        Event::PromiseCreated { promise, .. } => (0, Some(name(*promise))),
        Event::PromiseSettled {
            promise, settled, ..
        } => (0, Some(format!("{} {settled:?}", name(*promise)))),
        Event::RejectionReported { promise, .. } => (0, Some(format!("report {promise}"))),
        Event::RejectionHandled { promise, .. } => (0, Some(format!("handled {promise}"))),
        Event::RunEnd
        | Event::TurnEnd
        | Event::PhaseEnd(_)
        | Event::StepEnd(_)
        | Event::DrainEnd
        | Event::EagerEnd { .. } => (-1, None),
        other => panic!("{other:?} is new: give it a line"),
    }
}

fn observed(log: &Log) -> EventLoop {
    let lines = Lines {
        log: log.clone(),
        depth: Cell::new(0),
    };
    EventLoop::builder()
        .virtual_time()
        .stuck_policy(StuckPolicy::Error)
        .observer(lines)
        .build()
        .unwrap()
}

/// The events of a script, from the beginning of the run to its end.
fn events_of(script: impl FnOnce() + 'static) -> Log {
    let log = Log::new();
    observed(&log).run_script(script).unwrap();
    log
}

/// Logs the ends of phases and the turns, with the number that the context has.
struct Turns(Log);

impl Observer for Turns {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        let what = match event {
            Event::TurnBegin => "begin".to_owned(),
            Event::TurnEnd => "end".to_owned(),
            Event::PhaseEnd(phase) if *phase == observe::Phase::Timers => {
                format!("end of {phase}")
            }
            _ => return,
        };
        let phase = context
            .phase()
            .map_or(String::new(), |phase| format!(" in {phase}"));
        self.0
            .add(format_args!("{what}, turn {}{phase}", context.turn()));
    }
}

#[test]
fn the_end_of_a_turn_has_its_number() {
    let _limit = limit();
    let log = Log::new();
    let builder = EventLoop::builder().virtual_time();
    let mut event_loop = builder.observer(Turns(log.clone())).build().unwrap();
    event_loop
        .run_script(|| {
            set_timeout(ms(20), || {});
            set_immediate(|| {});
        })
        .unwrap();
    log.assert([
        "end of timers, turn 0 in timers",
        "begin, turn 1",
        "end of timers, turn 1 in timers",
        "end, turn 1",
        "begin, turn 2",
        "end of timers, turn 2 in timers",
        "end, turn 2",
    ]);
}

#[test]
fn every_fixed_point_is_observed_in_order() {
    let _limit = limit();
    let log = events_of(|| {
        set_timeout(ms(20), || next_tick(|| {}));
        set_immediate(|| {});
        queue_microtask(|| {});
        next_tick(|| {});
    });
    log.assert([
        "run",
        " main script #1",
        "  + timeout #2 due 20ms by #1",
        "  + immediate #3 by #1",
        "  + microtask #4 by #1",
        "  + tick #5 by #1",
        " drain", // R10: the tick first
        "  tick #5",
        "  microtask #4",
        " timers", // R3: once before the first turn
        " turn 1",
        "  pending",
        "  poll", // R5: no wait, because there is an immediate
        "  check",
        "   drain", // R12: every check phase opens with one
        "   immediate #3",
        "   drain",
        "  close",
        "  timers",
        " turn 2",
        "  pending",
        "  poll",
        "   wait Some(20ms)",
        "   waited 20ms", // the virtual clock has jumped
        "  check",
        "   drain",
        "  close",
        "  timers",
        "   timeout #2",
        "    + tick #6 by #2",
        "   drain",
        "    tick #6",
        " before_exit #7",
        " drain",
        " exit #8",
        " drain",
    ]);
}

#[test]
fn promises_tasks_and_their_causes_are_observed() {
    let _limit = limit();
    let log = events_of(|| {
        drop(spawn(async {
            promise::ready(1).await;
        }));
    });
    log.assert([
        "run",
        " main script #1",
        "  promise 1",
        "  poll promise 1", // R46: on the stack of the spawner
        "   promise 2",
        "   promise 2 Fulfilled",
        "   + task #2 by #1", // R45: the turn it costs to await a settled promise
        " drain",
        "  task #2",
        "   promise 1 Fulfilled",
        " before_exit #3",
        " drain",
        " exit #4",
        " drain",
    ]);
}

#[test]
fn panics_and_rejections_are_observed() {
    let _limit = limit();
    let log = events_of(|| {
        on_uncaught(|_| {});
        on_unhandled_rejection(|_| {});
        drop(try_spawn(async { Err::<(), _>("no") }));
        queue_microtask(|| throw("oh"));
    });
    let lines = log.lines();
    let interesting = |line: &&String| {
        let line = line.trim_start();
        ["panicked", "error", "report", "promise"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let found: Vec<&str> = lines.iter().filter(interesting).map(|l| l.trim()).collect();
    assert_eq!(
        found,
        [
            "promise 1",
            "promise 1 Rejected",
            "panicked: #2",
            "error listener #3", // R51: at the point of the panic
            "report promise 1",  // R14: after both queues
            "error listener #5",
        ]
    );
}

/// Every number that runs was reported when it was queued, and every reported number runs or is
/// cleared; an interval that is armed again has a new number each time.
#[test]
fn numbers_join_queue_and_run() {
    let _limit = limit();
    let open = Rc::new(RefCell::new(Vec::new()));
    let known = open.clone();
    let join = move |event: &Event, _: &EventContext<'_>| {
        let close = |id| {
            let mut known = known.borrow_mut();
            let index = known.iter().position(|open| *open == id);
            known.remove(index.unwrap_or_else(|| panic!("{event:?} was not reported as queued")));
        };
        match event {
            Event::Enqueued { step, .. } => {
                let mut known = known.borrow_mut();
                known.retain(|open| *open != step.id); // a timer that moves
                known.push(step.id);
            }
            Event::StepBegin(step) => match step.kind {
                StepKind::MainScript | StepKind::BeforeExit | StepKind::Exit => {}
                _ => close(step.id),
            },
            Event::Cleared(id) => close(*id),
            _ => {}
        }
    };
    let mut event_loop = EventLoop::builder()
        .virtual_time()
        .observer(join)
        .build()
        .unwrap();
    event_loop
        .run(async {
            let interval: Later<nodeloop::TimeoutHandle> = Later::new();
            let (cleared, calls) = (interval.clone(), Cell::new(0));
            interval.set(set_interval(ms(5), move || {
                calls.set(calls.get() + 1);
                if calls.get() == 3 {
                    cleared.get().clear();
                }
            }));
            let timer = set_timeout(ms(1), || {});
            timer.refresh(); // moves, and keeps its number
            set_timeout(ms(1), || {}).clear();
            set_immediate(|| {}).clear();
            drop(yield_now());
            drop(time::sleep(ms(3)));
            time::sleep(ms(3)).await;
            yield_now().await;
            nodeloop::spawn_blocking(|| {}).await;
            time::simulate_completion(ms(1), || {});
            let handle = nodeloop::Handle::current();
            queue_microtask(|| {});
            nodeloop::spawn_lazy(async {}).await;
            drop(handle);
        })
        .unwrap();
    assert_eq!(*open.borrow(), []);
}

#[test]
fn an_observer_installed_from_inside_sees_the_rest() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    virtual_loop()
        .run_script(move || {
            next_tick(|| {});
            let seen = lines.clone();
            let see = move |event: &Event, _: &EventContext<'_>| {
                if let Event::StepBegin(step) = event {
                    seen.add(step.kind);
                }
            };
            let installed = observe::install(see);
            next_tick(move || {
                queue_microtask(|| {});
                set_immediate(move || {
                    drop(installed);
                    next_tick(|| {});
                });
            });
        })
        .unwrap();
    log.assert(["tick", "tick", "microtask", "immediate"]);
}

/// An observer does not change what the loop runs.
#[test]
fn the_order_is_the_same_with_and_without_an_observer() {
    let _limit = limit();
    let program = |log: Log| {
        move || {
            for delay in [3, 1, 2] {
                let log = log.clone();
                set_timeout(ms(delay), move || {
                    log.add(delay);
                    let (tick, micro) = (log.clone(), log.clone());
                    queue_microtask(move || micro.add("microtask"));
                    next_tick(move || tick.add("tick"));
                });
            }
            drop(spawn(async move {
                for turn in 0..3 {
                    yield_now().await;
                    log.add(format_args!("yield {turn}"));
                }
            }));
        }
    };
    let (plain, watched) = (Log::new(), Log::new());
    virtual_loop().run_script(program(plain.clone())).unwrap();
    observed(&Log::new())
        .run_script(program(watched.clone()))
        .unwrap();
    assert_eq!(plain.lines(), watched.lines());
}

/// Runs a script with an observer that does `what` when a tick begins.
fn with_observer_that_calls(
    what: impl Fn() + 'static,
    script: impl FnOnce() + 'static,
) -> RunError {
    let meddle = move |event: &Event, _: &EventContext<'_>| match event {
        Event::StepBegin(step) if step.kind == StepKind::Tick => what(),
        _ => {}
    };
    EventLoop::builder()
        .virtual_time()
        .observer(meddle)
        .build()
        .unwrap()
        .run_script(script)
        .expect_err("the observer is refused")
}

#[test]
fn an_observer_cannot_call_functions_of_the_loop() {
    let _limit = limit();
    let calls: [(&str, fn()); 6] = [
        ("next_tick", || next_tick(|| {})),
        ("queue_microtask", || queue_microtask(|| {})),
        ("set_timeout", || drop(set_timeout(ms(1), || {}))),
        ("spawn", || drop(spawn(async {}))),
        ("spawn_blocking", || drop(nodeloop::spawn_blocking(|| {}))),
        ("observe::install", || {
            observe::install(|_: &Event, _: &EventContext<'_>| {}).forget();
        }),
    ];
    for (name, call) in calls {
        let error = with_observer_that_calls(call, || next_tick(|| {}));
        let text = error.to_string();
        assert!(
            text.contains(&format!("`{name}` was called by an observer")),
            "{text}"
        );
    }
}

#[test]
fn an_observer_is_refused_what_it_holds() {
    let _limit = limit();
    let timer: Later<nodeloop::TimeoutHandle> = Later::new();
    let (inside, outside) = (timer.clone(), timer);
    let error = with_observer_that_calls(
        move || inside.get().clear(),
        move || {
            outside.set(set_timeout(ms(1), || {}));
            next_tick(|| {});
        },
    );
    assert!(
        error
            .to_string()
            .contains("an observer tried to change the loop"),
        "{error}"
    );

    let resolver = Later::new();
    let (inside, outside) = (resolver.clone(), resolver);
    let error = with_observer_that_calls(
        move || {
            let resolver: &nodeloop::promise::Resolver<()> = inside.get();
            resolver.resolve(());
        },
        move || {
            let (promise, resolver) = promise::with_resolver();
            outside.set(resolver);
            drop(promise);
            next_tick(|| {});
        },
    );
    assert!(
        error
            .to_string()
            .contains("an observer tried to change the loop"),
        "{error}"
    );
}

#[test]
fn a_panic_of_an_observer_ends_the_run_without_calling_hooks() {
    let _limit = limit();
    let error = with_observer_that_calls(
        || throw("the observer's"),
        || {
            on_uncaught(|_| unreachable!("the hook is for the program's errors"));
            next_tick(|| {});
        },
    );
    match error {
        RunError::Uncaught(error) => {
            assert_eq!(error.message(), "the observer's");
            assert_eq!(
                error.location().file(),
                file!(),
                "the location of the installation"
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_observer_may_remove_itself() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    virtual_loop()
        .run_script(move || {
            let own: Rc<RefCell<Option<ObserverHandle>>> = Rc::default();
            let slot = own.clone();
            let once = move |event: &Event, _: &EventContext<'_>| {
                lines.add(format_args!("{}", matches!(event, Event::StepEnd(_))));
                drop(slot.borrow_mut().take());
            };
            *own.borrow_mut() = Some(observe::install(once));
            next_tick(|| {});
        })
        .unwrap();
    log.assert(["false"]); // the tick being queued
}

#[test]
fn the_position_is_known_without_an_observer() {
    let _limit = limit();
    assert_eq!(position().queue(), Queue::Outside);
    let log = Log::new();
    let here = move |log: &Log| {
        let here = position();
        let line = here.location.map_or(0, Location::line);
        let phase = here.phase.map_or("none".to_owned(), |p| p.to_string());
        log.add(format_args!(
            "{} {phase} {} {:?} {}",
            here.queue(),
            here.turn,
            here.time,
            line - line!()
        ));
    };
    let (a, b, c, d, e) = (
        log.clone(),
        log.clone(),
        log.clone(),
        log.clone(),
        log.clone(),
    );
    virtual_loop()
        .run_script(move || {
            next_tick(move || here(&a));
            queue_microtask(move || here(&b));
            set_immediate(move || here(&c));
            set_timeout(ms(7), move || here(&d));
            drop(spawn(async move {
                time::sleep(ms(9)).await;
                here(&e);
            }));
        })
        .unwrap();
    log.assert([
        "tick none 0 0ns 12",
        "microtask none 0 0ns 13",
        "macrotask check 1 0ns 14",
        "macrotask timers 2 7ms 15",
        "microtask timers 3 9ms 16", // a task: where it was spawned
    ]);
    assert_eq!(position().queue(), Queue::Outside);
}

#[test]
fn an_observer_knows_its_position_too() {
    let _limit = limit();
    let at = Rc::new(RefCell::new(None));
    let slot = at.clone();
    let see = move |event: &Event, moment: &EventContext<'_>| {
        if matches!(event, Event::StepBegin(step) if step.kind == StepKind::Timeout) {
            assert_eq!(position(), moment.position());
            *slot.borrow_mut() = Some(position());
        }
    };
    EventLoop::builder()
        .virtual_time()
        .observer(see)
        .build()
        .unwrap()
        .run_script(|| drop(set_timeout(ms(2), || {})))
        .unwrap();
    let at = at.borrow().unwrap();
    assert_eq!((at.phase, at.turn), (Some(Phase::Timers), 1));
    assert_eq!(at.time, Duration::from_millis(2));
    assert!(at.step.is_some());
}

#[test]
fn a_panicked_and_an_aborted_promise_are_distinguished() {
    let _limit = limit();
    let outcomes = Rc::new(RefCell::new(Vec::new()));
    let sink = outcomes.clone();
    let see = move |event: &Event, _: &EventContext<'_>| {
        if let Event::PromiseSettled { settled, .. } = event {
            sink.borrow_mut().push(*settled);
        }
    };
    EventLoop::builder()
        .virtual_time()
        .observer(see)
        .build()
        .unwrap()
        .run_script(|| {
            on_unhandled_rejection(|_| {});
            drop(spawn(async { throw("oh") }));
            spawn(time::sleep(ms(10))).settled().abort();
        })
        .unwrap();
    assert_eq!(
        *outcomes.borrow(),
        [SettledAs::Panicked, SettledAs::Aborted]
    );
}
