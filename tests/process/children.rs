//! Child processes (R65).
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.
//!
//! Tests that assert the order of the end of a pipe and of an exit run in a process of their own: a
//! child that another test starts at the same time holds the write end of the pipe until its `exec`.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::common::block_on;
use crate::common::limit::limit;
use crate::common::process::in_own_process;
use crate::common::real_loop;
use crate::common::releases::{V24, traces};
use crate::common::{Log, log_uncaught, throw, trace, try_trace, virtual_loop};
use futures::FutureExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::process::{Child, ChildStdout, Command, Stdio};
use nodeloop::signal::SignalKind;
use nodeloop::time::timeout;
use nodeloop::{
    AsyncLocalStorage, EventLoop, next_tick, on_before_exit, queue_microtask, set_immediate, spawn,
};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// `spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })`
fn sh(script: &str) -> Child {
    let mut command = Command::new("bash");
    command.args(["-c", script]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Blocks until the child has ended, as the recorded programs do with a pause. Its status stays.
fn await_end(id: u32) {
    let id = Pid::from_raw(id.try_into().unwrap()).unwrap();
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(id), options).unwrap();
}

fn code(status: &std::io::Result<ExitStatus>) -> i32 {
    status.as_ref().unwrap().code().unwrap()
}

/// `stream.on('data', …).on('end', …).on('close', …)`
fn log_stream(
    log: &Log,
    mut stream: ChildStdout,
    data: &'static str,
    end: &'static str,
    closed: impl FnOnce() + 'static,
) {
    let log = log.clone();
    spawn(async move {
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer).await.unwrap() {
                0 => break,
                length => {
                    let text = std::str::from_utf8(&buffer[..length]).unwrap();
                    log.add(format_args!("{data}{}", text.trim()));
                }
            }
        }
        log.add(end);
        stream.close_with(closed);
    })
    .detach();
}

/// `210-child.js`
#[test]
fn data_end_exit_and_close_are_reported_in_this_order() {
    let _limit = limit();
    if in_own_process(data_end_exit_and_close_are_reported_in_this_order) {
        return;
    }
    traces(|log| {
        let mut child = sh("echo out; exit 3");
        next_tick(log.callback("spawn")); // in Node it is an event; here, that `spawn` is `Ok`
        let status = Rc::new(Cell::new(None));
        let (closes, known) = (log.clone(), status.clone());
        log_stream(
            &log,
            child.stdout.take().unwrap(),
            "data ",
            "end",
            move || {
                closes.add(format_args!("close {} null", known.get().unwrap()));
            },
        );
        let exits = log.clone();
        child.on_exit(move |result| {
            status.set(Some(code(result)));
            exits.add(format_args!("exit {} null", code(result)));
            next_tick(exits.callback("tick of exit"));
            queue_microtask(exits.callback("micro of exit"));
            set_immediate(exits.callback("immediate of exit"));
        });
        next_tick(log.callback("tick"));
        queue_microtask(log.callback("micro"));
        await_end(child.id().unwrap());
    })
    .assert(
        ..V24,
        [
            "spawn",
            "tick",
            "micro",
            "data out",
            "end",
            "exit 3 null",
            "tick of exit",
            "micro of exit",
            "immediate of exit",
            "close 3 null",
        ],
    )
    .assert(
        V24..,
        [
            "spawn",
            "tick",
            "micro",
            "data out",
            "exit 3 null",
            "tick of exit",
            "micro of exit",
            "immediate of exit",
            "end",
            "close 3 null",
        ],
    );
}

/// `210-child.js`: after the immediate of `exit`, in the close phase
#[test]
fn output_comes_with_nodes_close_event() {
    let _limit = limit();
    if in_own_process(output_comes_with_nodes_close_event) {
        return;
    }
    trace(|log| {
        let child = sh("echo out; exit 3");
        let exits = log.clone();
        child.on_exit(move |_| {
            exits.add("exit");
            set_immediate(exits.callback("immediate of exit"));
        });
        await_end(child.id().unwrap());
        spawn(async move {
            let output = child.wait_with_output().await.unwrap();
            assert_eq!(output.stdout, b"out\n");
            log.add(format_args!("close {:?}", output.status.code()));
        })
        .detach();
    })
    .assert(["exit", "immediate of exit", "close Some(3)"]);
}

