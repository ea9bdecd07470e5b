//! Standard streams on every operating system: the test program runs itself as the child.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::process::{Child, ExitStatus, Stdio};

use crate::common::limit::limit;
use crate::common::process::command_of;
use crate::common::real_loop;
use futures::io::{AsyncReadExt, AsyncWriteExt, copy};
use nodeloop::io::{stderr, stdin, stdout};
use nodeloop::{RunError, exit, on_exit, set_immediate, spawn};

/// The program of the child. Its output is between two marks, because the test harness writes too.
#[test]
fn child() {
    let _limit = limit();
    let Ok(mode) = std::env::var("NODELOOP_STREAMS") else {
        return;
    };
    print!("<<"); // buffered until the loop writes something
    let mut event_loop = real_loop();
    let result = match &*mode {
        "copy" => event_loop.run(async {
            copy(stdin(), &mut stdout()).await.unwrap();
        }),
        "order" => event_loop.run(async {
            print!("a");
            stdout().write_all(b"b").await.unwrap();
            println!("c");
            stdout().write_all(b"d").await.unwrap();
            print!("e");
            stdout().flush().await.unwrap();
            print!("g"); // flushed at the end of the process
        }),
        "vectored" => event_loop.run(async {
            let (mut first, mut second) = ([0; 2], [0; 4]);
            stdin().read_exact(&mut first).await.unwrap();
            let mut slices = [IoSliceMut::new(&mut second)];
            assert_eq!(stdin().read_vectored(&mut slices).await.unwrap(), 4);
            let slices = [&first[..], b"-", &second].map(IoSlice::new);
            assert_eq!(stdout().write_vectored(&slices).await.unwrap(), 7);
        }),
        "error" => event_loop.run(async {
            stderr().write_all(b"text").await.unwrap();
            let slices = [&b" and"[..], b" more"].map(IoSlice::new);
            assert_eq!(stderr().write_vectored(&slices).await.unwrap(), 9);
        }),
        // What is left belongs to a child, which inherits the standard input.
        "hand over" => event_loop.run(async {
            let mut two = [0; 2];
            stdin().read_exact(&mut two).await.unwrap();
            stdout().write_all(&two).await.unwrap();
            stdout().write_all(b"|").await.unwrap();
            let mut command = command_of(child);
            command.env("NODELOOP_STREAMS", "copy");
            command.stdin(Stdio::inherit()).stdout(Stdio::piped());
            let mut command = nodeloop::process::Command::from(command);
            let output = command.stdin(Stdio::inherit()).output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let copied = between_marks(&text).as_bytes();
            stdout().write_all(copied).await.unwrap();
        }),
        "wait" => event_loop.run(async {
            spawn(async {
                let length = stdin().read(&mut [0; 9]).await.unwrap();
                let text = format!("read {length}");
                stdout().write_all(text.as_bytes()).await.unwrap();
            })
            .detach();
            on_exit(|_| print!(" exit"));
        }),
        "block_on" => event_loop.block_on(async {
            spawn(async { stdin().read(&mut [0; 9]).await.map(drop) }).detach();
            stdout().write_all(b"done").await.unwrap();
        }),
        "exit" => event_loop.run(async {
            spawn(async { stdin().read(&mut [0; 9]).await.map(drop) }).detach();
            set_immediate(|| exit(3));
        }),
        "unref" => event_loop.run(async {
            let mut input = stdin();
            assert!(input.has_ref() && !input.unref().has_ref());
            spawn(async move { input.read(&mut [0; 9]).await.map(drop) }).detach();
            stdout().write_all(b"unrefed").await.unwrap();
        }),
        _ => unreachable!("no such mode"),
    };
    match result {
        Ok(()) => print!(">>"),
        Err(RunError::Exit(code)) => std::process::exit(code),
        Err(error) => panic!("{error}"),
    }
}

fn start(mode: &str, input: impl Into<Stdio>) -> Child {
    let mut command = command_of(child);
    command.env("NODELOOP_STREAMS", mode).stdin(input);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// What a child has written, between the marks.
pub(super) fn written(mut child: Child) -> (ExitStatus, String) {
    let mut text = String::new();
    let mut output = child.stdout.take().unwrap();
    output.read_to_string(&mut text).unwrap();
    (child.wait().unwrap(), between_marks(&text).to_owned())
}

pub(super) fn between_marks(text: &str) -> &str {
    let begin = text.find("<<").expect("it has begun") + 2;
    let end = text.rfind(">>").unwrap_or(text.len());
    &text[begin..end]
}

/// A pipe that gets `text` and then ends.
pub(super) fn pipe_of(text: String) -> std::io::PipeReader {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || writer.write_all(text.as_bytes()).unwrap());
    reader
}

#[test]
fn a_pipe_a_file_and_nothing_can_be_read() {
    let _limit = limit();
    let long: String = (0..50_000).map(|number| format!("{number}\n")).collect();
    let (status, text) = written(start("copy", pipe_of(long.clone())));
    assert!(status.success() && text == long);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, &long).unwrap();
    let (status, text) = written(start("copy", std::fs::File::open(&path).unwrap()));
    assert!(status.success() && text == long);

    let (status, text) = written(start("copy", Stdio::null()));
    assert!(status.success() && text.is_empty());
}

#[test]
fn lines_of_the_loop_and_of_print_come_in_order() {
    let _limit = limit();
    assert_eq!(written(start("order", Stdio::null())).1, "abc\ndeg");
}

#[test]
fn vectored_operations_use_all_slices() {
    let _limit = limit();
    let (status, text) = written(start("vectored", pipe_of("abcdef".to_owned())));
    assert!(status.success());
    assert_eq!(text, "ab-cdef");
}

#[test]
fn the_standard_error_is_written() {
    let _limit = limit();
    let mut command = command_of(child);
    let output = command.env("NODELOOP_STREAMS", "error").output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stderr, b"text and more");
}

#[test]
fn nothing_is_read_ahead() {
    let _limit = limit();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"abcdef").unwrap();
    let file = std::fs::File::open(file.path()).unwrap();
    for input in [Stdio::from(pipe_of("abcdef".to_owned())), file.into()] {
        let (status, text) = written(start("hand over", input));
        assert!(status.success());
        assert_eq!(text, "ab|cdef");
    }
}

#[test]
fn a_read_that_waits_keeps_the_loop_alive() {
    let _limit = limit();
    let mut child = start("wait", Stdio::piped());
    child.stdin.take().unwrap().write_all(b"abc").unwrap();
    assert_eq!(written(child).1, "read 3 exit");
}

#[test]
fn a_read_that_waits_does_not_hang_the_exit() {
    let _limit = limit();
    for (mode, code, expected) in [
        ("block_on", 0, "done"),
        ("exit", 3, ""),
        ("unref", 0, "unrefed"),
    ] {
        let mut child = start(mode, Stdio::piped());
        let input = child.stdin.take();
        let (status, text) = written(child);
        assert_eq!((status.code(), &*text), (Some(code), expected), "{mode}");
        drop(input);
    }
}
