//! Child processes and pipes on every operating system: the test program runs itself as the child.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::process::ExitStatus;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::process::command_of;
use crate::common::{Log, block_on, real_loop, trace, virtual_loop};
use futures::FutureExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::io::pipe::pipe;
use nodeloop::process::{Child, Command, SpawnError, Stdio};
use nodeloop::signal::{SignalKind, ctrl_c, on_signal, signal};
use nodeloop::{next_tick, on_before_exit, set_immediate, spawn, yield_now};

/// The program of the child. Its output begins with a mark, because the test harness writes too.
#[test]
fn child() {
    let _limit = limit();
    let Ok(mode) = std::env::var("NODELOOP_PORTABLE") else {
        return;
    };
    let (mut stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    print!("<<");
    let code = match &*mode {
        "both" => {
            print!("out");
            eprint!("error");
            3
        }
        "copy" => {
            stdout.flush().unwrap();
            std::io::copy(&mut stdin, &mut stdout).unwrap();
            0
        }
        "environment" => {
            let directory = std::env::current_dir().unwrap();
            let name = directory.file_name().unwrap().to_str();
            print!("{} in {}", std::env::var("NAME").unwrap(), name.unwrap());
            0
        }
        "flood" => loop {
            if stdout.write_all(&[b'x'; 4096]).is_err() {
                break 9;
            }
        },
        "until the end" => {
            stdout.flush().unwrap();
            stdin.read_to_end(&mut Vec::new()).unwrap();
            std::env::var("NODELOOP_CODE").map_or(0, |code| code.parse().unwrap())
        }
        "leave" => {
            leave_a_child();
            5
        }
        _ => unreachable!("no such mode"),
    };
    stdout.flush().unwrap_or_default(); // nobody reads the rest of the flood
    std::process::exit(code);
}

/// A command for this program in one of the modes of [`child`].
fn command(mode: &str) -> Command {
    let mut command = command_of(child);
    command.env("NODELOOP_PORTABLE", mode);
    command.into()
}

/// A child that ends with `code` when its input ends.
fn waiting(code: i32) -> Child {
    let mut command = command("until the end");
    command.env("NODELOOP_CODE", code.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.kill_on_drop(true).spawn().unwrap()
}

/// What the child has written after the mark.
fn after_mark(bytes: &[u8]) -> &[u8] {
    let mark = bytes.windows(2).position(|two| two == b"<<");
    &bytes[mark.expect("it has begun") + 2..]
}

fn code(status: &std::io::Result<ExitStatus>) -> i32 {
    status.as_ref().unwrap().code().unwrap()
}

/// Blocks until the child has ended. The loop reports the end later.
fn await_end(child: &Child) {
    while child.try_wait().unwrap().is_none() {
        thread::yield_now();
    }
}

#[test]
fn the_output_and_the_status_are_collected() {
    let _limit = limit();
    block_on(async {
        let output = command("both").output().await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(after_mark(&output.stdout), b"out");
        assert_eq!(output.stderr, b"error");
    });
}

#[test]
fn the_environment_and_the_directory_are_set() {
    let _limit = limit();
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let mut command = command("environment");
        command.env("NAME", "value").current_dir(directory.path());
        let output = command.output().await.unwrap();
        let name = directory.path().file_name().unwrap().to_str().unwrap();
        let text = String::from_utf8(after_mark(&output.stdout).to_vec()).unwrap();
        assert_eq!(text, format!("value in {name}"));
        assert!(output.status.success());
    });
}

#[test]
fn ends_are_reported_in_the_order_of_the_starts() {
    let _limit = limit();
    trace(|log| {
        let children: Vec<Child> = (1..=3).map(waiting).collect();
        for child in &children {
            let log = log.clone();
            child.on_exit(move |status| {
                let code = code(status);
                log.add(format_args!("exit {code}"));
                next_tick(log.callback(format_args!("tick {code}")));
            });
        }
        // The last one ends first, and all have ended before the poll phase.
        for mut child in children.into_iter().rev() {
            drop(child.stdin.take());
            await_end(&child);
            assert_eq!(child.id(), None);
        }
    })
    .assert(["exit 1", "tick 1", "exit 2", "tick 2", "exit 3", "tick 3"]);
}

#[test]
fn waiting_closes_the_input_and_returns_the_status() {
    let _limit = limit();
    block_on(async {
        let mut child = waiting(7);
        assert!(child.id().is_some() && child.has_ref());
        assert!(child.try_wait().unwrap().is_none());
        assert!(child.wait().now_or_never().is_none());
        for _ in 0..2 {
            assert_eq!(child.wait().await.unwrap().code(), Some(7));
        }
        assert!(child.id().is_none() && !child.has_ref());
        assert!(child.stdin.is_none());
    });
}

#[test]
fn a_child_is_killed() {
    let _limit = limit();
    block_on(async {
        let mut child = waiting(0);
        let input = child.stdin.take(); // so that it does not end by itself
        child.kill().await.unwrap();
        assert!(!child.wait().await.unwrap().success());
        child.start_kill().unwrap();
        child.kill().await.unwrap();
        drop(input);
    });
}