/// `211-children-in-order.js`
#[test]
fn exits_are_reported_in_the_order_of_the_starts() {
    let _limit = limit();
    if in_own_process(exits_are_reported_in_the_order_of_the_starts) {
        return;
    }
    trace(|log| {
        let mut children = Vec::new();
        for name in 1..=3 {
            // The last one ends first: the others wait for the end of their input.
            let mut command = Command::new("sh");
            command.args(["-c", &format!("read line; exit {name}")]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            log_stream(&log, child.stdout.take().unwrap(), "", "an end", || ());
            let exits = log.clone();
            child.on_exit(move |status| {
                exits.add(format_args!("exit {}", code(status)));
                next_tick(exits.callback(format_args!("tick {}", code(status))));
            });
            children.push(child);
        }
        for mut child in children.into_iter().rev() {
            let id = child.id().unwrap();
            drop(child.stdin.take());
            await_end(id);
        }
    })
    .assert([
        "an end", "an end", "an end", "exit 1", "tick 1", "exit 2", "tick 2", "exit 3", "tick 3",
    ]);
}

/// `212-grandchild-holds-pipe.js`
#[test]
fn output_waits_for_a_grandchild_that_holds_the_pipe_open() {
    let _limit = limit();
    if in_own_process(output_waits_for_a_grandchild_that_holds_the_pipe_open) {
        return;
    }
    trace(|log| {
        let script = "exec 3>&1; (read line; echo late) <&0 & exit 0";
        let mut child = Command::new("bash");
        child.args(["-c", script]).stdin(Stdio::piped());
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let (exits, mut stdin) = (log.clone(), child.stdin.take().unwrap());
        child.on_exit(move |_| {
            exits.add("exit");
            spawn(async move { stdin.write_all(b"go on\n").await.unwrap() }).detach();
        });
        let closes = log.callback("close");
        log_stream(&log, child.stdout.take().unwrap(), "", "end", closes);
    })
    .assert(["exit", "late", "end", "close"]);
}

/// `213-child-killed.js`
#[test]
fn the_status_of_a_killed_child_names_the_signal() {
    let _limit = limit();
    trace(|log| {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let killed = child.signal(SignalKind::terminate()).is_ok();
        log.add(format_args!("killed {killed}"));
        spawn(async move {
            let mut child = child;
            let status = child.wait().await.unwrap();
            let is_terminated = status.code().is_none() && status.signal() == Some(15);
            log.add(if is_terminated {
                "exit null SIGTERM"
            } else {
                "exit"
            });
            let again = child.signal(SignalKind::terminate());
            log.add(format_args!("killed again {}", again.is_ok()));
            assert_eq!(again.unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(child.id(), None);
            assert_eq!(
                child.wait().await.unwrap(),
                status,
                "the status stays the same"
            );
        })
        .detach();
    })
    .assert(["killed true", "exit null SIGTERM", "killed again false"]);
}

/// `214-child-unref.js`
#[test]
fn a_child_keeps_the_loop_alive_unless_it_is_unrefed() {
    let _limit = limit();
    let log = Log::new();
    let logs = log.clone();
    let mut event_loop = virtual_loop();
    let child = event_loop.run(async move {
        let mut command = Command::new("sleep");
        let child = command.arg("1000").kill_on_drop(true).spawn().unwrap();
        assert!(child.has_ref());
        assert!(!child.unref().has_ref());
        child.on_exit(|_| unreachable!("it runs on"));
        on_before_exit(logs.callback("before exit"));
        child
    });
    log.assert(["before exit"]);
    drop(child);
}

/// `215-child-exit-throws.js`
#[test]
fn a_callback_of_the_exit_that_panics_ends_its_macrotask() {
    let _limit = limit();
    if in_own_process(a_callback_of_the_exit_that_panics_ends_its_macrotask) {
        return;
    }
    trace(|log| {
        log_uncaught(&log);
        for name in [1, 2] {
            let child = Command::new("true").spawn().unwrap();
            let logs = log.clone();
            child.on_exit(move |_| {
                logs.add(format_args!("exit {name}"));
                next_tick(logs.callback(format_args!("tick {name}")));
                throw(name)
            });
            child.on_exit(|_| unreachable!("the one before has thrown"));
            await_end(child.id().unwrap());
        }
    })
    .assert([
        "exit 1",
        "uncaught 1",
        "exit 2",
        "uncaught 2",
        "tick 1",
        "tick 2",
    ]);
}

/// `216-child-context.js`
#[test]
fn the_exit_is_reported_in_the_context_of_the_start() {
    let _limit = limit();
    trace(|log| {
        let storage = AsyncLocalStorage::new();
        let child = storage.run("start", || Command::new("true").spawn().unwrap());
        let stored = storage.clone();
        storage.run("listen", || {
            child.on_exit(move |_| log.add(stored.get().unwrap()));
        });
    })
    .assert(["start"]);
}

#[test]
fn waiting_returns_the_status() {
    let _limit = limit();
    block_on(async {
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let id = child.id().unwrap();
        await_end(id);
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
        assert_eq!(child.id(), None, "the system may reuse the id");
        assert!(
            child.wait().now_or_never().is_none(),
            "the poll phase reports it"
        );
        assert!(child.has_ref());
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert!(!child.has_ref());
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
    });
}

#[test]
fn every_stream_can_be_redirected() {
    let _limit = limit();
    block_on(async {
        let mut tac = Command::new("sh");
        tac.args(["-c", "cat; echo done >&2; echo $NAME; pwd"]);
        tac.env_clear().env("NAME", "value").current_dir("/");
        tac.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = tac.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"line\n").await.unwrap();
        stdin.close().await.unwrap();
        let error = stdin.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, b"line\nvalue\n/\n");
        assert_eq!(output.stderr, b"done\n");
    });
}

