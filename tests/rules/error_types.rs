//! The public errors compose: with `?`, with `anyhow`, across threads, and in reports.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::thread;

use crate::common::limit::limit;
use crate::common::{ms, throw, trace, try_trace, virtual_loop};
use crate::promise_api::SaysBye;
use nodeloop::promise::{AggregateError, PromiseError, Rejected, SelfResolution, reject};
use nodeloop::{
    AbortController, AbortReason, AbortSignal, Aborted, EventLoop, LoopClosed, PanicPayload,
    PanicReason, RemoteError, RunError, Stuck, Uncaught, UnhandledReason, UnhandledRejection,
    on_uncaught, on_unhandled_rejection, set_timeout, spawn, try_spawn,
};

fn is_an_error<E: Error + Send + Sync + 'static>() {}
fn is_shared<T: Send + Sync + 'static>() {}

/// Every public type that implements `Error`, and what errors contain. `ReuniteError` is the
/// exception: it returns two halves of a socket, which belong to their loop.
#[test]
fn every_error_can_be_sent_and_shared() {
    is_an_error::<AbortReason>();
    is_an_error::<Aborted>();
    is_an_error::<AggregateError<std::io::Error>>();
    is_an_error::<LoopClosed>();
    is_an_error::<nodeloop::ScheduleError<()>>();
    is_an_error::<nodeloop::TryCurrentError>();
    is_an_error::<PromiseError>();
    is_an_error::<Rejected<std::io::Error>>();
    is_an_error::<RemoteError>();
    is_an_error::<RunError>();
    is_an_error::<SelfResolution>();
    is_an_error::<Uncaught>();
    is_an_error::<UnhandledRejection>();
    is_an_error::<nodeloop::InvalidSeed>();
    is_an_error::<nodeloop::events::EventError>();
    is_an_error::<nodeloop::fs::PathError>();
    #[cfg(feature = "hyper")]
    is_an_error::<nodeloop::hyper::ServeError<std::net::SocketAddr>>();
    is_an_error::<nodeloop::net::NetError>();
    is_an_error::<nodeloop::observe::Starvation>();
    is_an_error::<nodeloop::process::SpawnError>();
    is_an_error::<nodeloop::test::ReplayError>();
    is_an_error::<nodeloop::test::ReplayFailure>();
    is_an_error::<nodeloop::test::TestFailure>();
    is_an_error::<nodeloop::time::Elapsed>();
    is_shared::<PanicPayload>();
    is_shared::<Stuck>();
    is_shared::<UnhandledReason>();
}

/// The list above is complete.
#[test]
#[cfg_attr(miri, ignore = "it searches the sources, which takes minutes")]
fn every_error_of_the_crate_is_in_the_list() {
    let listed = include_str!("error_types.rs");
    let mut missing = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for line in source.lines().filter(|line| line.starts_with("impl")) {
                let Some((_, name)) = line.split_once("Error for ") else {
                    continue;
                };
                let end = name
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(name.len());
                let name = &name[..end];
                let is_listed = listed.contains(&format!("::{name}>()"))
                    || listed.contains(&format!("<{name}>()"))
                    || listed.contains(&format!("<{name}<"))
                    || listed.contains(&format!("::{name}<"));
                if !is_listed && name != "ReuniteError" {
                    missing.push(name.to_owned());
                }
            }
        }
    }
    assert!(missing.is_empty(), "add {missing:?}");
}

/// `?` converts them into the errors of programs.
#[test]
fn errors_compose_with_a_question_mark() {
    async fn program() -> anyhow::Result<()> {
        let signal = AbortSignal::aborted_with(AbortReason::TimedOut);
        assert_eq!(
            signal
                .check()
                .map_err(anyhow::Error::from)
                .unwrap_err()
                .to_string(),
            "the operation was aborted due to timeout"
        );
        spawn(async { throw("in a task") }).settled().await?;
        Ok(())
    }
    let result = virtual_loop().block_on(program()).unwrap();
    assert_eq!(
        format!("{:?}", without_backtrace(result)),
        "the task panicked: in a task"
    );

    fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
        virtual_loop().run_script(|| drop(set_timeout(ms(1), || throw("in a timer"))))?;
        Ok(())
    }
    assert!(boxed().unwrap_err().to_string().ends_with(": in a timer"));
}

