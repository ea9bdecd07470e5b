//! Reports name a line of the program, never one of the library.

use std::io::Write as _;
use std::sync::mpsc::channel;
use std::thread;

use crate::common::limit::limit;
use crate::common::{ms, real_loop, resolved, throw, virtual_loop};
use futures::AsyncWriteExt;
use futures::executor::block_on as elsewhere;
use nodeloop::observe::{Event, EventContext};
use nodeloop::worker::Worker;
use nodeloop::{
    EventLoop, RunError, Uncaught, exit, on_before_exit, on_exit, on_uncaught,
    on_unhandled_rejection, set_timeout, spawn, spawn_blocking, why_alive,
};

#[test]
fn a_report_of_the_running_task_says_so() {
    let _limit = limit();
    let report = virtual_loop().run(async {
        resolved().await;
        why_alive().to_string()
    });
    let report = report.unwrap();
    let line = line!() - 4;
    assert_eq!(
        report,
        format!(
            "nothing keeps the loop alive:\n  a task spawned at tests/kit/locations.rs:{}:33 is \
             running",
            line - 1
        )
    );
}

#[test]
fn only_the_task_that_runs_is_reported_as_running() {
    let _limit = limit();
    virtual_loop()
        .run(async {
            let main = async || {
                let tasks = why_alive();
                let running = tasks.tasks().iter().filter(|task| task.is_running());
                running.count()
            };
            assert_eq!(main().await, 0, "the first poll is a part of the script");
            resolved().await;
            assert_eq!(main().await, 1);
            let waiting = spawn(std::future::pending::<()>());
            let both: Vec<_> = (0..2).map(|_| spawn(async { resolved().await })).collect();
            set_timeout(ms(1), || {
                assert!(why_alive().tasks().iter().all(|task| !task.is_running()));
            });
            nodeloop::time::sleep(ms(2)).await;
            assert_eq!(main().await, 1);
            drop((waiting, both));
        })
        .unwrap();
}

/// A task from another thread is at the line of that `spawn`, and there is only one.
#[test]
fn a_remote_task_is_reported_at_its_own_line() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let remote = event_loop.handle();
    let alive = remote.keep_alive();
    let (sender, receiver) = channel::<()>();
    let (line_sender, line) = channel();
    let asking = thread::spawn(move || {
        let _alive = alive;
        let (file, line) = (file!(), line!() + 1);
        let task = remote.spawn(move || async {
            nodeloop::set_immediate(move || sender.send(()).unwrap());
            std::future::pending::<()>().await;
        });
        receiver.recv().unwrap();
        let report = elsewhere(remote.spawn(|| async {
            resolved().await;
            why_alive()
                .tasks()
                .iter()
                .map(|task| task.location().to_string())
                .collect::<Vec<_>>()
        }));
        line_sender
            .send((format!("{file}:{line}:"), report.unwrap()))
            .unwrap();
        remote.post(|| exit(0)).unwrap();
        drop(task);
    });
    let result = event_loop.run_script(|| {});
    assert!(matches!(result, Err(RunError::Exit(0))), "{result:?}");
    asking.join().unwrap();
    let (location, tasks) = line.recv().unwrap();
    assert_eq!(tasks.len(), 2, "{tasks:?}"); // it and the one that asks
    assert!(tasks[0].starts_with(&location), "{location} {tasks:?}");
    assert!(
        tasks.iter().all(|task| task.starts_with("tests/kit/")),
        "{tasks:?}"
    );
}

