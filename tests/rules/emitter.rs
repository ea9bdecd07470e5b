//! Event emitters: R67–R72.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use futures::StreamExt;
use futures::future::FusedFuture;
use futures::stream::FusedStream;

use crate::common::{Later, Log, log_uncaught, ms, text_of, throw, trace};
use nodeloop::events::{self, Event, EventEmitter, EventError, EventName, Listener};
use nodeloop::{
    AbortController, AbortExt, next_tick, promise, queue_microtask, set_immediate, set_timeout,
    spawn,
};

const X: Event<()> = Event::new("x");
const Y: Event<()> = Event::new("y");
const Z: Event<()> = Event::new("z");

/// `() => console.log(line)`
fn say(log: &Log, line: &'static str) -> impl Fn(&()) + use<> {
    let log = log.clone();
    move |()| log.add(line)
}

/// An emitter that its listeners use, too.
fn shared() -> (Rc<EventEmitter>, Weak<EventEmitter>) {
    let emitter = Rc::new(EventEmitter::new());
    let weak = Rc::downgrade(&emitter);
    (emitter, weak)
}

fn up(weak: &Weak<EventEmitter>) -> Rc<EventEmitter> {
    weak.upgrade().expect("the emitter lives")
}

/// Counts turns with a chain of `then`s.
fn count(log: &Log, name: &'static str, turns: usize) {
    let mut chain = promise::ready(());
    for turn in 1..=turns {
        let log = log.clone();
        chain = chain.then(move |()| log.add(format_args!("{name} {turn}")));
    }
    chain.detach();
}

/// Runs a step after a number of check phases.
fn after(checks: usize, step: impl FnOnce() + 'static) {
    match checks {
        1 => set_immediate(step),
        _ => set_immediate(move || after(checks - 1, step)),
    };
}

/// R67: `340-emitter-order.js`.
#[test]
fn listeners_run_in_order_and_changes_wait_for_the_next_emit() {
    let log = trace(|log| {
        let (emitter, weak) = shared();
        log.add(format_args!("nobody: {}", emitter.emit(X, &())));
        emitter.on(X, say(&log, "a"));
        emitter.prepend(X, say(&log, "b"));
        emitter.on(X, say(&log, "c"));
        emitter.prepend(X, say(&log, "d"));
        log.add("before");
        log.add(format_args!("after: {}", emitter.emit(X, &())));
        let tick = say(&log, "tick");
        next_tick(move || tick(&()));

        let [first, removed, own] = [(); 3].map(|()| Later::<Listener>::new());
        let (me, other, second) = (first.clone(), removed.clone(), log.clone());
        first.set(emitter.on(Y, move |()| {
            second.add("first");
            assert!(me.get().remove());
            assert!(other.get().remove());
            up(&weak).on(Y, say(&second, "added"));
            up(&weak).prepend(Y, say(&second, "added before"));
        }));
        removed.set(emitter.on(Y, say(&log, "removed by the first, still called")));
        let (me, second) = (own.clone(), log.clone());
        own.set(emitter.on(Y, move |()| {
            second.add("removes itself, still called");
            me.get().remove();
        }));
        emitter.emit(Y, &());
        log.add("again");
        emitter.emit(Y, &());
        log.add(format_args!("listeners: {}", emitter.listener_count(Y)));
        assert!(!own.get().remove());
    });
    log.assert([
        "nobody: false",
        "before",
        "d",
        "b",
        "a",
        "c",
        "after: true",
        "first",
        "removed by the first, still called",
        "removes itself, still called",
        "again",
        "added before",
        "added",
        "listeners: 2",
        "tick",
    ]);
}

