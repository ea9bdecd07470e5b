//! Chapter 5 of the rules, promises: R42–R49, the rules that need `then`, `catch`, `finally` and
//! the combinators.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output. The numbers in the expected lines are those of a
//! ruler of plain `then`s: one line per turn of the microtask queue.

use std::convert::Infallible;
use std::fmt::{Debug, Display};
use std::panic::Location;

use crate::common::{
    Later, Log, log_ok, reason_of, rejected, resolved, tag, then_ruler as ruler, throw, trace,
    trace_with_leftovers,
};
use nodeloop::promise::{
    AggregateError, Next, PromiseError, Rejected, SharedTryPromise, all, all_settled, any, race,
    ready, reject, resolve, try_with_resolver, with_resolver,
};
use nodeloop::{TryPromise, on_unhandled_rejection, queue_microtask, set_immediate, spawn};

type Never = Infallible;

/// `(v) => console.log(line, v)`
fn log_value<T, U, E>(log: &Log, line: impl Display) -> impl FnOnce(T) -> Result<U, E> + 'static
where
    T: Display,
    U: Default,
{
    let (log, line) = (log.clone(), line.to_string());
    move |value| {
        log.add(format_args!("{line} {value}"));
        Ok(U::default())
    }
}

/// `(v) => console.log(line, JSON.stringify(v))`
fn log_json<T, U, E>(log: &Log, line: &'static str) -> impl FnOnce(T) -> Result<U, E> + 'static
where
    T: Debug,
    U: Default,
{
    let log = log.clone();
    move |value| {
        let json = format!("{value:?}").replace(", ", ",");
        log.add(format_args!("{line} {json}"));
        Ok(U::default())
    }
}

/// `process.on('unhandledRejection', (r) => console.log('unhandled', r))`
fn log_unhandled(log: &Log) {
    let log = log.clone();
    on_unhandled_rejection(move |rejection| {
        log.add(format_args!("unhandled {}", reason_of(rejection)));
    });
}

/// R17: `24-rejection-propagates.js`.
#[test]
fn only_the_last_promise_of_a_chain_is_reported() {
    trace(|log| {
        let middle = rejected("x").then(Ok);
        let last_line = Location::caller().line() + 1;
        middle.then(Ok);
        on_unhandled_rejection(move |rejection| {
            let is_last = rejection.location().line() == last_line;
            log.add(format_args!("unhandled {} {is_last}", reason_of(rejection)));
        });
    })
    .assert(["unhandled x true"]);
}

/// R17: `25-rejected-twice-tracking.js`, with a handler that returns the rejected promise.
#[test]
fn a_followed_rejection_is_reported_for_the_follower() {
    trace(|log| {
        let inner = rejected("x");
        let outer_line = Location::caller().line() + 1;
        resolve::<_, &str>(()).then(move |()| inner);
        on_unhandled_rejection(move |rejection| {
            let is_outer = rejection.location().line() == outer_line;
            let which = if is_outer { "outer" } else { "inner" };
            log.add(format_args!("unhandled {} {which}", reason_of(rejection)));
        });
    })
    .assert(["unhandled x outer"]);
}

/// R42: `56-then-turns.js`.
#[test]
fn each_then_takes_a_turn_and_chains_interleave() {
    trace(|log| {
        let p = resolved().shared();
        p.then(tag(&log, "a1"))
            .then(tag(&log, "a2"))
            .then(tag(&log, "a3"))
            .detach();
        p.then(tag(&log, "b1")).then(tag(&log, "b2")).detach();
    })
    .assert(["a1", "b1", "a2", "b2", "a3"]);
}

/// R42: a missing handler passes value or rejection on, in one turn. Checked against Node:
///
/// ```js
/// Promise.reject('x').then((v) => v).catch(() => console.log('caught'));
/// Promise.resolve(1).catch(() => {}).then(() => console.log('passed'));
/// ruler(3);
/// ```
#[test]
fn a_missing_handler_costs_a_turn() {
    trace(|log| {
        rejected("x")
            .then(Ok)
            .catch(log_ok::<_, Never>(&log, "caught"));
        resolve::<_, &str>(1)
            .catch(|_| Ok::<_, Never>(0))
            .then(log_ok(&log, "passed"));
        ruler(&log, 3);
    })
    .assert(["1", "caught", "passed", "2", "3"]);
}

/// R13, R44: `57-then-on-pending.js`.
#[test]
fn reactions_run_in_the_order_in_which_they_were_added() {
    trace(|log| {
        let (p, y) = with_resolver();
        let p = p.shared();
        p.then(tag(&log, "p1")).detach();
        queue_microtask(log.callback("m before resolve"));
        y.resolve("");
        y.resolve("ignored");
        p.then(tag(&log, "p2")).detach();
        queue_microtask(log.callback("m after resolve"));
    })
    .assert(["m before resolve", "p1", "p2", "m after resolve"]);
}

/// R13: reactions of every kind share one queue. Checked against Node:
///
/// ```js
/// p.then(() => console.log('then 1'));
/// (async () => { await p; console.log('await'); })();
/// p.finally(() => console.log('finally'));
/// p.then(() => console.log('then 2'));
/// Promise.race([p]).then(() => console.log('race'));
/// ```
#[test]
fn reactions_of_every_kind_share_one_queue() {
    for settles_later in [false, true] {
        trace(move |log| {
            let (p, y) = try_with_resolver::<_, Never>();
            let p = p.shared();
            if !settles_later {
                y.resolve(());
            }
            p.then(log_ok(&log, "then 1"));
            let (line, awaited) = (log.clone(), p.clone());
            spawn(async move {
                awaited.await.unwrap();
                line.add("await");
            })
            .detach();
            let line = log.clone();
            p.finally(move || line.add("finally"));
            p.then(log_ok(&log, "then 2"));
            race([p]).then(log_ok(&log, "race"));
            set_immediate(move || y.resolve(()));
        })
        .assert(["then 1", "await", "finally", "then 2", "race"]);
    }
}

/// R43: `58-adopt-two-turns.js`.
#[test]
fn resolving_with_a_promise_costs_two_turns() {
    trace(|log| {
        let (promise, resolver) = with_resolver();
        resolver.resolve_with(resolved());
        promise.then(tag(&log, "adopted")).detach();
        ruler(&log, 4);
    })
    .assert(["1", "2", "adopted", "3", "4"]);
}

/// R43: `59-handler-returns-promise.js`, with every way to return one.
#[test]
fn a_handler_that_returns_a_promise_costs_two_turns() {
    let ways: [fn(&Log); 6] = [
        |log| {
            let handler = tag(log, "handler");
            let handler = move |v| ready(handler(v));
            ready(7)
                .then_follow(handler)
                .then(tag(log, "after"))
                .detach();
        },
        |log| {
            let handler = tag(log, "handler");
            let handler = move |v| resolve(handler(v));
            resolve::<_, Never>(7)
                .then(handler)
                .then(log_ok(log, "after"));
        },
        |log| {
            let handler = tag(log, "handler");
            let handler = move |v| resolve(handler(v)).shared();
            resolve::<_, Never>(7)
                .then(handler)
                .then(log_ok(log, "after"));
        },
        |log| {
            let handler = tag(log, "handler");
            let handler = move |v| ready(handler(v)); // one that cannot be rejected
            resolve::<_, Never>(7)
                .then(handler)
                .then(log_ok(log, "after"));
        },
        |log| {
            let handler = tag(log, "handler");
            let handler = move |v| Next::follow(resolve(handler(v)));
            resolve::<_, Never>(7)
                .then(handler)
                .then(log_ok(log, "after"));
        },
        |log| {
            let handler = tag(log, "handler");
            let handler = move |e| resolve::<_, Never>(handler(e));
            reject::<i32, _>(7)
                .catch(handler)
                .then(log_ok(log, "after"));
        },
    ];
    for way in ways {
        trace(move |log| {
            way(&log);
            ruler(&log, 4);
        })
        .assert(["handler", "1", "2", "3", "after", "4"]);
    }
}

/// R44: `60-self-resolution.js`.
#[test]
fn a_promise_resolved_with_itself_is_rejected() {
    trace_with_leftovers(|log| {
        let (p, y) = try_with_resolver::<(), &str>();
        let p = p.shared();
        y.resolve_with(p.clone());
        let line = log.clone();
        p.catch_any(move |why| {
            let itself = matches!(why, Rejected::Failed(PromiseError::SelfResolution));
            line.add(if itself {
                "TypeError"
            } else {
                "something else"
            });
            Ok::<_, Never>(())
        });
        let (a, ya) = try_with_resolver::<(), &str>();
        let (b, yb) = try_with_resolver::<(), &str>();
        let a = a.shared();
        ya.resolve_with(b);
        yb.resolve_with(a.clone());
        a.then_or_else_any(log_ok::<_, Never>(&log, "never"), log_ok(&log, "never"));
    })
    .assert(["TypeError"]); // the failure `SelfResolution`
}

/// R44: a handler that returns the promise derived from it. Checked against Node:
///
/// ```js
/// const q = Promise.resolve().then(() => q);
/// q.catch((e) => console.log(e.constructor.name));
/// ruler(3);
/// ```
#[test]
fn a_handler_that_returns_its_own_promise_rejects_it() {
    trace(|log| {
        let q = Later::<SharedTryPromise<(), Never>>::new();
        let own = q.clone();
        q.set(resolve(()).then(move |()| own.get().clone()).shared());
        let line = log.clone();
        q.get().catch_any(move |why| {
            line.add(format_args!("{why:?}"));
            Ok::<_, Never>(())
        });
        ruler(&log, 3);
    })
    .assert(["1", "Failed(SelfResolution)", "2", "3"]);
}

/// R44, R50: a longer cycle stays pending, and keeps nothing alive. Checked against Node:
///
/// ```js
/// a(q); b(r); c(p); // the resolving functions of p, q, r
/// for (const x of [p, q, r]) x.then(() => console.log('never'), () => console.log('never'));
/// ```
#[test]
fn a_cycle_of_three_stays_pending() {
    trace_with_leftovers(|log| {
        let made: [_; 3] = std::array::from_fn(|_| try_with_resolver::<(), &str>());
        let (promises, resolvers): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        let promises: Vec<_> = promises
            .into_iter()
            .map(|promise| promise.shared())
            .collect();
        for (index, resolver) in resolvers.iter().enumerate() {
            resolver.resolve_with(promises[(index + 1) % 3].clone());
        }
        for promise in &promises {
            promise.then_or_else_any(log_ok::<_, Never>(&log, "never"), log_ok(&log, "never"));
        }
    })
    .assert([]);
}

/// R54: a handler that panics rejects its promise. Checked against Node:
///
/// ```js
/// const f = () => { throw 'x'; };
/// Promise.resolve().then(f); Promise.reject('y').catch(f);
/// Promise.resolve().finally(f); Promise.reject('z').finally(f);
/// ```
#[test]
fn a_handler_that_panics_rejects_its_promise() {
    trace(|log| {
        fn f<T>(_: T) -> Result<(), &'static str> {
            throw("x")
        }
        log_unhandled(&log);
        resolve(()).then(f);
        rejected("y").catch(f);
        resolve(()).finally(|| f(()));
        rejected("z").finally(|| f(()));
    })
    .assert([
        "unhandled panic: x",
        "unhandled panic: x",
        "unhandled panic: x",
        "unhandled panic: x", // instead of z
    ]);
}

