//! What the crate adds to the promises of JavaScript: conversions, failures, aborting, sharing, and
//! when memory is freed. The numbers in the expected lines are those of `ruler`, one line per turn.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;

use crate::common::{
    Later, Log, log_ok, ms, reason_of, rejected, resolved, tag, then_ruler as ruler, throw, trace,
    trace_with_leftovers, virtual_loop,
};
use nodeloop::promise::{
    Next, PromiseError, Rejected, SharedTryPromise, TryResolver, all, all_settled, any,
    any_and_abort, race, race_and_abort, ready, reject, resolve, try_with_resolver, with_resolver,
};
use nodeloop::time::sleep;
use nodeloop::{
    AsyncLocalStorage, Promise, RunError, TryPromise, exit, on_unhandled_rejection,
    queue_microtask, set_immediate, set_timeout, spawn, try_spawn,
};

type Never = Infallible;

/// Logs its drop.
pub(crate) struct SaysBye(pub(crate) Log, pub(crate) &'static str);

impl Drop for SaysBye {
    fn drop(&mut self) {
        self.0.add(format_args!("{} is dropped", self.1));
    }
}

/// A task that sleeps, then logs.
fn sleeper(log: &Log, name: &'static str, after_ms: u64) -> TryPromise<&'static str, &'static str> {
    let (log, guard) = (log.clone(), SaysBye(log.clone(), name));
    try_spawn(async move {
        let _guard = guard;
        sleep(ms(after_ms)).await;
        log.add(format_args!("{name} has slept"));
        Ok(name)
    })
}

/// A handler of any rejection that logs it.
fn log_why<T: Default, E: std::fmt::Debug>(
    log: &Log,
) -> impl FnOnce(Rejected<E>) -> Result<T, Never> + 'static {
    let log = log.clone();
    move |why| {
        log.add(format_args!("{why:?}"));
        Ok(T::default())
    }
}

pub(crate) fn log_unhandled(log: &Log) {
    let log = log.clone();
    on_unhandled_rejection(move |rejection| {
        log.add(format_args!("unhandled {}", reason_of(rejection)));
    });
}

// Conversions.

/// The `then` after a conversion runs in the turn of 1, as if there were no conversion.
#[test]
fn conversions_of_a_settled_promise_take_no_turn() {
    trace(|log| {
        resolve::<_, Never>(()).then(log_ok(&log, "plain"));
        let converted = resolve::<_, Never>(()).map(|result| result);
        converted.then(log_ok(&log, "convert"));
        let map_err = resolve::<_, &str>(()).map_err(str::len);
        map_err.then(log_ok(&log, "map_err"));
        let err_into = resolve::<_, &str>(()).err_into::<String>();
        err_into.then(log_ok(&log, "err_into"));
        let tracked = ready(Ok::<_, Never>(())).tracked();
        tracked.then(log_ok(&log, "tracked"));
        let untracked = resolve::<_, Never>(()).untracked();
        untracked.then(tag(&log, "untracked")).detach();
        let shared = resolve::<_, Never>(()).shared();
        shared.then(log_ok(&log, "shared"));
        resolve(())
            .infallible()
            .then(tag(&log, "infallible"))
            .detach();
        ruler(&log, 2);
    })
    .assert([
        "plain",
        "convert",
        "map_err",
        "err_into",
        "tracked",
        "untracked",
        "shared",
        "infallible",
        "1",
        "2",
    ]);
}

/// A conversion of a pending promise is called while it settles, and takes no turn either.
#[test]
fn conversions_of_a_pending_promise_take_no_turn() {
    trace(|log| {
        let (promise, resolver) = with_resolver::<i32>();
        let line = log.clone();
        promise
            .map(move |value| {
                line.add(format_args!("converts {value}"));
                value.to_string()
            })
            .map(|text| format!("<{text}>"))
            .then(tag(&log, "then"))
            .detach();
        set_immediate(move || {
            resolver.resolve(1);
            log.add("resolved");
            ruler(&log, 2);
        });
    })
    .assert([
        "converts 1", // on the stack of `resolve`
        "resolved",
        "then",
        "1",
        "2",
    ]);
}