/// The report of `anyhow` without its backtrace.
fn without_backtrace<T>(result: anyhow::Result<T>) -> Text {
    let text = format!("{:?}", result.err().expect("a failure"));
    let end = text.find("\n\nStack backtrace").unwrap_or(text.len());
    Text(text[..end].to_owned())
}

struct Text(String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error with a source.
#[derive(Debug)]
struct Caused(std::io::Error);

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the effect")
    }
}

impl Error for Caused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// The report of `anyhow` prints an error and its sources, one below the other: no text twice.
#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn no_text_is_reported_twice() {
    let _limit = limit();
    let (missing, refused) = nodeloop::block_on(async {
        let missing = nodeloop::fs::read("/missing/file").await.unwrap_err();
        let refused = nodeloop::net::TcpStream::connect("no port").await;
        (missing, refused.unwrap_err())
    });
    let of_system = std::fs::read("/missing/file").unwrap_err();
    let text_of_missing = format!("read of \"/missing/file\": {of_system}");
    let errors: Vec<(anyhow::Error, Vec<&str>)> = vec![
        (missing.into(), vec![&text_of_missing]),
        (
            refused.into(),
            vec!["the address has no port: add one, as in `localhost:80`"],
        ),
        (
            Rejected::Error(std::io::Error::other("the disk is full")).into(),
            vec!["the disk is full"],
        ),
        (
            Rejected::Error(Caused(std::io::Error::other("the cause"))).into(),
            vec!["the effect", "the cause"],
        ),
        (
            AggregateError {
                errors: vec![
                    Rejected::Error(std::io::Error::other("first")),
                    Rejected::Failed(PromiseError::Aborted),
                ],
            }
            .into(),
            vec!["all 2 promises were rejected", "first"],
        ),
        (
            RunError::Exit(3).into(),
            vec!["the program called `exit(3)`"],
        ),
    ];
    #[cfg(unix)] // the text is that of Unix
    let errors = {
        let spawned = nodeloop::block_on(async { nodeloop::process::Command::new("nope").spawn() });
        let text = "spawn of \"nope\": No such file or directory (os error 2); it was searched for in \
                    the directories of `PATH`";
        errors
            .into_iter()
            .chain([(spawned.unwrap_err().into(), vec![text])])
    };
    for (error, expected) in errors {
        let chain: Vec<String> = error.chain().map(|error| error.to_string()).collect();
        assert_eq!(chain, expected);
    }
}

