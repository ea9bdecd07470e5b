//! Warnings: their order, their listeners, and what is printed.

use std::process::Stdio;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::process::command_of;
use crate::common::releases::{V26, traces};
use crate::common::{log_uncaught, ms, run_script, throw, trace};
use nodeloop::{
    AsyncLocalStorage, Warning, emit_warning, next_tick, on_exit, on_warning, queue_microtask,
    set_immediate, set_interval, set_timeout,
};

/// R20: `301-warnings.js`. The detail of a `TimeoutOverflowWarning` is not Node's.
#[test]
fn a_warning_is_emitted_by_a_tick_in_the_context_of_its_cause() {
    let log = trace(|log| {
        let store = AsyncLocalStorage::new();
        let (lines, stores) = (log.clone(), store.clone());
        on_warning(move |warning| {
            let store = stores.get().map_or(0, |value| *value);
            let (name, code) = (warning.name(), warning.code().unwrap_or("-"));
            let detail = warning.detail().filter(|_| name == "Typed");
            let detail = detail.unwrap_or("-");
            lines.add(format_args!("{store} {name} {code} {detail}"));
            warning.message().lines().for_each(|line| lines.add(line));
            if warning.message() == "outer" {
                emit_warning("nested");
            }
        });
        next_tick(log.callback("tick before"));
        queue_microtask(log.callback("microtask"));
        store.run(1, || emit_warning("outer"));
        store.run(2, || set_timeout(ms(1 << 31), log.callback("timeout")));
        set_interval(ms(1 << 31) - Duration::from_micros(500), || {}).unref();
        emit_warning(
            Warning::new("all")
                .with_name("Typed")
                .with_code("C1")
                .with_detail("more"),
        );
        next_tick(log.callback("tick after"));
        log.add("main ends");
        on_exit(move |_| {
            log.add("exit");
            emit_warning("lost");
        });
    });
    log.assert([
        "main ends",
        "tick before",
        "1 Warning - -",
        "outer",
        "2 TimeoutOverflowWarning - -",
        "2147483648 does not fit into a 32-bit signed integer.",
        "Timeout duration was set to 1.",
        "0 TimeoutOverflowWarning - -",
        "2147483647.5 does not fit into a 32-bit signed integer.",
        "Timeout duration was set to 1.",
        "0 Typed C1 more",
        "all",
        "tick after",
        "1 Warning - -",
        "nested",
        "microtask",
        "timeout",
        "exit",
    ]);
}

/// R20, R53: `302-warning-listener-throws.js`.
#[test]
fn a_listener_that_panics_ends_the_drain() {
    traces(|log| {
        log_uncaught(&log);
        let lines = log.clone();
        on_warning(move |warning| {
            lines.add(format_args!("first {}", warning.message()));
            if warning.message() == "a" {
                throw("1");
            }
        });
        let lines = log.clone();
        on_warning(move |warning| lines.add(format_args!("second {}", warning.message())));
        emit_warning("a");
        emit_warning("b");
        queue_microtask(log.callback("microtask"));
        set_immediate(log.callback("immediate"));
    })
    .assert(
        ..V26,
        [
            "first a",
            "uncaught 1",
            "first b",
            "second b",
            "microtask",
            "immediate",
        ],
    )
    .assert(
        V26..,
        [
            "first a",
            "uncaught 1",
            "immediate",
            "first b",
            "second b",
            "microtask",
        ],
    );
}

#[test]
fn a_listener_can_be_removed_and_names_the_line() {
    let line = line!() + 3;
    let log = trace(move |log| {
        let listener = on_warning(move |warning| log.add(warning.location()));
        emit_warning("a");
        set_timeout(Duration::MAX, move || {
            assert!(listener.remove());
            assert!(!listener.remove());
            on_warning(|_| {});
        });
    });
    let file = file!();
    log.assert([
        format!("{file}:{line}:9").as_str(),
        format!("{file}:{}:9", line + 1).as_str(),
    ]);
}

/// Prints warnings; run by the test below.
#[test]
#[ignore = "prints, as a child of `without_a_listener_warnings_are_printed`"]
fn a_program_with_warnings() {
    let _limit = limit();
    run_script(|| {
        set_timeout(Duration::MAX, || {
            emit_warning(Warning::new("text").with_code("C1").with_detail("more"));
            next_tick(|| {
                on_warning(|_| {});
                emit_warning("not printed");
            });
        });
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn without_a_listener_warnings_are_printed() {
    let _limit = limit();
    let mut command = command_of(a_program_with_warnings);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let process = format!("(nodeloop:{})", child.id());
    let printed = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    let expected = [
        &format!("{process} TimeoutOverflowWarning: 18446744073709551615999.999999 does")[..],
        "Timeout duration was set to 1.",
        "The number is in milliseconds. For longer delays, use `time::sleep`.",
        &format!("    at {}:", file!()),
        &format!("{process} [C1] Warning: text"),
        "more",
        &format!("    at {}:", file!()),
    ];
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{printed}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(expected),
            "{line} does not begin with {expected}"
        );
    }
}

/// Panics in a callback; run by the test below.
#[test]
#[ignore = "fails, as a child of `the_line_of_a_callback_that_panics_is_printed`"]
fn a_program_with_a_panic() {
    let _limit = limit();
    nodeloop::run(async {
        set_timeout(ms(1), || panic!("planted"));
        std::future::pending::<()>().await;
    });
}

/// The panic itself names only the line of the panic.
#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn the_line_of_a_callback_that_panics_is_printed() {
    let _limit = limit();
    let line = line!() - 10;
    let mut command = command_of(a_program_with_a_panic);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let expected = format!(
        "nodeloop: uncaught panic in the callback created at {}:{line}:9: planted",
        file!()
    );
    assert!(printed.contains(&expected), "{printed}");
}