/// R68: `341-emitter-once.js`.
#[test]
fn a_once_listener_is_removed_before_its_only_call() {
    let log = trace(|log| {
        let (emitter, weak) = shared();
        let (inner, ee) = (log.clone(), weak.clone());
        emitter.once(X, move |()| {
            inner.add(format_args!("once, {} left", up(&ee).listener_count(X)));
            inner.add(format_args!("inner: {}", up(&ee).emit(X, &())));
        });
        log.add(format_args!("outer: {}", emitter.emit(X, &())));
        log.add(format_args!("later: {}", emitter.emit(X, &())));

        let (inner, depth) = (log.clone(), Cell::new(0));
        emitter.on(Y, move |()| {
            if depth.replace(depth.get() + 1) > 0 {
                return inner.add("inner emit");
            }
            inner.add("outer emit");
            up(&weak).emit(Y, &());
        });
        let called = say(&log, "once, called by the inner emit");
        emitter.once(Y, move |()| called(&()));
        emitter.on(Y, say(&log, "last"));
        emitter.emit(Y, &());

        let removed = Later::<Listener>::new();
        let handle = removed.clone();
        emitter.on(Z, move |()| assert!(handle.get().remove()));
        let called = say(&log, "once, removed, still called");
        removed.set(emitter.once(Z, move |()| called(&())));
        let called = say(&log, "prepended once");
        emitter.prepend_once(Z, move |()| called(&()));
        emitter.emit(Z, &());
        log.add(format_args!("left: {}", emitter.listener_count(Z)));
    });
    log.assert([
        "once, 0 left",
        "inner: false",
        "outer: true",
        "later: false",
        "outer emit",
        "inner emit",
        "once, called by the inner emit",
        "last",
        "last",
        "prepended once",
        "once, removed, still called",
        "left: 1",
    ]);
}

/// R67: `342-emitter-throws.js`.
#[test]
fn a_panic_of_a_listener_ends_the_emit() {
    let log = trace(|log| {
        let emitter = Rc::new(EventEmitter::new());
        emitter.on(X, say(&log, "first"));
        let second = log.clone();
        emitter.once(X, move |()| {
            second.add("second throws");
            throw("second");
        });
        emitter.on(X, say(&log, "third"));
        let result = catch_unwind(AssertUnwindSafe(|| emitter.emit(X, &())));
        log.add(format_args!("caught {}", text_of(&*result.unwrap_err())));
        log.add("again");
        emitter.emit(X, &());

        log_uncaught(&log);
        let tick = say(&log, "tick");
        set_immediate(move || {
            next_tick(move || tick(&()));
            emitter.on(X, |()| throw("fourth"));
            emitter.emit(X, &());
        });
        let next = say(&log, "next immediate");
        set_immediate(move || next(&()));
    });
    log.assert([
        "first",
        "second throws",
        "caught second",
        "again",
        "first",
        "third",
        "first",
        "third",
        "uncaught fourth",
        "next immediate",
        "tick",
    ]);
}

/// R70: `343-emitter-meta-events.js`.
#[test]
fn added_and_removed_listeners_are_announced() {
    let log = trace(|log| {
        let (emitter, weak) = shared();
        let say_name = |verb: &'static str| {
            let (log, ee) = (log.clone(), weak.clone());
            move |name: &EventName| {
                let left = up(&ee).listener_count(name);
                log.add(format_args!("{verb} {name}, {left}"));
            }
        };
        emitter.on(events::new_listener(), say_name("new"));
        let second = say(&log, "new, second");
        emitter.on(events::new_listener(), move |_| second(&()));
        emitter.on(events::remove_listener(), say_name("removed"));
        let (inner, ee) = (log.clone(), weak.clone());
        emitter.once(events::new_listener(), move |name| {
            if *name == EventName::Key("x") {
                up(&ee).on(X, say(&inner, "added by newListener"));
            }
        });
        log.add("adds x");
        let x = emitter.on(X, say(&log, "listener"));
        emitter.emit(X, &());
        log.add("removes x");
        x.remove();
        log.add("once");
        let listener = say(&log, "listener");
        emitter.once(Y, move |()| listener(&()));
        emitter.emit(Y, &());
        log.add("all of x");
        emitter.on(X, |()| ());
        emitter.remove_all(X);
        log.add("all");
        emitter.on(Z, |()| ());
        emitter.on(Z, |()| ());
        emitter.clear();
        log.add(format_args!("names: {}", emitter.event_names().len()));
    });
    log.assert([
        "new newListener, 1",
        "new removeListener, 0",
        "new, second",
        "new newListener, 2",
        "new, second",
        "adds x",
        "new x, 0",
        "new, second",
        "removed newListener, 2",
        "new x, 0",
        "new, second",
        "added by newListener",
        "listener",
        "removes x",
        "removed x, 1",
        "once",
        "new y, 0",
        "new, second",
        "removed y, 0",
        "listener",
        "all of x",
        "new x, 1",
        "new, second",
        "removed x, 1",
        "removed x, 0",
        "all",
        "new z, 0",
        "new, second",
        "new z, 1",
        "new, second",
        "removed newListener, 1",
        "removed newListener, 0",
        "removed z, 1",
        "removed z, 0",
        "names: 0",
    ]);
}

