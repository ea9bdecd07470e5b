//! Chapter 6 of the rules: the effect of a panic in each phase, R55 and R56.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use std::cell::RefCell;
use std::future::Future;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use crate::common::limit::limit;
use crate::common::{Log, log_uncaught, ms, throw, trace};
use futures::task::{ArcWake, waker};
use nodeloop::net::UnixStream;
use nodeloop::time::{block_for, simulate_completion};
use nodeloop::{RunError, exit, next_tick, set_immediate, set_timeout, spawn};

/// R55: `268-uncaught-close.js`.
#[test]
fn no_drain_follows_a_panicking_close_callback() {
    let _limit = limit();
    trace(|log| {
        log_uncaught(&log);
        set_immediate(move || {
            for name in ["A", "B", "C"] {
                let (socket, _) = StdStream::pair().unwrap();
                let line = log.clone();
                UnixStream::from_std(socket).unwrap().close_with(move || {
                    line.add(format_args!("close {name}"));
                    next_tick(line.callback(format_args!("tick of {name}")));
                    if name != "B" {
                        throw(name);
                    }
                });
            }
            set_timeout(ms(1), log.callback("timer"));
            set_immediate(log.callback("next check"));
            block_for(ms(20));
            log.add("check");
        });
    })
    .assert([
        "check",
        "close C", // closed last
        "uncaught C",
        "close B",
        "tick of C",
        "tick of B",
        "close A",
        "uncaught A",
        "timer",
        "tick of A",
        "next check",
    ]);
}

thread_local! {
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// A waker that panics. The pending phase wakes it; a task cannot panic there.
struct Throws(&'static str);

impl ArcWake for Throws {
    fn wake_by_ref(this: &Arc<Throws>) {
        let (name, log) = (this.0, LOG.with_borrow(|log| log.clone().unwrap()));
        log.add(format_args!("pending {name}"));
        next_tick(log.callback(format_args!("tick of {name}")));
        if name != "B" {
            throw(name);
        }
    }
}

/// R55: `271-uncaught-pending.js`.
#[test]
#[cfg_attr(miri, ignore = "Miri has no Unix domain sockets")]
fn no_drain_follows_a_panicking_pending_callback() {
    let _limit = limit();
    let kept = Rc::new(RefCell::new(Vec::new()));
    let keep = kept.clone();
    trace(move |log| {
        LOG.set(Some(log.clone()));
        log_uncaught(&log);
        spawn(async move {
            for name in ["A", "B", "C"] {
                let mut connecting = Box::pin(UnixStream::connect("/nonexistent/socket"));
                let waker = waker(Arc::new(Throws(name)));
                let first = connecting.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(first.is_pending());
                keep.borrow_mut().push(connecting); // dropped, it would take its waker along
            }
        })
        .detach();
        simulate_completion(ms(0), log.callback("poll"));
    })
    .assert([
        "pending A",
        "uncaught A",
        "pending B",
        "tick of A",
        "tick of B",
        "pending C",
        "uncaught C",
        "poll",
        "tick of C",
    ]);
}

/// R56: `269-uncaught-timer-same-now.js`.
#[test]
fn the_clock_is_not_read_again_after_a_panicking_timer() {
    let _limit = limit();
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        set_timeout(ms(20), move || {
            set_immediate(line.callback("immediate"));
            block_for(ms(400));
            throw("A");
        });
        set_timeout(ms(300), log.callback("B due 300"));
    })
    .assert(["uncaught A", "immediate", "B due 300"]);
}

/// R56: `270-uncaught-timer-last-then-poll.js`.
#[test]
fn what_the_last_timer_queued_is_drained_before_the_poll_phase() {
    let _limit = limit();
    trace(|log| {
        log_uncaught(&log);
        simulate_completion(ms(0), log.callback("poll"));
        set_timeout(ms(20), move || {
            next_tick(log.callback("tick of A"));
            throw("A");
        });
        block_for(ms(60));
    })
    .assert(["uncaught A", "tick of A", "poll"]);
}

/// R9: what a run that ended early has queued is not called by the next run of the loop.
#[test]
#[cfg_attr(miri, ignore = "Miri has no Unix domain sockets")]
fn what_an_early_end_leaves_is_dropped() {
    let _limit = limit();
    let log = Log::new();
    let (close, connected) = (log.clone(), log.clone());
    let mut event_loop = crate::common::virtual_loop();
    let result = event_loop.run_script(move || {
        let (socket, _) = StdStream::pair().unwrap();
        let socket = UnixStream::from_std(socket).unwrap();
        socket.close_with(move || close.add("close"));
        spawn(async move {
            let _ = UnixStream::connect("/nonexistent/socket").await;
            connected.add("pending");
        })
        .detach();
        exit(3);
    });
    assert!(matches!(result, Err(RunError::Exit(3))), "{result:?}");
    let line = log.clone();
    event_loop
        .run_script(move || drop(set_immediate(line.callback("next run"))))
        .unwrap();
    log.assert(["next run"]);
}