#[test]
fn one_child_writes_what_another_reads() {
    let _limit = limit();
    block_on(async {
        let mut first = Command::new("echo");
        let mut first = first.arg("text").stdout(Stdio::piped()).spawn().unwrap();
        let between = first.stdout.take().unwrap().into_stdio().unwrap();
        let mut second = Command::new("tr");
        second.args(["a-z", "A-Z"]).stdin(between);
        assert_eq!(second.output().await.unwrap().stdout, b"TEXT\n");
        assert!(first.wait().await.unwrap().success());
    });
}

#[test]
fn megabytes_go_through_a_child_that_reads_and_writes_at_once() {
    let _limit = limit();
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    let sent = bytes.clone();
    let received = block_on(async move {
        let mut cat = Command::new("cat");
        let mut child = cat
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = async move { stdin.write_all(&sent).await };
        let (written, output) = futures::join!(writing, child.wait_with_output());
        written.unwrap();
        output.unwrap().stdout
    });
    assert!(received == bytes);
}

#[test]
fn vectored_operations_of_pipes_use_all_slices() {
    let _limit = limit();
    block_on(async {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let slices = [&b"one"[..], b"two"].map(IoSlice::new);
        assert_eq!(stdin.write_vectored(&slices).await.unwrap(), 6);
        drop(stdin);
        child.wait().await.unwrap(); // all bytes are in the pipe
        let (mut first, mut second) = ([0; 2], [0; 8]);
        let mut slices = [&mut first[..], &mut second].map(IoSliceMut::new);
        assert_eq!(stdout.read_vectored(&mut slices).await.unwrap(), 6);
        assert_eq!((&first, &second[..4]), (b"on", &b"etwo"[..]));
    });
}