/// The last conversion determines whether a rejection is reported.
#[test]
fn conversions_decide_what_is_reported() {
    trace(|log| {
        log_unhandled(&log);
        rejected("untracked, never reported").untracked().detach();
        ready(Err::<(), _>("tracked")).tracked();
        rejected("err").err_into::<String>();
        rejected("convert").map(|result| result.or(Ok::<_, Never>(())));
        resolve::<_, Never>(()).map(|_| Err::<(), _>("converted"));
        rejected("back and forth").untracked().tracked();
    })
    .assert([
        "unhandled tracked",
        "unhandled \"err\"", // a String by now
        "unhandled converted",
        "unhandled back and forth",
    ]);
}

/// A loop that ends reports no rejection, and leaves none for the next run to report.
#[test]
fn what_is_tracked_while_the_loop_ends_is_not_reported() {
    struct Tracks;
    impl Drop for Tracks {
        fn drop(&mut self) {
            ready(Err::<(), _>("too late")).tracked();
        }
    }
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(|| {
        let guard = Tracks;
        spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        })
        .detach();
        exit(1)
    });
    assert!(matches!(result, Err(RunError::Exit(1))), "{result:?}");
    let result = event_loop.run_script(|| {});
    assert!(result.is_ok(), "{result:?}");
}

/// `map` receives the whole result, `map_err` the error only.
#[test]
fn map_err_leaves_a_value_alone() {
    trace(|log| {
        let mapped = [Ok(1), Err("no")].map(|result| {
            let promise = ready(result).tracked();
            promise.map_err(|reason: &str| format!("{reason} luck"))
        });
        all_settled(mapped)
            .then(move |results| log.add(format_args!("{results:?}")))
            .detach();
    })
    .assert(["[Ok(1), Err(Error(\"no luck\"))]"]);
}

#[test]
fn a_conversion_that_panics_rejects_the_converted_promise() {
    trace(|log| {
        resolve::<_, Never>(())
            .map(|_| -> Result<(), Never> { throw("x") })
            .catch_any(log_why(&log));
        let (pending, resolver) = with_resolver();
        let (line, panicked) = (log.clone(), pending.map(|()| throw("y")));
        spawn(async move {
            let failure: Result<(), _> = panicked.settled().await;
            line.add(format_args!("{failure:?}"));
        })
        .detach();
        resolver.resolve(());
        log.add("resolve came back");
    })
    .assert([
        "resolve came back",
        "Failed(Panicked(\"x\"))",
        "Err(Panicked(\"y\"))",
    ]);
}

/// Aborting a converted promise leaves the original running.
#[test]
fn aborting_a_converted_promise_leaves_its_source() {
    trace(|log| {
        let converted = sleeper(&log, "source", 10).map(|result| result).shared();
        converted.settled().abort();
        converted.then(|_| Ok(())).catch_any(log_why::<(), _>(&log));
    })
    .assert(["Failed(Aborted)", "source has slept", "source is dropped"]);
}

/// `race` and `any` hold no handle to a member: one that has settled is freed while the others are
/// pending. Its context is the part of it that can be observed.
#[test]
fn a_combinator_that_cannot_abort_frees_a_settled_member() {
    trace(|log| {
        let storage = AsyncLocalStorage::new();
        let member = |name| storage.run(SaysBye(log.clone(), name), || resolve::<_, Never>(()));
        let (pending, resolver) = try_with_resolver::<(), Never>();
        let pending = pending.shared();
        let with_pending = |promise: TryPromise<(), Never>| [promise.shared(), pending.clone()];
        race(with_pending(member("a member of race")));
        any(with_pending(member("a member of any")));
        set_immediate(move || {
            log.add("immediate");
            resolver.resolve(());
        });
    })
    .assert([
        "a member of race is dropped",
        "a member of any is dropped",
        "immediate",
    ]);
}

// Failures.