/// R69: `344-emitter-error.js`. Where Node throws, `emit_error` returns the error, and `emit` panics.
#[test]
fn an_error_needs_a_listener() {
    let log = trace(|log| {
        let emitter = Rc::new(EventEmitter::new());
        let ee = emitter.clone();
        let emit = |text: &'static str| match ee.emit_error(text) {
            Ok(()) => log.add(format_args!("{text}: true")),
            Err(error) => log.add(format_args!("thrown: {error}")),
        };
        emit("nobody");
        let monitor = log.clone();
        emitter.on(events::error_monitor(), move |error| {
            monitor.add(format_args!("monitor {error}"));
        });
        emit("monitored");
        let handler = log.clone();
        emitter.once(events::error(), move |error| {
            handler.add(format_args!("handled {error}"));
        });
        emit("listened");
        emit("nobody again");
        let uncaught = log.clone();
        nodeloop::on_uncaught(move |error| {
            let text = error.message();
            let (_, text) = text.rsplit_once(": ").expect("a message and the error");
            uncaught.add(format_args!("uncaught {text}"));
        });
        let tick = say(&log, "tick");
        set_immediate(move || {
            next_tick(move || tick(&()));
            emitter.emit(events::error(), &"in a callback".into_shared());
        });
    });
    log.assert([
        "thrown: nobody",
        "monitor monitored",
        "thrown: monitored",
        "monitor listened",
        "handled listened",
        "listened: true",
        "monitor nobody again",
        "thrown: nobody again",
        "monitor in a callback",
        "uncaught in a callback",
        "tick",
    ]);
}

trait IntoShared {
    fn into_shared(self) -> events::SharedError;
}

impl IntoShared for &str {
    fn into_shared(self) -> events::SharedError {
        events::SharedError::from(Box::<dyn std::error::Error + Send + Sync>::from(self))
    }
}

/// R70: `345-emitter-names.js`.
#[test]
fn names_are_in_the_order_of_their_first_listeners() {
    let log = trace(|log| {
        const A: Event<()> = Event::new("a");
        const B: Event<()> = Event::new("b");
        const C: Event<()> = Event::new("c");
        let emitter = EventEmitter::new();
        let names = || {
            let names: Vec<String> = emitter.event_names().iter().map(<_>::to_string).collect();
            log.add(names.join(" "));
        };
        let c = emitter.on(C, |()| ());
        let a = emitter.on(A, |()| ());
        emitter.on(events::error(), |_| ());
        emitter.on(B, |()| ());
        let prepended = emitter.prepend(A, |()| ());
        names();
        prepended.remove();
        names();
        a.remove();
        c.remove();
        names();
        emitter.on(C, |()| ());
        emitter.on(events::new_listener(), |_| ());
        names();
    });
    log.assert([
        "c a error b",
        "c a error b",
        "error b",
        "error b c newListener",
    ]);
}