#[test]
fn a_program_or_a_directory_that_is_missing_is_an_error_at_once() {
    let _limit = limit();
    let (result, _) = try_trace(|_| {
        let error = Command::new("/nonexistent/program").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(
            text.starts_with("spawn of \"/nonexistent/program\": "),
            "{text}"
        );
        let error = Command::new("true")
            .current_dir("/nonexistent")
            .spawn()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(
            text.starts_with("spawn of \"true\" in \"/nonexistent\": "),
            "{text}"
        );
        let error = Command::new("/")
            .status()
            .now_or_never()
            .unwrap()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let error = Command::new("a\0b")
            .output()
            .now_or_never()
            .unwrap()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
    result.unwrap();
}

#[test]
fn a_child_that_has_closed_its_input_breaks_the_pipe() {
    let _limit = limit();
    block_on(async {
        let mut command = Command::new("bash");
        command.args(["-c", "exec <&-; echo; exec sleep 1000"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0; 1])
            .await
            .unwrap();
        // A child that another test is starting may hold the other end for a moment.
        let stdin = child.stdin.as_mut().unwrap();
        let mut result = Ok(0);
        while result.is_ok() {
            result = stdin.write(b"x").await;
            nodeloop::yield_now().await;
        }
        assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_child_outlives_its_handle_and_is_waited_for() {
    let _limit = limit();
    let exits = Rc::new(Cell::new(None));
    let reported = exits.clone();
    block_on_until_idle(async move {
        let child = sh("cat >/dev/null; exit 5");
        child.on_exit(move |status| reported.set(Some(code(status))));
        drop(child);
    });
    assert_eq!(exits.get(), Some(5), "the loop has waited for it");
}

fn block_on_until_idle(future: impl Future<Output = ()> + 'static) {
    real_loop().run(future).unwrap();
}

#[test]
fn a_child_is_killed_on_drop_if_requested() {
    let _limit = limit();
    block_on_until_idle(async {
        let mut command = Command::new("sleep");
        let child = command.arg("1000").kill_on_drop(true).spawn().unwrap();
        let reported = Rc::new(Cell::new(None));
        let reports = reported.clone();
        child.on_exit(move |status| reports.set(status.as_ref().unwrap().signal()));
        drop(child);
        // The timeout uses the real clock: it drops the future, and with it the child.
        let waiting = command.status();
        assert!(timeout(Duration::from_millis(1), waiting).await.is_err());
        while reported.get().is_none() {
            nodeloop::yield_now().await;
        }
        assert_eq!(reported.get(), Some(9));
    });
}

#[test]
fn killing_a_child_that_has_ended_is_no_error() {
    let _limit = limit();
    block_on(async {
        let mut child = Command::new("true").spawn().unwrap();
        await_end(child.id().unwrap());
        child.start_kill().unwrap();
        assert!(child.try_wait().unwrap().unwrap().success());
        child.start_kill().unwrap(); // the loop has not reported the end
        assert!(child.wait().await.unwrap().success());
        child.start_kill().unwrap();
        child.kill().await.unwrap();
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    let _limit = limit();
    block_on(async {
        let mut child = sh("exit 4");
        for _ in 0..3 {
            assert!(child.wait().now_or_never().is_none());
        }
        assert_eq!(child.wait().await.unwrap().code(), Some(4));
    });
}

#[test]
fn two_hundred_children_on_four_loops() {
    let _limit = limit();
    let loops = (0..4).map(|_| {
        thread::spawn(|| {
            block_on(async {
                let children = (0..50).map(|number| {
                    let mut child = sh(&format!("echo {number}; exit {number}"));
                    spawn(async move {
                        let mut text = String::new();
                        let mut stdout = child.stdout.take().unwrap();
                        stdout.read_to_string(&mut text).await.unwrap();
                        assert_eq!(text, format!("{number}\n"));
                        assert_eq!(child.wait().await.unwrap().code(), Some(number));
                    })
                });
                let children: Vec<_> = children.collect();
                for child in children {
                    child.await;
                }
            });
        })
    });
    let loops: Vec<_> = loops.collect();
    loops.into_iter().for_each(|one| one.join().unwrap());
}

#[test]
fn a_child_that_outlives_its_loop_reports_no_exit() {
    let _limit = limit();
    let mut event_loop = virtual_loop();
    let dropped = Rc::new(RefCell::new(()));
    let held = dropped.clone();
    let mut child = event_loop
        .block_on(async move {
            let child = Command::new("sleep")
                .arg("1000")
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            child.on_exit(move |_| drop(held));
            child
        })
        .unwrap();
    drop(event_loop);
    assert_eq!(Rc::strong_count(&dropped), 1, "the callback was dropped");
    assert!(child.try_wait().is_err() && child.id().is_none() && !child.has_ref());
    let killed = child.start_kill();
    assert!(killed.unwrap_err().to_string().contains("has ended"));
    let waited = futures::executor::block_on(child.wait());
    assert!(waited.unwrap_err().to_string().contains("has ended"));
}

#[test]
fn a_child_holds_virtual_time_if_requested() {
    let _limit = limit();
    let settings = EventLoop::builder().virtual_time().io_holds_time(true);
    let mut event_loop = settings.build().unwrap();
    event_loop
        .run(async {
            let mut child = sh("exit 6");
            let ended = timeout(Duration::from_millis(1), child.wait()).await;
            assert_eq!(ended.unwrap().unwrap().code(), Some(6));
        })
        .unwrap();
}