/// `catch_any` sees every way to fail.
#[test]
fn catch_any_sees_errors_panics_aborts_and_self_resolution() {
    trace(|log| {
        rejected("an error").catch_any(log_why(&log));
        try_spawn(async { throw("a panic") as Result<(), &str> }).catch_any(log_why(&log));
        let (aborted, _resolvers) = try_with_resolver::<(), &str>();
        let aborted = aborted.shared();
        aborted.settled().abort();
        aborted.catch_any(log_why(&log));
        let (p, resolvers) = try_with_resolver::<(), &str>();
        let p = p.shared();
        resolvers.resolve_with(p.clone());
        p.catch_any(log_why(&log));
    })
    .assert([
        "Error(\"an error\")",
        "Failed(Panicked(\"a panic\"))",
        "Failed(Aborted)",
        "Failed(SelfResolution)",
    ]);
}

/// `then_or_else_any` calls one of its handlers, as the `then` of JavaScript does.
#[test]
fn then_or_else_any_calls_one_of_two() {
    trace(|log| {
        let sources: [fn() -> TryPromise<(), &'static str>; 3] = [
            || resolve(()),
            || reject("an error"),
            || try_spawn(async { throw("a panic") }),
        ];
        for source in sources {
            let (fulfilled, rejected) = (log.clone(), log.clone());
            source().then_or_else_any(
                move |()| {
                    fulfilled.add("fulfilled");
                    throw("the other one is not for this") as Result<(), &str>
                },
                move |why| {
                    rejected.add(format_args!("{why:?}"));
                    Ok(())
                },
            );
        }
        log_unhandled(&log);
    })
    .assert([
        "fulfilled",
        "Error(\"an error\")",
        "Failed(Panicked(\"a panic\"))",
        "unhandled panic: the other one is not for this",
    ]);
}

/// A failure skips `then`, `catch` and both handlers of `then_or_else`, which costs a turn each, and
/// calls `finally`.
#[test]
fn failures_skip_the_handlers_of_errors() {
    trace(|log| {
        let never = |text: &'static str| {
            let log = log.clone();
            move |_: &'static str| {
                log.add(text);
                Ok::<&str, &str>("")
            }
        };
        let line = log.clone();
        try_spawn(async { throw("x") as Result<&str, &str> })
            .then(never("then"))
            .catch(never("catch"))
            .then_or_else(never("fulfilled"), never("rejected"))
            .finally(move || line.add("finally"))
            .catch_any(log_why::<&str, _>(&log));
        ruler(&log, 7);
    })
    .assert([
        "1", // then
        "2", // catch
        "3", // then_or_else
        "finally",
        "4",
        "5",
        "6",
        "Failed(Panicked(\"x\"))", // R47: three turns after the handler of finally
        "7",
    ]);
}

/// A panic of the handler replaces the outcome, in every kind of reaction.
#[test]
fn a_handler_that_panics_rejects_its_promise() {
    trace(|log| {
        log_unhandled(&log);
        resolved().then(|()| throw("then") as ()).detach();
        resolved()
            .then_follow(|()| throw("then_follow") as Promise<()>)
            .detach();
        resolved()
            .shared()
            .then(|()| throw("shared then") as ())
            .detach();
        rejected("e").catch_any(|_| throw("catch_any") as Result<(), Never>);
        rejected("e").then_or_else(Ok, |_| throw("then_or_else") as Next<(), Never>);
        rejected("e").finally(|| throw("finally") as ());
    })
    .assert([
        "unhandled panic: then",
        "unhandled panic: then_follow",
        "unhandled panic: shared then",
        "unhandled panic: catch_any",
        "unhandled panic: then_or_else",
        "unhandled panic: finally",
    ]);
}

/// A shared promise whose task panicked rejects all awaiters.
#[test]
fn a_panic_rejects_all_awaiters_of_a_shared_promise() {
    trace(|log| {
        log_unhandled(&log);
        let promise = spawn(async {
            resolved().await;
            throw("x") as i32
        })
        .shared();
        for _ in 0..2 {
            let (line, settled) = (log.clone(), promise.settled());
            spawn(async move { line.add(format_args!("{:?}", settled.await)) }).detach();
        }
        spawn(promise.clone()).detach(); // it panics with the same text
        promise.then(|_| ()).detach();
    })
    .assert([
        "Err(Panicked(\"x\"))",
        "Err(Panicked(\"x\"))",
        "unhandled panic: x",
        "unhandled panic: x",
    ]);
}