/// R70: `349-emitter-max-listeners.js`.
#[test]
fn too_many_listeners_cause_a_warning() {
    let log = trace(|log| {
        const NO_LIMIT: Event<()> = Event::new("no limit");
        let lines = log.clone();
        nodeloop::on_warning(move |warning| {
            // `the event "y" has 11 listeners, …`
            let mut parts = warning.message().split("\"").skip(1);
            let (name, rest) = (parts.next().unwrap(), parts.next().unwrap());
            let count = rest.split(" ").nth(2).unwrap();
            assert_eq!(warning.location().file(), file!());
            lines.add(format_args!("{} {name} {count}", warning.name()));
        });
        let emitter = Rc::new(EventEmitter::new());
        let listeners = Rc::new(RefCell::new(Vec::new()));
        let (ee, all) = (emitter.clone(), listeners.clone());
        let add = move |event: Event<()>, count| {
            for _ in 0..count {
                all.borrow_mut().push(ee.on(event, |()| ()));
            }
        };
        let remove = move |count| {
            for _ in 0..count {
                assert!(listeners.borrow_mut().pop().unwrap().remove());
            }
        };
        add(Y, 12);
        add(X, 10);
        next_tick(log.callback("tick"));
        log.add("main ends");
        set_immediate(move || {
            log.add("the eleventh");
            add(X, 1);
            remove(9);
            add(X, 9);
            log.add("two were left");
            next_tick(move || {
                remove(10);
                add(X, 10);
                log.add("one was left");
                emitter.set_max_listeners(2);
                assert_eq!(emitter.max_listeners(), 2);
                add(Z, 3);
                emitter.set_max_listeners(0);
                add(NO_LIMIT, 20);
                assert_eq!(emitter.max_listeners(), 0);
            });
        });
    });
    log.assert([
        "main ends",
        "MaxListenersExceededWarning y 11",
        "tick",
        "the eleventh",
        "two were left",
        "MaxListenersExceededWarning x 11",
        "one was left",
        "MaxListenersExceededWarning x 11",
        "MaxListenersExceededWarning z 3",
    ]);
}

/// R70: a limit of one allows one listener.
#[test]
fn the_second_listener_may_be_too_many() {
    let log = trace(|log| {
        let lines = log.clone();
        nodeloop::on_warning(move |warning| lines.add(warning.name()));
        let emitter = EventEmitter::new();
        emitter.set_max_listeners(1);
        emitter.on(X, |()| ());
        next_tick(move || {
            log.add("the second");
            emitter.on(X, |()| ());
        });
    });
    log.assert(["the second", "MaxListenersExceededWarning"]);
}

const NUMBER: Event<u32> = Event::new("x");

/// R71: `346-emitter-once-promise.js`.
#[test]
fn waiting_for_an_event_costs_the_turns_of_node() {
    let log = trace(|log| {
        let emitter = Rc::new(EventEmitter::new());
        let (ee, lines) = (emitter.clone(), log.clone());
        let wait = move |name: &'static str| {
            let (emitter, log) = (ee.clone(), lines.clone());
            let task = async move {
                match events::once(&emitter, NUMBER).await {
                    Ok(value) => log.add(format_args!("{name}: {value}")),
                    Err(error) => log.add(format_args!("{name} failed: {error}")),
                }
                let left = emitter.listener_count(NUMBER);
                let errors = emitter.listener_count(events::error());
                log.add(format_args!("{name} left: {left} {errors}"));
            };
            spawn(task).detach();
        };
        wait("same macrotask");
        count(&log, "same", 6);
        emitter.emit(NUMBER, &1);
        let wait_later = wait.clone();
        after(1, move || wait_later("later"));
        let (lines, ee) = (log.clone(), emitter.clone());
        after(2, move || {
            count(&lines, "later", 6);
            ee.emit(NUMBER, &2);
            ee.emit(NUMBER, &3);
        });
        after(3, move || wait("error"));
        let (lines, ee) = (log.clone(), emitter.clone());
        after(4, move || {
            count(&lines, "error", 6);
            ee.emit_error("broken").unwrap();
        });
        after(5, move || {
            let error = events::once(&emitter, events::error());
            spawn(async move {
                log.add(format_args!(
                    "the error is the value: {}",
                    error.await.unwrap()
                ));
            })
            .detach();
            emitter.emit_error("awaited").unwrap();
        });
    });
    log.assert([
        "same 1",
        "same 2",
        "same macrotask: 1",
        "same macrotask left: 0 0",
        "same 3",
        "same 4",
        "same 5",
        "same 6",
        "later 1",
        "later 2",
        "later: 2",
        "later left: 0 0",
        "later 3",
        "later 4",
        "later 5",
        "later 6",
        "error 1",
        "error 2",
        "error failed: broken",
        "error left: 0 0",
        "error 3",
        "error 4",
        "error 5",
        "error 6",
        "the error is the value: awaited",
    ]);
}