/// R47: `66-finally-turns.js`.
#[test]
fn the_promise_of_finally_settles_two_turns_after_its_handler() {
    trace(|log| {
        let done = resolve::<_, Never>("v").shared();
        let line = log.clone();
        let after = done.finally(move || {
            line.add("finally");
            Ok("ignored")
        });
        after.then(log_value::<_, (), _>(&log, "after"));
        (2..=6).fold(done.then(log_value(&log, 1)), |promise, turn| {
            promise.then(log_ok(&log, format_args!("{turn} undefined")))
        });
    })
    .assert([
        "finally",
        "1 v",
        "2 undefined",
        "3 undefined",
        "after v", // the turn of 4
        "4 undefined",
        "5 undefined",
        "6 undefined",
    ]);
}

/// R47: `67-finally-waits-and-overrides.js`.
#[test]
fn finally_waits_for_its_handler_and_keeps_the_outcome_unless_that_fails() {
    trace(|log| {
        let (gate, y) = with_resolver::<()>();
        resolve::<_, Never>("v")
            .finally(|| gate)
            .then(log_value::<_, (), _>(&log, "kept"));
        resolve(())
            .finally(|| Err::<(), _>("thrown"))
            .catch(log_value::<_, _, Never>(&log, "overridden"));
        rejected("r")
            .finally(|| rejected("own"))
            .catch(log_value::<_, _, Never>(&log, "overridden"));
        rejected("r")
            .finally(|| Ok(1))
            .catch(log_value::<_, _, Never>(&log, "kept"));
        set_immediate(move || {
            log.add("open");
            y.resolve(());
        });
    })
    .assert([
        "overridden thrown",
        "overridden own",
        "kept r",
        "open",
        "kept v",
    ]);
}

