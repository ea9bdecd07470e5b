//! The pending phase, R63: connects that fail at once.

use std::io::ErrorKind;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::net::SocketPath;
use crate::common::run_script;
use crate::common::{Lines, log};
use nodeloop::net::{UnixListener, UnixStream};
use nodeloop::time::{block_for, wait_for_jobs};
use nodeloop::{
    ActiveResource, ResourceKind, next_tick, queue_work, set_immediate, set_timeout, spawn,
};

fn connect_nowhere(lines: &Lines) {
    let lines = lines.clone();
    spawn(async move {
        let error = UnixStream::connect("/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        log(&lines, "pending ENOENT");
    })
    .detach();
}

/// R63 (probe 90): a connect that fails at once is reported by the pending phase of the first
/// turn, after the timers that are due and before poll and check.
#[test]
fn r63_a_connect_that_fails_at_once_is_pending() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        let (check, timers) = (lines.clone(), lines.clone());
        set_immediate(move || log(&check, "check"));
        set_timeout(Duration::from_millis(1), move || log(&timers, "timers"));
        connect_nowhere(&lines);
        let report = nodeloop::why_alive();
        let mut pending = report.keeping_alive().map(ActiveResource::kind);
        assert!(
            pending.any(|kind| kind == ResourceKind::Pending),
            "{report}"
        );
        block_for(Duration::from_millis(20));
    });
    assert_eq!(*seen.borrow(), ["timers", "pending ENOENT", "check"]);
}

/// R63 (probe 91): a connect that fails during the poll phase is reported before the check phase.
#[test]
fn r63_a_connect_that_fails_in_poll_is_pending_after_poll() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        let done = move |()| {
            let check = lines.clone();
            set_immediate(move || log(&check, "check"));
            connect_nowhere(&lines);
            log(&lines, "poll");
        };
        queue_work(|| (), done); // a macrotask of the poll phase, as `fs.stat`'s callback
    });
    assert_eq!(*seen.borrow(), ["poll", "pending ENOENT", "check"]);
}

/// R63: `267-pending-feeds-pending.js`.
#[test]
fn r63_what_a_pending_callback_feeds_waits_for_the_next_round() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        let (poll, check) = (lines.clone(), lines.clone());
        queue_work(|| (), move |()| log(&poll, "poll"));
        set_immediate(move || log(&check, "check"));
        spawn(async move {
            for pending in ["pending 1 ENOENT", "pending 2 ENOENT"] {
                let error = UnixStream::connect("/nonexistent/socket").await;
                assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
                log(&lines, pending);
            }
        })
        .detach();
        wait_for_jobs();
    });
    assert_eq!(
        *seen.borrow(),
        ["pending 1 ENOENT", "poll", "pending 2 ENOENT", "check"]
    );
}

/// R63, R12: each report is a macrotask with a drain; two of them in the order of connecting.
#[test]
fn r63_each_report_is_a_macrotask() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        for name in ["A", "B"] {
            let lines = lines.clone();
            spawn(async move {
                UnixStream::connect("/nonexistent/socket")
                    .await
                    .unwrap_err();
                log(&lines, name);
                next_tick(move || log(&lines, format!("tick of {name}")));
            })
            .detach();
        }
    });
    assert_eq!(*seen.borrow(), ["A", "tick of A", "B", "tick of B"]);
}

/// A connect that succeeds is reported in the poll phase, although a Unix socket has succeeded
/// immediately.
#[test]
fn r63_success_comes_in_the_poll_phase() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    let path = SocketPath::new();
    run_script(move || {
        let listener = UnixListener::bind(&path.path).unwrap();
        connect_nowhere(&lines);
        let connecting = lines.clone();
        spawn(async move {
            let (path, _listener) = (path, listener);
            UnixStream::connect(&path.path).await.unwrap();
            log(&connecting, "poll connected");
        })
        .detach();
        set_immediate(move || log(&lines, "check"));
    });
    assert_eq!(
        *seen.borrow(),
        ["pending ENOENT", "poll connected", "check"]
    );
}