/// The payload of an unshared promise is passed on unchanged.
#[test]
fn the_payload_of_a_panic_comes_through_a_chain() {
    trace(|log| {
        let end = spawn(async { throw("payload") })
            .then(|()| ())
            .then(|()| ());
        spawn(async move {
            match end.settled().await {
                Err(PromiseError::Panicked(payload)) => log.add(payload.message()),
                other => log.add(format_args!("{other:?}")),
            }
        })
        .detach();
    })
    .assert(["payload"]);
}

// Aborting.

/// Aborting a derived promise drops its handler and leaves the source.
#[test]
fn aborting_a_derived_promise_leaves_its_source() {
    trace(|log| {
        log_unhandled(&log); // and an abort is not reported
        let guard = SaysBye(log.clone(), "the handler");
        let line = log.clone();
        let derived = sleeper(&log, "source", 10).then(move |_| {
            let _guard = guard;
            line.add("never");
            Ok(())
        });
        let derived = derived.shared();
        derived.settled().abort();
        log.add(format_args!("settled at once: {}", derived.is_finished()));
        derived.catch_any(log_why(&log));
        ruler(&log, 3);
    })
    .assert([
        "settled at once: false",
        "the handler is dropped", // one turn: its task is woken to end
        "1",
        "Failed(Aborted)",
        "2",
        "3",
        "source has slept",
        "source is dropped",
    ]);
}

/// The same while the derived promise follows the one that its handler returned.
#[test]
fn aborting_a_follower_leaves_what_it_follows() {
    trace(|log| {
        let inner = sleeper(&log, "inner", 10);
        let follower = resolve(()).then(move |()| inner).shared();
        set_immediate(move || {
            follower.settled().abort();
            follower.then(|_| Ok(())).catch_any(log_why::<(), _>(&log));
        });
    })
    .assert(["Failed(Aborted)", "inner has slept", "inner is dropped"]);
}

/// The same if the handler itself aborts the derived promise before it returns the other one.
#[test]
fn a_handler_that_aborts_its_promise_leaves_what_it_follows() {
    trace(|log| {
        let inner = sleeper(&log, "inner", 10);
        let this = Later::<SharedTryPromise<_, _>>::new();
        let (itself, line) = (this.clone(), log.clone());
        let follower = resolve(()).then(move |()| {
            itself.get().settled().abort();
            queue_microtask(line.callback("microtask"));
            inner
        });
        let follower = follower.shared();
        this.set(follower.clone());
        follower.then(|_| Ok(())).catch_any(log_why::<(), _>(&log));
    })
    .assert([
        "microtask",
        "Failed(Aborted)",
        "inner has slept",
        "inner is dropped",
    ]);
}

