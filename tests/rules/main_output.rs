//! The output of the main future: an `Err` ends the run as Node ends after a rejection of `main()`.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use std::fmt;

use crate::common::limit::limit;
use crate::common::{Log, ms, real_loop, rejected, resolved, virtual_loop};
use nodeloop::{
    EntryMode, EventLoop, MainError, MainOutput, RunError, UnhandledRejection, next_tick,
    on_before_exit, on_exit, on_uncaught, on_unhandled_rejection, queue_microtask, set_immediate,
    set_interval, set_timeout, test,
};

fn log_exit(log: &Log) {
    let log = log.clone();
    on_exit(move |code| log.add(format_args!("exit {code}")));
}

/// R14: `280-main-rejects.js`.
#[test]
fn an_error_of_the_main_future_ends_the_run_after_the_drain() {
    for entry in [EntryMode::CommonJs, EntryMode::Module] {
        let log = Log::new();
        let never = || log.callback("never");
        let main = async {
            on_before_exit(never());
            log_exit(&log);
            set_interval(ms(1), never());
            set_immediate(never());
            resolved().await;
            next_tick(log.callback("tick"));
            queue_microtask(log.callback("micro"));
            log.add("main fails");
            Err::<(), _>("no")
        };
        let settings = EventLoop::builder().virtual_time().entry(entry);
        let mut event_loop = settings.build().unwrap();
        assert_eq!(event_loop.run(main).unwrap(), Err("no"));
        log.assert(["main fails", "micro", "tick", "exit 1"]);
        assert!(!event_loop.why_alive().is_alive(), "the rest is cancelled");
    }
}

/// R14: `281-main-rejects-with-listener.js`.
#[test]
fn a_listener_for_rejections_gets_the_error_of_the_main_future() {
    let log = Log::new();
    let main = async {
        let line = log.clone();
        on_unhandled_rejection(move |rejection| {
            line.add(format_args!("unhandled {}", rejection.reason_text()));
            rejection.with_reason(|reason| {
                let error = reason.as_any().downcast_ref::<MainError>().unwrap();
                assert_eq!(error.text(), "\"no\"");
            });
        });
        log_exit(&log);
        set_timeout(ms(5), log.callback("timer"));
        next_tick(log.callback("tick"));
        resolved().await;
        log.add("main fails");
        Err::<(), _>("no")
    };
    assert_eq!(virtual_loop().run(main).unwrap(), Err("no"));
    log.assert(["tick", "main fails", "unhandled \"no\"", "timer", "exit 0"]);
}

/// R18: `282-main-rejects-uncaught.js`.
#[test]
fn without_one_a_listener_for_uncaught_errors_gets_it() {
    let log = Log::new();
    let main = async {
        let line = log.clone();
        on_uncaught(move |error| {
            error.payload().with_payload(|payload| {
                let rejection: &UnhandledRejection = payload.downcast_ref().unwrap();
                line.add(format_args!(
                    "uncaught {} unhandledRejection",
                    rejection.reason_text()
                ));
            });
        });
        log_exit(&log);
        set_timeout(ms(5), log.callback("timer"));
        next_tick(log.callback("tick"));
        resolved().await;
        log.add("main fails");
        Err::<(), _>(fmt::Error).map_err(|_| Named("no"))
    };
    assert!(virtual_loop().run(main).unwrap().is_err());
    log.assert([
        "tick",
        "main fails",
        "uncaught no unhandledRejection",
        "timer",
        "exit 0",
    ]);
}

/// An error that prints its text without quotation marks.
struct Named(&'static str);

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// With an interval that never ends this would hang.
#[test]
fn an_error_ends_runs_of_every_kind_at_once() {
    let _limit = limit();
    let text = String::from("borrowed");
    let main = async || {
        set_interval(ms(1), || {});
        resolved().await;
        Err::<(), &str>(&text)
    };
    assert_eq!(nodeloop::run(main()), Err("borrowed"));
    assert_eq!(nodeloop::block_on(main()), Err("borrowed"));
    assert_eq!(real_loop().run(main()).unwrap(), Err("borrowed"));
    assert_eq!(real_loop().block_on(main()).unwrap(), Err("borrowed"));
    assert_eq!(test::run(async |_| main().await), Err("borrowed"));
}

/// The first error counts, as in Node.
#[test]
fn a_rejection_before_that_of_the_main_future_is_the_error_of_the_run() {
    let main = async {
        drop(rejected("first"));
        Err::<(), _>("second")
    };
    match virtual_loop().run(main) {
        Err(RunError::Unhandled { .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// A `block_on` returns an error like any other output: it is no end of a program.
#[test]
fn an_error_of_a_block_on_is_not_reported() {
    let log = Log::new();
    let main = async {
        let line = log.clone();
        on_unhandled_rejection(move |_| line.add("unhandled"));
        log_exit(&log);
        set_timeout(ms(1), log.callback("timer"));
        Err::<(), _>("no")
    };
    let mut event_loop = virtual_loop();
    assert_eq!(event_loop.block_on(main).unwrap(), Err("no"));
    log.assert([]);
    event_loop.run_script(|| {}).unwrap(); // the rest was kept
    log.assert(["timer", "exit 0"]);
}

#[test]
fn exit_listeners_may_replace_the_error() {
    let main = async {
        on_exit(|code| nodeloop::exit(code + 4));
        Err::<(), _>("no")
    };
    let error = virtual_loop().run(main).unwrap_err();
    assert!(matches!(error, RunError::Exit(5)), "{error}");
}

#[test]
fn a_type_of_the_program_decides_what_is_an_error() {
    struct Code(i32);
    impl MainOutput for Code {
        fn error(&self) -> Option<&dyn fmt::Debug> {
            (self.0 != 0).then_some(&self.0 as &dyn fmt::Debug)
        }
    }
    for (code, expected) in [(0, "exit 0"), (3, "exit 1")] {
        let log = Log::new();
        let main = async {
            log_exit(&log);
            Code(code)
        };
        assert_eq!(virtual_loop().run(main).unwrap().0, code);
        log.assert([expected]);
    }
}

/// `None`, an error as a value, and an `Err` inside of another value are no errors.
#[test]
fn other_outputs_are_no_errors() {
    let log = Log::new();
    fn run<T: MainOutput>(log: &Log, output: T) -> T {
        let main = async {
            log_exit(log);
            output
        };
        virtual_loop().run(main).unwrap()
    }
    assert_eq!(run(&log, None::<u8>), None);
    assert_eq!(run(&log, Ok::<_, ()>(Err::<(), _>(1))), Ok(Err(1)));
    assert_eq!(run(&log, (Err::<(), _>(1), 2)).1, 2);
    assert_eq!(run(&log, vec![Err::<(), _>("x")]), [Err("x")]);
    assert_eq!(run(&log, Box::new(Err::<(), _>("x"))), Box::new(Err("x")));
    log.assert(["exit 0", "exit 0", "exit 0", "exit 0", "exit 0"]);
}

#[test]
fn a_panic_in_the_debug_text_of_an_error_rejects_the_main_future() {
    struct Unprintable;
    impl fmt::Debug for Unprintable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            crate::common::throw("in the text")
        }
    }
    let result = virtual_loop().run(async { Err::<(), _>(Unprintable) });
    match result {
        Err(RunError::Uncaught(error)) => assert_eq!(error.message(), "in the text"),
        _ => panic!("it panicked"),
    }
}