const TEXT: Event<str> = Event::new("x");

/// R71: `347-emitter-iterator.js`.
#[test]
fn a_stream_of_events_costs_a_turn_for_each() {
    let log = trace(|log| {
        let emitter = Rc::new(EventEmitter::new());
        let (ee, lines) = (emitter.clone(), log.clone());
        let read = move |name: &'static str| {
            let (emitter, log) = (ee.clone(), lines.clone());
            let mut stream = events::on(&emitter, TEXT);
            let task = async move {
                let mut end = None;
                while let Some(item) = stream.next().await {
                    match item {
                        Ok(value) => {
                            log.add(format_args!("{name}: {value}"));
                            if value == "break" {
                                promise::ready(()).await; // JavaScript awaits `iterator.return()`
                                break;
                            }
                        }
                        Err(error) => {
                            end = Some(format!("{name} failed: {error}"));
                            break;
                        }
                    }
                }
                drop(stream);
                log.add(end.unwrap_or(format!("{name} ends")));
                log.add(format_args!("{name} left: {}", listening(&emitter)));
            };
            spawn(task).detach();
        };
        read("queued");
        log.add(format_args!("listening: {}", listening(&emitter)));
        count(&log, "queued", 5);
        for text in ["1", "2", "3"] {
            emitter.emit(TEXT, text);
        }
        let (lines, ee) = (log.clone(), emitter.clone());
        after(1, move || {
            count(&lines, "waiting", 5);
            ee.emit(TEXT, "4");
            let tick = ee.clone();
            next_tick(move || assert!(tick.emit(TEXT, "5")));
            queue_microtask(move || assert!(ee.emit(TEXT, "break")));
        });
        let (read_later, ee) = (read.clone(), emitter.clone());
        after(2, move || {
            read_later("error");
            ee.emit(TEXT, "6");
            ee.emit(TEXT, "7");
            ee.emit_error("broken").unwrap();
            ee.emit(TEXT, "not seen");
        });
        after(3, move || read("error while it waits"));
        after(4, move || {
            count(&log, "error", 5);
            emitter.emit_error("broken").unwrap();
        });
    });
    log.assert([
        "listening: 1 1",
        "queued 1",
        "queued: 1",
        "queued 2",
        "queued: 2",
        "queued 3",
        "queued: 3",
        "queued 4",
        "queued 5",
        "waiting 1",
        "queued: 4",
        "waiting 2",
        "queued: 5",
        "waiting 3",
        "queued: break",
        "waiting 4",
        "queued ends",
        "queued left: 0 0",
        "waiting 5",
        "error: 6",
        "error: 7",
        "error failed: broken",
        "error left: 0 0",
        "error 1",
        "error while it waits failed: broken",
        "error while it waits left: 0 0",
        "error 2",
        "error 3",
        "error 4",
        "error 5",
    ]);
}