/// R48: `68-all.js`.
#[test]
fn all_is_settled_in_the_turn_of_the_member_that_decides() {
    trace(|log| {
        let done = resolve::<_, &str>(1).shared();
        all([done.clone(), done.clone()]).then(log_json::<_, (), _>(&log, "all"));
        all(Vec::<TryPromise<i32, &str>>::new()).then(log_json::<_, (), _>(&log, "all empty"));
        all([done, reject("x").shared(), reject("y").shared()])
            .catch(log_json::<_, _, Never>(&log, "all rejected"));
        ruler(&log, 3);
    })
    .assert([
        "all empty []", // settled at once
        "1",
        "all [1,1]",
        "all rejected \"x\"", // and y is handled
        "2",
        "3",
    ]);
}

/// R48: `69-allsettled.js`.
#[test]
fn all_settled_returns_every_outcome() {
    fn json(ended: &Result<i32, Rejected<&str>>) -> String {
        match ended {
            Ok(value) => format!(r#"{{"status":"fulfilled","value":{value}}}"#),
            Err(why) => format!(r#"{{"status":"rejected","reason":"{why}"}}"#),
        }
    }
    fn list(ended: &[Result<i32, Rejected<&str>>]) -> String {
        let list: Vec<_> = ended.iter().map(json).collect();
        format!("[{}]", list.join(","))
    }
    trace(|log| {
        let line = log.clone();
        all_settled([resolve(1), reject("x")])
            .then(move |ended| line.add(format_args!("allSettled {}", list(&ended))))
            .detach();
        let (line, nothing) = (log.clone(), Vec::<TryPromise<i32, &str>>::new());
        all_settled(nothing)
            .then(move |ended| line.add(format_args!("empty {}", list(&ended))))
            .detach();
        ruler(&log, 3);
    })
    .assert([
        "empty []",
        "1",
        r#"allSettled [{"status":"fulfilled","value":1},{"status":"rejected","reason":"x"}]"#,
        "2",
        "3",
    ]);
}

/// R49: `70-race.js`.
#[test]
fn race_ends_as_the_first_member_to_settle() {
    trace_with_leftovers(|log| {
        let (pending, _) = try_with_resolver();
        race([pending, resolve(1), reject("x")]).then(log_value::<_, (), _>(&log, "race"));
        let nothing = Vec::<TryPromise<(), Never>>::new();
        race(nothing).then_or_else(log_ok::<_, Never>(&log, "never"), log_ok(&log, "never"));
        ruler(&log, 3);
    })
    .assert(["1", "race 1", "2", "3"]);
}

/// R48: `71-any.js`.
#[test]
fn any_returns_the_first_value_or_all_errors() {
    fn errors(any: AggregateError<&str>) -> String {
        let errors: Vec<_> = any.errors.iter().map(Rejected::to_string).collect();
        errors.join(",")
    }
    trace(|log| {
        any([reject("x"), resolve(1)]).then(log_value::<_, (), _>(&log, "any"));
        let none = log_value::<_, _, Never>(&log, "any none");
        any([rejected("x"), rejected("y")]).catch(|why| none(errors(why)));
        let empty = log_value::<_, _, Never>(&log, "any empty");
        any(Vec::<TryPromise<(), _>>::new()).catch(|why| empty(errors(why)));
        ruler(&log, 3);
    })
    .assert(["any empty ", "1", "any 1", "any none x,y", "2", "3"]);
}

/// R48: the errors are in the order of the list, not of the rejections. Checked against Node:
///
/// ```js
/// Promise.any([x, Promise.reject('b'), Promise.reject('c')]).catch((e) => console.log(e.errors.join()));
/// setImmediate(() => no('a')); // rejects x
/// ```
#[test]
fn the_errors_of_any_come_in_the_order_of_the_list() {
    trace(|log| {
        let (x, no) = try_with_resolver::<(), _>();
        any([x, rejected("b"), rejected("c")]).catch(move |why| {
            let errors: Vec<_> = why.errors.into_iter().filter_map(Rejected::error).collect();
            log.add(errors.join(","));
            Ok::<_, Never>(())
        });
        set_immediate(move || no.reject("a"));
    })
    .assert(["a,b,c"]);
}

/// R17, R48, R49: the losers are handled. Checked against Node:
///
/// ```js
/// Promise.race([Promise.resolve(1), late]).then((v) => console.log('race', v));
/// Promise.any([late, Promise.resolve(2)]).then((v) => console.log('any', v));
/// Promise.all([late, Promise.reject('first')]).catch((e) => console.log('all', e));
/// setImmediate(() => no('too late')); // rejects late
/// ```
#[test]
fn a_loser_that_is_rejected_later_is_not_reported() {
    trace(|log| {
        log_unhandled(&log);
        let (late, no) = try_with_resolver::<i32, &str>();
        let late = late.shared();
        race([resolve(1).shared(), late.clone()]).then(log_value::<_, (), _>(&log, "race"));
        any([late.clone(), resolve(2).shared()]).then(log_value::<_, (), _>(&log, "any"));
        all([late, reject("first").shared()]).catch(log_value::<_, _, Never>(&log, "all"));
        set_immediate(move || no.reject("too late"));
    })
    .assert(["race 1", "any 2", "all first"]);
}

/// R48, R49: one promise, named twice. Checked against Node:
///
/// ```js
/// Promise.all([p, p]).then((v) => console.log('all', JSON.stringify(v)));
/// Promise.allSettled([p, p]).then((v) => console.log('allSettled', v.length));
/// Promise.race([p, p]).then((v) => console.log('race', v));
/// Promise.any([p, p]).then((v) => console.log('any', v));
/// ruler(3);
/// ```
#[test]
fn a_promise_named_twice_counts_twice() {
    trace(|log| {
        let p = resolve::<_, &str>(1).shared();
        let twice = || [p.clone(), p.clone()];
        all(twice()).then(log_json::<_, (), _>(&log, "all"));
        let line = log.clone();
        all_settled(twice())
            .then(move |v| line.add(format_args!("allSettled {}", v.len())))
            .detach();
        race(twice()).then(log_value::<_, (), _>(&log, "race"));
        any(twice()).then(log_value::<_, (), _>(&log, "any"));
        ruler(&log, 3);
    })
    .assert([
        "1",
        "all [1,1]",
        "allSettled 2",
        "race 1",
        "any 1",
        "2",
        "3",
    ]);
}

/// R43: `390-job-queue-turns.js`, the promises of the example `job_queue`.
#[test]
fn the_example_job_queue_takes_the_turns_of_its_original() {
    trace(|log| {
        let text = |text: &'static str| ready(text);
        let printed = log.clone();
        text("first").then(move |text| printed.add(text)).detach();
        let (printed, last) = (log.clone(), log.clone());
        let third = text("second").then_follow(move |second| {
            printed.add(second);
            text("third")
        });
        third.then(move |text| last.add(text)).detach();
        ruler(&log, 5);
    })
    .assert(["first", "second", "1", "2", "3", "third", "4", "5"]);
}

/// A reaction is not a task: the log shows where it was added.
#[test]
fn the_log_names_a_reaction() {
    let line = line!() + 2;
    let log = trace(|log| {
        resolved().then(log.reaction("a")).detach();
        resolve::<_, &str>(1).then(log.reaction("b"));
    });
    let entries: Vec<String> = log.entries().iter().map(ToString::to_string).collect();
    for (entry, line) in entries.iter().zip([line, line + 1]) {
        assert!(entry.starts_with("reaction, "), "{entry}");
        let location = format!("added at {}:{line}", file!());
        assert!(entry.ends_with(&location), "{entry}");
    }
    log.assert(["a", "b"]);
}