#[test]
fn killing_a_child_that_has_ended_is_no_error() {
    let _limit = limit();
    block_on(async {
        let mut child = waiting(4);
        drop(child.stdin.take());
        await_end(&child);
        child.start_kill().unwrap(); // the loop has not reported the end
        assert_eq!(child.wait().await.unwrap().code(), Some(4));
        child.start_kill().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(4));
    });
}

#[test]
fn a_child_is_killed_on_drop() {
    let _limit = limit();
    let log = Log::new();
    let ends = log.clone();
    real_loop()
        .run(async move {
            let mut child = waiting(0);
            let (input, output) = (child.stdin.take(), child.stdout.take());
            child.on_exit(move |status| ends.add(status.as_ref().unwrap().success()));
            drop(child);
            spawn(async move {
                output.unwrap().read_to_end(&mut Vec::new()).await.unwrap();
                drop(input);
            })
            .detach();
        })
        .unwrap();
    log.assert(["false"]);
}

#[test]
fn the_end_of_a_loop_kills_a_child_with_kill_on_drop() {
    let _limit = limit();
    let (mut output, theirs) = std::io::pipe().unwrap();
    let child = block_on(async {
        let mut command = command("until the end");
        command.stdin(Stdio::piped()).stdout(theirs);
        command.kill_on_drop(true).spawn().unwrap()
    });
    output.read_to_end(&mut Vec::new()).unwrap();
    assert!(child.id().is_none() && child.try_wait().is_err());
}

#[test]
fn a_child_keeps_the_loop_alive_unless_it_is_unrefed() {
    let _limit = limit();
    let log = Log::new();
    let logs = log.clone();
    let mut event_loop = virtual_loop();
    let mut child = event_loop.run(async move {
        let child = waiting(0);
        assert!(!child.unref().has_ref());
        on_before_exit(logs.callback("before exit"));
        child
    });
    log.assert(["before exit"]);
    drop(child.as_mut().map(|child| child.stdin.take()));
    drop(child);

    let ends = Rc::new(Cell::new(None));
    let reported = ends.clone();
    let run = real_loop().run(async move {
        let mut child = waiting(5);
        child.on_exit(move |status| reported.set(Some(code(status))));
        drop(child.stdin.take());
        let mut output = child.stdout.take().unwrap();
        spawn(async move { output.read_to_end(&mut Vec::new()).await.map(drop) }).detach();
        // Its handle is not dropped before the end: that would kill it.
        spawn(async move { child.wait().await.map(drop) }).detach();
    });
    run.unwrap();
    assert_eq!(ends.get(), Some(5));
}

#[test]
fn megabytes_go_through_a_child_that_reads_and_writes_at_once() {
    let _limit = limit();
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    let sent = bytes.clone();
    let received = block_on(async move {
        let mut command = command("copy");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = async move { stdin.write_all(&sent).await };
        let (written, output) = futures::join!(writing, child.wait_with_output());
        written.unwrap();
        output.unwrap().stdout
    });
    assert!(after_mark(&received) == bytes);
}

/// The child blocks while nobody reads, and gets an error when the reader has gone.
#[test]
fn a_child_that_floods_its_pipe_is_held_back() {
    let _limit = limit();
    block_on(async {
        let mut command = command("flood");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 100_000]).await.unwrap();
        for _ in 0..1000 {
            yield_now().await; // the loop continues meanwhile
        }
        assert!(child.try_wait().unwrap().is_none());
        stdout.read_exact(&mut [0; 100_000]).await.unwrap();
        drop(stdout);
        assert_eq!(child.wait().await.unwrap().code(), Some(9));
    });
}

#[test]
fn a_child_that_has_ended_breaks_the_pipe() {
    let _limit = limit();
    block_on(async {
        let mut command = command("both");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        child.wait().await.unwrap();
        // A child that another test is starting may hold the other end for a moment.
        let mut result = Ok(());
        while result.is_ok() {
            result = stdin.write_all(b"x").await;
            yield_now().await;
        }
        assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn one_child_writes_what_another_reads() {
    let _limit = limit();
    block_on(async {
        let mut first = command("both");
        first.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut first = first.spawn().unwrap();
        let between = first.stdout.take().unwrap().into_stdio().unwrap();
        let mut second = command("copy");
        let output = second.stdin(between).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with("<<out"), "{text}");
        assert_eq!(first.wait().await.unwrap().code(), Some(3));
    });
}

#[test]
fn a_program_that_is_missing_is_an_error_at_once() {
    let _limit = limit();
    block_on(async {
        let error = Command::new("not-there").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.starts_with("spawn of \"not-there\": "), "{text}");
        assert!(
            text.ends_with("; it was searched for in the directories of `PATH`"),
            "{text}"
        );
        assert_eq!(SpawnError::of(&error).unwrap().program(), "not-there");
    });
}

#[test]
fn wrong_programs_and_arguments_are_explained() {
    let _limit = limit();
    block_on(async {
        let text = Command::new("").spawn().unwrap_err().to_string();
        assert!(
            text.ends_with("; the name of the program is empty"),
            "{text}"
        );
        let error = command("copy").arg("a\0b").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.ends_with(" contains it: remove it"), "{text}");
    });
}