fn listening(emitter: &EventEmitter) -> String {
    let errors = emitter.listener_count(events::error());
    format!("{} {errors}", emitter.listener_count(TEXT))
}

/// R72: `348-emitter-rejections.js`.
#[test]
fn the_failure_of_an_async_listener_is_an_error_event() {
    let log = trace(|log| {
        let emitter = Rc::new(EventEmitter::new());
        let uncaught = log.clone();
        nodeloop::on_uncaught(move |error| {
            assert_eq!(error.location().file(), file!());
            let text = error.message();
            assert!(text.contains(file!()), "{text}");
            let (_, text) = text.rsplit_once(": ").expect("a message and the error");
            uncaught.add(format_args!("uncaught {text}"));
        });
        let lines = log.clone();
        emitter.on_async(TEXT, move |value| {
            let (log, value) = (lines.clone(), value.to_owned());
            async move {
                log.add(format_args!("starts {value}"));
                promise::ready(()).await;
                log.add(format_args!("fails {value}"));
                Err(value)
            }
        });
        let lines = log.clone();
        emitter.on(TEXT, move |_| lines.add("second"));
        let lines = log.clone();
        let on_error = emitter.on(events::error(), move |error| {
            lines.add(format_args!("error {error}"));
        });
        let (lines, ee) = (log.clone(), emitter.clone());
        set_immediate(move || {
            lines.add(ee.emit(TEXT, "first"));
            count(&lines, "turn", 3);
            let tick = say(&lines, "tick");
            queue_microtask(move || next_tick(move || tick(&())));
        });
        set_immediate(move || {
            log.add("without a listener");
            on_error.remove();
            emitter.emit(TEXT, "second");
        });
    });
    log.assert([
        "starts first",
        "second",
        "true",
        "fails first",
        "turn 1",
        "turn 2",
        "turn 3",
        "tick",
        "error first",
        "without a listener",
        "starts second",
        "second",
        "fails second",
        "uncaught second",
    ]);
}

/// Dropping what waits removes its listeners, and reports nothing.
#[test]
fn dropping_what_waits_removes_its_listeners() {
    trace(|_| {
        let emitter = EventEmitter::new();
        let (once, stream) = (events::once(&emitter, TEXT), events::on(&emitter, TEXT));
        assert_eq!(listening(&emitter), "2 2");
        drop(once);
        assert_eq!(listening(&emitter), "1 1");
        drop(stream.close_on(&emitter, Y));
        assert!(emitter.event_names().is_empty());
        emitter.emit_error("nobody").unwrap_err();

        let once = events::once(&emitter, TEXT);
        emitter.emit(TEXT, "not awaited");
        drop(once);
    });
}

/// `with_signal` gives up on an event, one turn after the abort.
#[test]
fn a_signal_ends_the_wait_for_an_event() {
    let log = trace(|log| {
        let (controller, emitter) = (AbortController::new(), Rc::new(EventEmitter::new()));
        let (signal, ee) = (controller.signal(), emitter.clone());
        let task = {
            let log = log.clone();
            async move {
                let aborted = events::once(&ee, TEXT).with_signal(&signal).await;
                log.add(aborted.unwrap_err());
                log.add(listening(&ee));
            }
        };
        spawn(task).detach();
        set_timeout(ms(1), move || {
            assert_eq!(listening(&emitter), "1 1");
            controller.abort();
            count(&log, "turn", 2);
        });
    });
    let lines = log.lines();
    assert!(lines[0].contains("aborted"), "{lines:?}");
    assert_eq!(lines[1..], ["0 0", "turn 1", "turn 2"]);
}