fn location_of(result: Result<(), RunError>) -> String {
    match result {
        Err(RunError::Uncaught(error)) => error.location().to_string(),
        Err(RunError::Unhandled { location, .. }) => location.to_string(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_line(location: &str, line: u32) {
    let expected = format!("tests/kit/locations.rs:{line}:");
    assert!(
        location.starts_with(&expected),
        "{location}, not {expected}"
    );
}

/// Of several listeners, the one that panics is named.
#[test]
fn a_panic_of_a_listener_names_the_line_where_it_was_added() {
    let _limit = limit();
    let line = line!();
    let location = location_of(virtual_loop().run_script(|| {
        on_before_exit(|| {});
        on_before_exit(|| throw("before exit"));
    }));
    assert_line(&location, line + 3);
    let line = line!();
    let location = location_of(virtual_loop().run_script(|| {
        on_exit(|_| {});
        on_exit(|_| throw("exit"));
    }));
    assert_line(&location, line + 3);
    let line = line!();
    let location = location_of(virtual_loop().run_script(|| {
        on_unhandled_rejection(|_| {});
        on_unhandled_rejection(|_| throw("rejection"));
        drop(nodeloop::promise::reject::<(), _>("no"));
    }));
    assert_line(&location, line + 3);
    let line = line!();
    let location = location_of(virtual_loop().run_script(|| {
        on_uncaught(|_: &Uncaught| throw("again"));
        throw("first");
    }));
    assert_line(&location, line + 2);
}

/// The location of a listener does not remain for what runs after it.
#[test]
fn a_panic_after_a_listener_names_its_own_line() {
    let _limit = limit();
    let line = line!();
    let location = location_of(virtual_loop().run_script(|| {
        let mut calls = 0;
        on_before_exit(move || {
            calls += 1;
            if calls == 1 {
                nodeloop::set_immediate(|| throw("the immediate"));
            }
        });
    }));
    assert_line(&location, line + 6);
}

#[cfg(unix)] // the test raises a signal
#[test]
fn a_panic_of_a_signal_listener_names_its_line() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let kept = std::rc::Rc::new(std::cell::Cell::new(None)); // for longer than the run
    let keep = kept.clone();
    let line = line!();
    let location = location_of(event_loop.run_script(move || {
        let kind = nodeloop::signal::SignalKind::from_raw(rustix::process::Signal::WINCH.as_raw());
        let first = nodeloop::signal::on_signal(kind, || {}).unwrap();
        let second = nodeloop::signal::on_signal(kind, || throw("signal")).unwrap();
        keep.set(Some((first, second)));
        set_timeout(ms(5_000), || {}); // the panic ends the run before
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::WINCH).unwrap();
    }));
    assert_line(&location, line + 4);
}

/// The steps of `before_exit` and `exit` are at a line of the program as well.
#[test]
fn every_step_is_at_a_line_of_the_program() {
    let _limit = limit();
    for with_listeners in [false, true] {
        let observer = move |event: &Event, _: &EventContext<'_>| match event {
            Event::StepBegin(step) => {
                assert_eq!(step.location.file(), file!(), "{step:?}");
            }
            Event::RunBegin { location, .. } => assert_eq!(location.file(), file!()),
            _ => {}
        };
        let settings = EventLoop::builder().observer(observer);
        let mut event_loop = settings.build().unwrap();
        let main = async move {
            if with_listeners {
                on_before_exit(|| {});
                on_exit(|_| {});
            }
            spawn_blocking(|| ()).await;
        };
        event_loop.run(main).unwrap();
    }
}

#[test]
fn a_panic_of_a_worker_names_the_line_of_its_spawn() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let line = line!() + 2;
    let error = event_loop.block_on(async {
        let worker = Worker::<(), (), ()>::spawn(async |_| throw("in the worker")).unwrap();
        worker.join().await.unwrap_err()
    });
    assert_line(&location_of(Err(error.unwrap())), line);
}

/// The error of a write that nobody waits for is at the line that opened the file.
#[test]
fn a_file_that_is_dropped_before_its_write_has_failed_names_the_line_that_opened_it() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(b"text")
        .unwrap();
    let mut event_loop = real_loop();
    let line = line!() + 2;
    let result = event_loop.run(async {
        let mut file = nodeloop::fs::File::open(&path).await.unwrap(); // for reading
        file.write_all(b"more").await.unwrap(); // begins a job, which fails
        drop(file);
    });
    assert_line(&location_of(result), line);
}