#[test]
fn children_of_several_loops() {
    let _limit = limit();
    let loops: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                block_on(async {
                    let children: Vec<_> = (0..5).map(waiting).collect();
                    for (number, child) in children.into_iter().enumerate() {
                        let output = child.wait_with_output().await.unwrap();
                        assert_eq!(output.status.code(), Some(number.try_into().unwrap()));
                    }
                });
            })
        })
        .collect();
    loops.into_iter().for_each(|one| one.join().unwrap());
}

/// The program of the mode "leave": ends while a child runs and a read waits.
fn leave_a_child() {
    block_on(async {
        let mut child = waiting(0);
        let mut output = child.stdout.take().unwrap();
        let mut begin = Vec::new();
        while !begin.ends_with(b"<<") {
            let mut byte = [0];
            output.read_exact(&mut byte).await.unwrap();
            begin.push(byte[0]);
        }
        spawn(async move { output.read(&mut [0; 9]).await.map(drop) }).detach();
        yield_now().await;
        spawn(async move { child.wait().await.map(drop) }).detach();
    });
}

#[test]
fn nothing_of_a_child_hangs_the_exit_of_the_process() {
    let _limit = limit();
    block_on(async {
        let status = command("leave").stdout(Stdio::null()).status().await;
        assert_eq!(status.unwrap().code(), Some(5));
    });
}

#[test]
fn bytes_go_through_a_pipe_until_its_end() {
    let _limit = limit();
    block_on(async {
        let (mut sender, mut receiver) = pipe().unwrap();
        let early = receiver.try_read(&mut [0; 8]).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        let writing = spawn(async move {
            let long = vec![b'x'; 1 << 20]; // more than a pipe holds
            sender.write_all(&long).await.unwrap();
            sender.flush().await.unwrap();
            sender.close().await.unwrap();
            let error = sender.write(b"x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected);
        });
        let mut bytes = Vec::new();
        receiver.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes.len(), 1 << 20);
        writing.await;
        let order = Rc::new(RefCell::new(Vec::new()));
        let check = order.clone();
        set_immediate(move || check.borrow_mut().push("check"));
        receiver.close().await;
        order.borrow_mut().push("close");
        assert_eq!(*order.borrow(), ["check", "close"]);
    });
}

#[test]
fn the_readiness_of_a_pipe_is_reported() {
    let _limit = limit();
    block_on(async {
        let (mut sender, receiver) = pipe().unwrap();
        sender.writable().await.unwrap();
        assert_eq!(sender.try_write(b"abc").unwrap(), 3);
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut [0; 8]).unwrap(), 3);
        let empty = receiver.try_read(&mut [0; 8]).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::WouldBlock);
        sender.close().await.unwrap();
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut [0; 8]).unwrap(), 0);

        let (sender, receiver) = pipe().unwrap();
        loop {
            match sender.try_write(&[0; 4096]) {
                Ok(_) => sender.writable().now_or_never().unwrap_or(Ok(())).unwrap(),
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        drop(receiver);
        let mut result = Ok(0);
        while result.is_ok() {
            sender.writable().await.unwrap();
            result = sender.try_write(b"x");
        }
        assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

/// A virtual clock does not wait for a pipe, which a thread may serve.
#[test]
fn a_read_of_a_pipe_keeps_the_loop_alive_unless_it_is_unrefed() {
    let _limit = limit();
    let log = Log::new();
    let (logs, reads) = (log.clone(), log.clone());
    let mut event_loop = real_loop();
    let kept = Rc::new(Cell::new(None));
    let keeps = kept.clone();
    let run = event_loop.run(async move {
        let (sender, mut receiver) = pipe().unwrap();
        assert!(receiver.has_ref() && !receiver.unref().has_ref());
        spawn(async move { receiver.read(&mut [0; 8]).await.map(drop) }).detach();
        on_before_exit(logs.callback("before exit"));
        keeps.set(Some(sender));
    });
    run.unwrap();
    drop(kept.take());
    real_loop()
        .run(async move {
            let (mut sender, mut receiver) = pipe().unwrap();
            spawn(async move {
                reads.add(receiver.read(&mut [0; 8]).await.unwrap());
            })
            .detach();
            nodeloop::set_timeout(Duration::from_millis(5), move || {
                spawn(async move { sender.write_all(b"ab").await.unwrap() }).detach();
            });
        })
        .unwrap();
    log.assert(["before exit", "2"]);
}

#[test]
fn listening_to_ctrl_c_does_not_keep_the_loop_alive() {
    let _limit = limit();
    let run = real_loop().run(async {
        spawn(ctrl_c()).detach();
        let _stream = signal(SignalKind::interrupt()).unwrap();
        let listener = on_signal(SignalKind::interrupt(), || unreachable!("nobody raises it"));
        let listener = listener.unwrap();
        assert!(!listener.has_ref());
        assert!(listener.remove() && !listener.remove());
        assert!(
            signal(SignalKind::from_raw(9)).is_err(),
            "it can't be caught"
        );
    });
    run.unwrap();
}