/// In Node the promise stays pending forever.
#[test]
fn the_end_of_the_emitter_or_of_a_listener_ends_the_wait() {
    let log = trace(|log| {
        let wait = |emitter: &EventEmitter, name: &'static str| {
            let (once, mut stream) = (events::once(emitter, TEXT), events::on(emitter, TEXT));
            let log = log.clone();
            let task = async move {
                assert!(matches!(once.await, Err(EventError::Removed)));
                log.add(format_args!("{name}: once"));
                assert!(stream.next().await.is_none());
                log.add(format_args!("{name}: stream"));
            };
            spawn(task).detach();
        };
        let dropped = EventEmitter::new();
        wait(&dropped, "dropped");
        drop(dropped);
        let removed = EventEmitter::new();
        wait(&removed, "removed");
        removed.remove_all(TEXT);
        assert_eq!(listening(&removed), "0 0");
    });
    assert_eq!(log.lines().len(), 4);
}

/// R14: as with every promise, nobody had polled this one.
#[test]
fn an_error_that_ends_a_wait_nobody_awaits_is_reported() {
    let log = trace(|log| {
        let lines = log.clone();
        nodeloop::on_unhandled_rejection(move |rejection| {
            assert_eq!(rejection.location().file(), file!());
            rejection.with_reason(|reason| lines.add(format_args!("unhandled {reason:?}")));
        });
        let emitter = EventEmitter::new();
        let once = events::once(&emitter, TEXT);
        emitter.emit_error("broken").unwrap();
        set_immediate(move || drop(once));
    });
    log.assert(["unhandled Emitted(\"broken\")"]);
}

/// `emit` calls a listener that is running, so a listener is an `Fn`.
#[test]
fn a_listener_can_emit_its_own_event() {
    let log = trace(|log| {
        let (emitter, weak) = shared();
        emitter.on(NUMBER, move |n| {
            log.add(format_args!("begin {n}"));
            if *n > 0 {
                up(&weak).emit(NUMBER, &(n - 1));
            }
            log.add(format_args!("end {n}"));
        });
        emitter.emit(NUMBER, &2);
    });
    log.assert(["begin 2", "begin 1", "begin 0", "end 0", "end 1", "end 2"]);
}

/// The listeners that an emit found are called, even if the emitter is gone.
#[test]
fn the_emitter_can_be_dropped_by_a_listener() {
    let log = trace(|log| {
        let emitter = Rc::new(EventEmitter::new());
        let owner = Rc::new(RefCell::new(Some(emitter.clone())));
        let (inner, held) = (log.clone(), owner.clone());
        emitter.on(X, move |()| {
            inner.add("drops it");
            held.take();
        });
        struct SaysDropped(Log);
        impl Drop for SaysDropped {
            fn drop(&mut self) {
                self.0.add("listener dropped");
            }
        }
        let (inner, guard) = (log.clone(), SaysDropped(log.clone()));
        emitter.on(X, move |()| {
            let _ = &guard;
            inner.add("still called");
        });
        let handle = emitter.on(Y, |()| ());
        emitter.emit(X, &());
        drop(emitter);
        assert!(!handle.remove());
        log.add("the end");
    });
    log.assert(["drops it", "still called", "listener dropped", "the end"]);
}

/// A destructor may use the emitter: nothing is borrowed while it runs.
#[test]
fn the_destructor_of_a_listener_may_use_the_emitter() {
    struct Emits(Weak<EventEmitter>);
    impl Drop for Emits {
        fn drop(&mut self) {
            if let Some(emitter) = self.0.upgrade() {
                emitter.emit(Y, &());
                emitter.on(Z, |()| ());
            }
        }
    }
    let log = trace(|log| {
        let (emitter, weak) = shared();
        emitter.on(Y, say(&log, "emitted"));
        let new = || {
            let guard = Emits(weak.clone());
            move |_: &()| {
                let _owned = &guard;
            }
        };
        emitter.on(X, new()).remove();
        emitter.on(X, new());
        emitter.remove_all(X);
        emitter.once(X, new());
        emitter.emit(X, &());
        emitter.on(X, new());
        emitter.clear();
        log.add(format_args!("{:?}", emitter.event_names()));
    });
    log.assert(["emitted", "emitted", "emitted", "[Key(\"z\")]"]);
}