/// The reason is a value on the thread of the loop, and a text everywhere.
#[test]
fn an_unhandled_reason_keeps_its_value() {
    #[derive(Debug, PartialEq)]
    struct NotSend(Rc<Cell<u32>>);
    let (result, _log) = try_trace(|_| drop(reject::<(), _>(NotSend(Rc::new(Cell::new(7))))));
    let Err(RunError::Unhandled { reason, location }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(reason.text(), "NotSend(Cell { value: 7 })");
    let number = |reason: &dyn nodeloop::Reason| reason.downcast_ref().map(|NotSend(n)| n.get());
    assert_eq!(reason.with_value(number), Some(Some(7)));
    let (reason, elsewhere) = thread::spawn(move || {
        let value = reason.with_value(|reason| reason.is::<NotSend>());
        (reason, value)
    })
    .join()
    .unwrap();
    assert_eq!(elsewhere, None);
    assert_eq!(reason.with_value(number), Some(Some(7)));
    assert_eq!(location.file(), file!());
}

/// The reason of a panic is its message.
#[test]
fn the_reason_of_a_panic_is_its_message() {
    let log = trace(|log| {
        on_unhandled_rejection(move |rejection| {
            rejection.with_reason(|reason| {
                log.add(reason.downcast_ref::<PanicReason>().unwrap().text());
            });
        });
        drop(spawn(async { throw("broken") }));
    });
    log.assert(["broken"]);
}

/// Each reason has its own value.
#[test]
fn two_unhandled_reasons_keep_their_values() {
    let reasons = [1, 2].map(|n: u8| {
        let (result, _log) = try_trace(move |_| drop(reject::<(), _>(n)));
        match result {
            Err(RunError::Unhandled { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    });
    let values = reasons.each_ref();
    let values = values.map(|it| it.with_value(|reason| reason.downcast_ref().copied()));
    assert_eq!(values, [Some(Some(1_u8)), Some(Some(2))]);
}

/// The value is dropped with the error on its own thread, and with the thread otherwise.
#[test]
fn the_value_of_a_reason_is_dropped_by_its_own_thread() {
    #[derive(Debug)]
    struct Guard(std::sync::mpsc::Sender<thread::ThreadId>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }
    let (sender, drops) = std::sync::mpsc::channel();
    let fails = move |guard: Guard| {
        EventLoop::builder()
            .virtual_time()
            .build()
            .unwrap()
            .run_script(|| drop(reject::<(), _>(guard)))
            .unwrap_err()
    };
    let error = fails(Guard(sender.clone()));
    assert!(drops.try_recv().is_err(), "the error keeps it");
    drop(error);
    assert_eq!(drops.try_recv(), Ok(thread::current().id()));

    let other = thread::spawn(move || (fails(Guard(sender)), thread::current().id()));
    let (error, id) = other.join().unwrap();
    drop(error);
    assert_eq!(drops.recv(), Ok(id));
}

/// The payload of R18 has the value as well.
#[test]
fn a_rejection_that_is_an_uncaught_error_has_its_value() {
    trace(|log| {
        let line = line!() + 12;
        on_uncaught(move |error| {
            log.add(error.message().replace(file!(), "here"));
            error.payload().with_payload(|payload| {
                let rejection: &UnhandledRejection = payload.downcast_ref().unwrap();
                assert_eq!(rejection.location().line(), line);
                log.add(format_args!(
                    "{:?}",
                    rejection.reason().with_value(|value| value.is::<u8>())
                ));
            });
        });
        drop(reject::<(), _>(7_u8));
    })
    .assert([
        &*format!(
            "unhandled rejection of the promise created at here:{}:14: 7",
            line!() - 5
        ),
        "Some(true)",
    ]);
}

/// A reason of several lines does not run into the advice.
#[test]
fn the_advice_has_a_line_of_its_own() {
    let (result, _log) = try_trace(|_| {
        drop(try_spawn(async {
            Err::<(), _>(anyhow::anyhow!("inner").context("outer"))
        }));
    });
    let text = result.unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with(": outer"), "{text}");
    assert_eq!(lines[2..4], ["Caused by:", "    inner"], "{text}");
    assert_eq!(
        lines.last(),
        Some(&"  await it, add a reaction, or install `on_unhandled_rejection`"),
        "{text}"
    );
}

/// An `io::Error` made of an abort still has the abort.
#[test]
fn an_abort_is_the_payload_of_an_io_error() {
    let controller = AbortController::new();
    controller.abort_with("enough");
    let error: std::io::Error = controller.signal().check().unwrap_err().into();
    assert_eq!(error.to_string(), "the operation was aborted: \"enough\"");
    let aborted: &Aborted = error.get_ref().unwrap().downcast_ref().unwrap();
    assert_eq!(aborted.reason().downcast_ref(), Some(&"enough"));
}

/// A payload is read in place, and moved out.
#[test]
fn a_panic_payload_is_read_in_place() {
    trace(|log| {
        let guard = SaysBye(log.clone(), "the payload");
        let task = spawn::<()>(async move { resume_unwind(Box::new(guard)) }).settled();
        spawn(async move {
            let Err(PromiseError::Panicked(payload)) = task.await else {
                unreachable!();
            };
            log.add(payload.message());
            log.add(payload.is::<SaysBye>());
            log.add(payload.with_payload(|payload| payload.is::<u8>()));
            drop(payload.into_inner());
            log.add("end");
        })
        .detach();
    })
    .assert([
        "a payload that is not text",
        "true",
        "false",
        "the payload is dropped",
        "end",
    ]);
}