/// `(name) => console.log('won by', name)`
fn won_by<E>(log: &Log) -> impl FnOnce(&'static str) -> Result<(), E> + 'static {
    let log = log.clone();
    move |name| {
        log.add(format_args!("won by {name}"));
        Ok(())
    }
}

/// In the plain forms the losers continue.
#[test]
fn the_losers_of_race_and_any_run_on() {
    let ways: [fn(&Log); 2] = [
        |log| drop(race([sleeper(log, "slow", 20), sleeper(log, "fast", 10)]).then(won_by(log))),
        |log| drop(any([sleeper(log, "slow", 20), sleeper(log, "fast", 10)]).then(won_by(log))),
    ];
    for way in ways {
        trace(move |log| way(&log)).assert([
            "fast has slept",
            "fast is dropped",
            "won by fast",
            "slow has slept",
            "slow is dropped",
        ]);
    }
}

/// In the aborting forms the losers end when the winner settles.
#[test]
fn the_losers_of_race_and_abort_and_any_and_abort_end() {
    let ways: [fn(&Log); 2] = [
        |log| {
            let members = [sleeper(log, "slow", 20), sleeper(log, "fast", 10)];
            race_and_abort(members).then(won_by(log));
        },
        |log| {
            let members = [sleeper(log, "slow", 20), sleeper(log, "fast", 10)];
            any_and_abort(members).then(won_by(log));
        },
    ];
    for way in ways {
        trace(move |log| {
            way(&log);
            set_timeout(ms(15), log.callback("15 ms"));
        })
        .assert([
            "fast has slept",
            "fast is dropped",
            "won by fast",
            "slow is dropped", // its task is woken after the reactions of the race
            "15 ms",
        ]);
    }
}

/// An error settles a race, and does not settle an `any`.
#[test]
fn an_error_aborts_the_others_in_a_race_only() {
    let fails = || {
        try_spawn(async {
            sleep(ms(5)).await;
            Err("failed")
        })
    };
    trace(move |log| {
        log_unhandled(&log);
        race_and_abort([sleeper(&log, "slow", 20), fails()]);
    })
    .assert(["slow is dropped", "unhandled failed"]);
    trace(move |log| {
        any_and_abort([sleeper(&log, "slow", 20), fails()]).then(won_by(&log));
    })
    .assert(["slow has slept", "slow is dropped", "won by slow"]);
}

/// Aborting the promise of a race leaves its members running.
#[test]
fn aborting_a_race_leaves_its_members() {
    trace(|log| {
        let decided = race_and_abort([sleeper(&log, "one", 10), sleeper(&log, "two", 10)]);
        let decided = decided.shared();
        decided.settled().abort();
        decided.then(|_| Ok(())).catch_any(log_why::<(), _>(&log));
    })
    .assert([
        "Failed(Aborted)",
        "one has slept",
        "one is dropped",
        "two is dropped", // the first still decides which is aborted
    ]);
}

// Combinators of promises that fail.

#[test]
fn all_settled_distinguishes_failures_from_errors() {
    trace(|log| {
        let (aborted, _resolvers) = try_with_resolver();
        let aborted = aborted.shared();
        aborted.settled().abort();
        let members = [
            resolve(1).shared(),
            reject("an error").shared(),
            try_spawn(async { throw("a panic") }).shared(),
            aborted,
        ];
        all_settled(members)
            .then(move |list| {
                for ended in list {
                    log.add(format_args!("{ended:?}"));
                }
            })
            .detach();
    })
    .assert([
        "Ok(1)",
        "Err(Error(\"an error\"))",
        "Err(Failed(Panicked(\"a panic\")))",
        "Err(Failed(Aborted))",
    ]);
}

/// `all` and `race` fail as the member did; `any` puts the failure into the list of errors.
#[test]
fn a_failure_decides_all_and_race_and_is_one_of_the_errors_of_any() {
    trace(|log| {
        let fails = || try_spawn(async { throw("x") as Result<(), &str> });
        all([resolve(()), fails()])
            .then(|_| Ok(()))
            .catch_any(log_why::<(), _>(&log));
        race([fails(), resolve(())]).catch_any(log_why::<(), _>(&log));
        any([fails(), reject("e")]).catch(move |why| {
            log.add(format_args!("{why}: {:?}", why.errors));
            Ok::<_, Never>(())
        });
    })
    .assert([
        "Failed(Panicked(\"x\"))", // race: a turn before the chain after all
        "all 2 promises were rejected: [Failed(Panicked(\"x\")), Error(\"e\")]",
        "Failed(Panicked(\"x\"))",
    ]);
}

/// Combinators of promises that cannot be rejected.
#[test]
fn combinators_take_plain_promises() {
    trace(|log| {
        let line = log.clone();
        all([ready(1), ready(2)])
            .infallible()
            .then(move |values| {
                line.add(format_args!("{values:?}"));
            })
            .detach();
        race([ready(3).shared()])
            .infallible()
            .then(move |value| log.add(value))
            .detach();
        let nothing = all(Vec::<Promise<()>>::new());
        assert!(nothing.is_finished(), "an empty list is settled at once");
        assert!(all_settled(Vec::<Promise<()>>::new()).is_finished());
        assert!(!race(Vec::<Promise<()>>::new()).is_finished());
        let none = any(Vec::<Promise<()>>::new());
        assert!(none.is_finished());
        none.mark_handled();
    })
    .assert(["[1, 2]", "3"]);
}

// Waiters.

/// An abort through one of the clones aborts the promise.
#[test]
fn clones_of_a_shared_promise_are_one_promise() {
    trace(|log| {
        let shared = sleeper(&log, "task", 10).shared();
        for _ in 0..2 {
            shared.clone().catch_any(log_why::<&str, _>(&log));
        }
        shared.settled().abort();
    })
    .assert(["task is dropped", "Failed(Aborted)", "Failed(Aborted)"]);
}

/// A dropped waiter leaves the list; the order of the others stays.
#[test]
fn a_dropped_waiter_leaves_the_list() {
    trace(|log| {
        let (promise, resolver) = with_resolver();
        let promise = promise.shared();
        let waiting = ["a", "b", "c", "d"].map(|name| promise.then(tag(&log, name)).settled());
        waiting[1].abort();
        waiting[0].abort();
        promise.then(tag(&log, "e")).detach();
        set_immediate(move || resolver.resolve(()));
    })
    .assert(["c", "d", "e"]);
}

/// A loser of `select!` that is dropped does not wake the task any more; one that is kept does.
#[test]
fn a_loser_of_select_that_is_dropped_leaves_no_reaction() {
    /// Logs every poll.
    async fn logged(log: Log, future: impl Future) {
        let mut future = pin!(future);
        poll_fn(|cx| {
            log.add("polled");
            future.as_mut().poll(cx).map(drop)
        })
        .await;
    }
    fn script(log: Log, keep: bool) {
        let (mut loser, resolver) = with_resolver();
        let line = log.clone();
        let task = async move {
            let mut winner = resolved();
            futures::select_biased! {
                () = loser => line.add("never"),
                () = winner => line.add("winner"),
            }
            let _kept = keep.then_some(loser);
            pending::<()>().await;
        };
        spawn(logged(log.clone(), task)).detach();
        set_immediate(move || {
            log.add("the loser settles");
            resolver.resolve(());
        });
    }
    trace_with_leftovers(|log| script(log, false)).assert([
        "polled",
        "polled",
        "winner",
        "the loser settles",
    ]);
    trace_with_leftovers(|log| script(log, true)).assert([
        "polled",
        "polled",
        "winner",
        "the loser settles",
        "polled", // for nothing
    ]);
}

/// A promise counts as handled once it was polled, and after `mark_handled`.
#[test]
fn a_promise_that_was_polled_or_marked_is_not_reported() {
    trace(|log| {
        log_unhandled(&log);
        rejected("marked").mark_handled();
        let (polled, resolvers) = try_with_resolver::<(), _>();
        spawn(async move {
            futures::select_biased! {
                _ = Box::pin(polled) => {}
                () = ready(()) => {}
            }
            resolvers.reject("polled and dropped");
        })
        .detach();
        drop(rejected("dropped"));
    })
    .assert(["unhandled dropped"]);
}

/// R50: nothing can settle it any more, so it is pending forever. That alone is no error.
#[test]
fn dropping_the_resolvers_leaves_the_promise_pending() {
    trace_with_leftovers(|log| {
        let (promise, resolvers) = try_with_resolver::<(), Never>();
        drop(resolvers);
        let line = log.clone();
        promise.then(move |()| {
            line.add("never");
            Ok(())
        });
        let (promise, resolver) = with_resolver::<()>();
        drop(resolver);
        assert!(!promise.is_finished());
        promise.then(tag(&log, "never")).detach();
    })
    .assert([]);
    let stuck = virtual_loop().run(async { with_resolver::<()>().0.await });
    assert!(matches!(stuck, Err(RunError::Stuck(_))), "{stuck:?}");
}

// Memory.

/// What a reaction of a promise that is never settled holds: a token, and perhaps the resolvers of
/// that same promise, which makes a cycle.
type Held = (Rc<()>, Option<TryResolver<(), &'static str>>);
type Forever = TryPromise<(), &'static str>;

type Way = (&'static str, fn(Forever, Held));

/// A handler that holds and drops it.
fn dropping_handler<T, E>(held: Held) -> impl FnOnce(T) -> Result<(), E> + 'static {
    move |_| {
        drop(held);
        Ok(())
    }
}

/// Promises, tasks and handlers that wait forever are dropped with their loop.
#[test]
fn what_waits_forever_is_dropped_with_the_loop() {
    let ways: [Way; 16] = [
        ("then", |p, held| drop(p.then(dropping_handler(held)))),
        ("catch", |p, held| {
            drop(p.catch(dropping_handler::<_, Never>(held)))
        }),
        ("finally", |p, held| drop(p.finally(move || drop(held)))),
        ("two chains of a shared one", |p, held| {
            let p = p.shared();
            p.then(dropping_handler(held.clone())).then(Ok);
            p.clone().finally(move || drop(held));
        }),
        ("a handler that gives it", |p, held| {
            resolve(()).then(|()| p).then(dropping_handler(held));
        }),
        ("a finally that waits for it", |p, held| {
            resolve(()).finally(|| p).then(dropping_handler(held));
        }),
        ("a promise that follows it", |p, held| {
            let (follower, resolvers) = try_with_resolver();
            resolvers.resolve_with(p);
            follower.then(dropping_handler(held));
        }),
        ("await", |p, held| {
            spawn(async move {
                let _held = held;
                p.await
            })
            .detach();
        }),
        ("convert", |p, (token, _)| {
            // Its function is stored in the promise itself: holding the resolvers, it would be a
            // cycle of the program's own.
            p.map(move |result| {
                drop(token);
                result
            });
        }),
        ("convert, then", |p, held| {
            let converted = p.untracked().map(|_| ());
            converted.then(move |()| drop(held)).detach();
        }),
        ("err_into", |p, held| {
            p.err_into::<String>().then(dropping_handler(held));
        }),
        ("all", |p, held| {
            drop(all([resolve(()), p]).then(dropping_handler(held)))
        }),
        ("all_settled", |p, held| {
            all_settled([p]).then(move |_| drop(held)).detach();
        }),
        ("race", |p, held| {
            drop(race([p]).then(dropping_handler(held)))
        }),
        ("any", |p, held| {
            drop(any([reject("e"), p]).then(dropping_handler(held)))
        }),
        ("race_and_abort", |p, held| {
            race_and_abort([p]).then(dropping_handler(held));
        }),
    ];
    for (name, way) in ways {
        for in_a_cycle in [false, true] {
            let token = Rc::new(());
            let held = token.clone();
            let mut event_loop = virtual_loop();
            let result = event_loop.run_script(move || {
                let (promise, resolvers) = try_with_resolver();
                way(promise, (held, in_a_cycle.then_some(resolvers)));
            });
            assert!(result.is_ok(), "{result:?}");
            drop(event_loop);
            let left = Rc::strong_count(&token) - 1;
            assert_eq!(left, 0, "{name}, in a cycle: {in_a_cycle}");
        }
    }
}

/// A promise that follows one that never settles is freed with its loop, and can be aborted.
#[test]
fn a_promise_that_follows_forever_is_freed_with_its_loop() {
    let token = Rc::new(());
    let held = token.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        // The promises hold the context in which they are made, and with it the token.
        AsyncLocalStorage::new().run(held, || {
            let (followed, _) = try_with_resolver::<(), ()>();
            let (follower, resolvers) = try_with_resolver();
            resolvers.resolve_with(followed);
            drop(follower);
            let (followed, _) = try_with_resolver::<(), ()>();
            let (aborted, resolvers) = try_with_resolver();
            resolvers.resolve_with(followed);
            let aborted = aborted.settled();
            aborted.abort();
            spawn(async move {
                let settled = aborted.await;
                assert!(settled.unwrap_err().is_aborted());
            })
            .detach();
        });
    });
    assert!(result.is_ok(), "{result:?}");
    drop(event_loop);
    assert_eq!(Rc::strong_count(&token), 1);
}