/// A key has arguments of one type.
#[test]
fn two_types_of_arguments_for_one_key_are_refused() {
    let emitter = EventEmitter::new();
    let handle = emitter.on(TEXT, |_| ());
    let result = catch_unwind(AssertUnwindSafe(|| emitter.emit(NUMBER, &1)));
    let message = text_of(&*result.unwrap_err());
    for part in ["the event \"x\"", "`u32`", "`str`", "different keys"] {
        assert!(message.contains(part), "{message}");
    }
    let result = catch_unwind(AssertUnwindSafe(|| emitter.on(NUMBER, |_| ())));
    assert!(result.is_err());
    assert!(emitter.emit(TEXT, "the emitter still works"));
    handle.remove();
    assert!(!emitter.emit(NUMBER, &1));
}

/// An emitter needs no event loop, unless something awaits it.
#[test]
fn an_emitter_works_without_a_loop() {
    let emitter = EventEmitter::<(u8, String)>::default();
    let key = (1, "one".to_owned());
    let sum = Rc::new(Cell::new(0));
    let total = sum.clone();
    let event = Event::<u32, _>::new(key);
    emitter.on(event.clone(), move |n| total.set(total.get() + n));
    assert!(emitter.emit(event.clone(), &20));
    assert!(emitter.emit(event.clone(), &22));
    assert_eq!((sum.get(), emitter.listener_count(event)), (42, 1));
}

/// A stream is terminated when nothing is left in it, neither an event nor an error.
#[test]
fn a_wait_that_has_ended_is_terminated() {
    let log = trace(|log| {
        let emitter = EventEmitter::new();
        let (mut once, mut stream) = (events::once(&emitter, TEXT), events::on(&emitter, TEXT));
        assert!(!once.is_terminated() && !stream.is_terminated());
        emitter.emit(TEXT, "a");
        emitter.emit_error("broken").unwrap();
        assert!(!once.is_terminated() && !stream.is_terminated());
        let task = async move {
            assert_eq!((&mut once).await.unwrap(), "a");
            assert!(once.is_terminated());
            assert_eq!(stream.next().await.unwrap().unwrap(), "a");
            assert!(!stream.is_terminated()); // the error is left
            assert!(stream.next().await.unwrap().is_err());
            assert!(stream.is_terminated());
            log.add("the end");
        };
        spawn(task).detach();
    });
    log.assert(["the end"]);
}

/// `close` of Node's `events.on`: what is queued comes first.
#[test]
fn an_event_can_close_a_stream() {
    let log = trace(|log| {
        let emitter = EventEmitter::new();
        let mut stream = events::on(&emitter, TEXT).close_on(&emitter, Y);
        emitter.emit(TEXT, "queued");
        emitter.emit(Y, &());
        emitter.emit(TEXT, "too late");
        let task = async move {
            while let Some(text) = stream.next().await {
                log.add(text.unwrap());
            }
            log.add("the end");
        };
        spawn(task).detach();
    });
    log.assert(["queued", "the end"]);
}

/// `?` converts the errors of emitters.
#[test]
fn errors_are_errors() {
    fn fails(emitter: &EventEmitter) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        emitter.emit_error(std::io::Error::other("broken"))?;
        Ok(())
    }
    fn is_error<E: std::error::Error + Send + Sync + 'static>() {}
    is_error::<EventError>();
    let error = fails(&EventEmitter::new()).unwrap_err();
    assert_eq!(error.to_string(), "broken");
    let error = error.downcast_ref::<events::SharedError>().expect("shared");
    assert!(error.downcast_ref::<std::io::Error>().is_some());

    let error = anyhow::anyhow!("the cause").context("broken");
    let error: Box<dyn std::error::Error + Send + Sync> = error.into();
    let emitted = EventError::Emitted(error.into());
    assert_eq!(emitted.to_string(), "broken");
    let source = std::error::Error::source(&emitted).expect("a source");
    assert_eq!(source.to_string(), "the cause");
}
