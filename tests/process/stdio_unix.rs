//! Standard streams of the kinds that Unix has: sockets, terminals, files of any mode, full and broken
//! pipes. `stdio.rs` tests the rest.

use std::cell::Cell;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::rc::Rc;

use super::stdio::{between_marks, pipe_of, written};
use crate::common::limit::limit;
use crate::common::process::command_of;
use futures::FutureExt;
use futures::io::{AsyncReadExt, AsyncWriteExt, copy};
use nodeloop::io::{stderr, stdin, stdout};
use nodeloop::{EventLoop, RunError, exit, set_immediate, spawn, yield_now};
use rustix::fs::OFlags;

/// The program of the child. Its output is between two marks, because the test harness writes too.
#[test]
fn child() {
    let _limit = limit();
    let Ok(mode) = std::env::var("NODELOOP_STDIO") else {
        return;
    };
    print!("<<"); // buffered until the loop writes something
    let mut event_loop = EventLoop::builder().build().unwrap();
    let result = match &*mode {
        "copy" => event_loop.run(async {
            copy(stdin(), &mut stdout()).await.unwrap();
            for shared in [std::io::stdin().as_fd(), std::io::stdout().as_fd()] {
                let flags = rustix::fs::fcntl_getfl(shared).unwrap();
                assert!(
                    !flags.contains(OFlags::NONBLOCK),
                    "the mode must not change for other processes"
                );
            }
        }),
        "vectored" => event_loop.run(async {
            let (mut first, mut second) = ([0; 2], [0; 8]);
            let mut slices = [&mut first[..], &mut second].map(IoSliceMut::new);
            assert_eq!(stdin().read_vectored(&mut slices).await.unwrap(), 6);
            let slices = [&first[..], b"-", &second[..4]].map(IoSlice::new);
            assert_eq!(stdout().write_vectored(&slices).await.unwrap(), 7);
        }),
        "full" => event_loop.run(async {
            let turns = Rc::new(Cell::new(0));
            count_turns(turns.clone());
            stdout().write_all(&vec![b'x'; 1 << 20]).await.unwrap();
            stdout().write_all(b"y").await.unwrap();
            assert!(turns.get() >= 10);
        }),
        "broken" => event_loop.run(async {
            stdout().write_all(b"ready").await.unwrap();
            stdin().read_exact(&mut [0; 1]).await.unwrap(); // the reader has gone
            // A child that another test is starting may hold it for a moment.
            let mut result = Ok(());
            while result.is_ok() {
                result = stdout().write_all(b"text").await;
                yield_now().await;
            }
            assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
            assert!(stdout().write(b"text").now_or_never().unwrap().is_err());
            exit(4)
        }),
        _ => unreachable!("no such mode"),
    };
    match result {
        Ok(()) => print!(">>"),
        Err(RunError::Exit(code)) => std::process::exit(code),
        Err(error) => panic!("{error}"),
    }
}

/// Notifies the parent after ten turns, which shows that the loop still runs.
fn count_turns(turns: Rc<Cell<usize>>) {
    turns.set(turns.get() + 1);
    if turns.get() == 10 {
        spawn(async { stderr().write_all(b"go").await.unwrap() }).detach();
    } else {
        set_immediate(move || count_turns(turns));
    }
}

fn start(mode: &str, input: impl Into<Stdio>, output: impl Into<Stdio>) -> Child {
    command_of(child)
        .arg("--test-threads=1")
        .env("NODELOOP_STDIO", mode)
        .stdin(input)
        .stdout(output)
        .spawn()
        .unwrap()
}

#[track_caller]
fn assert_copied(input: impl Into<Stdio>, expected: &str) {
    let (status, text) = written(start("copy", input, Stdio::piped()));
    assert!(status.success());
    assert!(
        text == expected,
        "{} of {} bytes",
        text.len(),
        expected.len()
    );
}

fn long_text() -> String {
    (0..50_000).map(|number| format!("{number}\n")).collect()
}

#[test]
fn a_pipe_a_file_a_socket_and_nothing_can_be_read() {
    let _limit = limit();
    let text = long_text();
    assert_copied(pipe_of(text.clone()), &text);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    assert_copied(File::open(file.path()).unwrap(), &text);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let sent = text.clone();
    std::thread::spawn(move || (&ours).write_all(sent.as_bytes()).unwrap());
    assert_copied(OwnedFd::from(theirs), &text);
    assert_copied(Stdio::null(), "");
}

#[test]
fn a_file_and_a_socket_can_be_written() {
    let _limit = limit();
    let text = long_text();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut child = start(
        "copy",
        pipe_of(text.clone()),
        File::create(file.path()).unwrap(),
    );
    assert!(child.wait().unwrap().success());
    let written = std::fs::read_to_string(file.path()).unwrap();
    assert!(between_marks(&written) == text);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut child = start("copy", pipe_of(text.clone()), OwnedFd::from(theirs));
    let mut written = String::new();
    ours.read_to_string(&mut written).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(between_marks(&written) == text);
}

#[test]
fn vectored_operations_use_all_slices() {
    let _limit = limit();
    let (status, text) = written(start("vectored", pipe_of("onetwo".into()), Stdio::piped()));
    assert!(status.success());
    assert_eq!(text, "on-etwo");
    let (input, output) = (
        tempfile::NamedTempFile::new(),
        tempfile::NamedTempFile::new(),
    );
    let (mut input, output) = (input.unwrap(), output.unwrap());
    input.write_all(b"onetwo").unwrap();
    let open = |file: &tempfile::NamedTempFile| File::options().read(true).write(true).open(file);
    let mut child = start("vectored", open(&input).unwrap(), open(&output).unwrap());
    assert!(child.wait().unwrap().success());
    let text = std::fs::read_to_string(&output).unwrap();
    assert_eq!(between_marks(&text), "on-etwo");
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(b"onetwo").unwrap();
    let both = OwnedFd::from(theirs);
    let mut child = start("vectored", both.try_clone().unwrap(), both);
    let mut text = String::new();
    ours.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(between_marks(&text), "on-etwo");
}

#[test]
fn a_terminal_can_be_read_and_written() {
    let _limit = limit();
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let open = || {
        let mut options = File::options();
        options.read(true).write(true).open(&name).unwrap()
    };
    let mut child = start("copy", open(), open());
    let mut ours = File::from(ours);
    ours.write_all(b"line\n\x04").unwrap(); // and the end of the input
    assert!(child.wait().unwrap().success());
    let mut text = Vec::new();
    let _ = ours.read_to_end(&mut text); // it ends with an error, because the other end is closed
    let text = String::from_utf8_lossy(&text);
    // What was typed is echoed before it, or after the first mark.
    assert_eq!(text.matches("line\r\n").count(), 2, "{text}");
}

#[test]
fn a_full_pipe_does_not_stop_the_loop() {
    let _limit = limit();
    let mut command = command_of(child);
    command.arg("--test-threads=1");
    command.env("NODELOOP_STDIO", "full").stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut go = [0; 2];
    child.stderr.take().unwrap().read_exact(&mut go).unwrap();
    assert_eq!(&go, b"go", "although the pipe was not read");
    let (status, text) = written(child);
    assert!(status.success());
    assert_eq!(text.len(), (1 << 20) + 1);
    assert!(text.ends_with('y'));
}

#[test]
fn a_reader_that_has_gone_is_an_error() {
    let _limit = limit();
    let (reader, mut writer) = pipe().unwrap();
    let mut child = start("broken", reader, Stdio::piped());
    let mut output = child.stdout.take().unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"ready") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        text.extend(byte);
    }
    drop(output);
    writer.write_all(b"x").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4));
}
