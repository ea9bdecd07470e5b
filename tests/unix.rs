//! Unix domain sockets, and the phases in which connecting and closing are reported.

#![cfg(unix)]

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{UnixDatagram, UnixListener, UnixStream};
use nodeloop::time::{block_for, wait_for_jobs};
use nodeloop::{block_on, next_tick, queue_work, run_script, set_immediate, set_timeout, spawn};

type Log = Rc<RefCell<Vec<String>>>;

fn log(log: &Log, line: impl Into<String>) {
    log.borrow_mut().push(line.into());
}

/// A path of this test's own; what is there goes with the guard.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> SocketPath {
        let file = format!("nodeloop-{}-{name}.sock", std::process::id());
        let path = std::env::temp_dir().join(file);
        let _ = std::fs::remove_file(&path);
        SocketPath(path)
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn connects_accepts_and_talks() {
    let path = SocketPath::new("talk");
    block_on(async move {
        let listener = UnixListener::bind(&path.0).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path.0));
        let serving = spawn(async move {
            let mut incoming = listener.incoming().take(2);
            while let Some(stream) = incoming.next().await {
                let stream = stream.unwrap();
                futures::io::copy(&stream, &mut &stream).await.unwrap();
            }
        });
        for text in ["first", "second"] {
            let stream = UnixStream::connect(&path.0).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path.0));
            assert!(stream.take_error().unwrap().is_none());
            let (mut reader, mut writer) = (&stream, &stream);
            writer.write_all(text.as_bytes()).await.unwrap();
            AsyncWriteExt::close(&mut writer).await.unwrap();
            let mut echo = String::new();
            reader.read_to_string(&mut echo).await.unwrap();
            assert_eq!(echo, text);
        }
        serving.await;
    });
}

#[test]
fn a_path_in_use_is_an_error() {
    let path = SocketPath::new("in-use");
    block_on(async move {
        let _listener = UnixListener::bind(&path.0).unwrap();
        let again = UnixListener::bind(&path.0);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_path_at_which_nobody_listens_refuses() {
    let path = SocketPath::new("refused");
    block_on(async move {
        drop(UnixListener::bind(&path.0).unwrap()); // the path stays
        let refused = UnixStream::connect(&path.0).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_pair_goes_to_std_and_back() {
    block_on(async {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut other = UnixStream::from_std(other.into_std().unwrap()).unwrap();
        one.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(other.read(&mut buffer).await.unwrap(), 5);
        other.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(one.read(&mut buffer).await.unwrap(), 0);
        let listener = SocketPath::new("std");
        let std_listener = std::os::unix::net::UnixListener::bind(&listener.0).unwrap();
        let ours = UnixListener::from_std(std_listener).unwrap();
        let connecting = UnixStream::connect(&listener.0);
        let (stream, accepted) = futures::join!(connecting, ours.accept());
        assert!(stream.is_ok() && accepted.unwrap().1.is_unnamed());
        ours.into_std().unwrap();
    });
}

fn connect_nowhere(lines: &Log) {
    let lines = lines.clone();
    spawn(async move {
        let error = UnixStream::connect("/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        log(&lines, "pending ENOENT");
    });
}

/// R63 (probe 90): a connect that fails at once is reported by the pending phase of the first
/// turn, behind the timers that are due and before poll and check.
#[test]
fn r63_a_connect_that_fails_at_once_is_pending() {
    let lines = Log::default();
    let seen = lines.clone();
    run_script(move || {
        let (check, timers) = (lines.clone(), lines.clone());
        set_immediate(move || log(&check, "check"));
        set_timeout(Duration::from_millis(1), move || log(&timers, "timers"));
        connect_nowhere(&lines);
        block_for(Duration::from_millis(20));
    });
    assert_eq!(*seen.borrow(), ["timers", "pending ENOENT", "check"]);
}

/// R63 (probe 91): fed during the poll phase, it is reported before the check phase.
#[test]
fn r63_a_connect_that_fails_in_poll_is_pending_behind_poll() {
    let lines = Log::default();
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
    let lines = Log::default();
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
        });
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
    let lines = Log::default();
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
            });
        }
    });
    assert_eq!(*seen.borrow(), ["A", "tick of A", "B", "tick of B"]);
}

/// A connect that succeeds, which a Unix socket knows at once, comes in the poll phase all the
/// same.
#[test]
fn r63_success_comes_in_the_poll_phase() {
    let lines = Log::default();
    let seen = lines.clone();
    let path = SocketPath::new("phase");
    run_script(move || {
        let listener = UnixListener::bind(&path.0).unwrap();
        connect_nowhere(&lines);
        let connecting = lines.clone();
        spawn(async move {
            let (path, _listener) = (path, listener);
            UnixStream::connect(&path.0).await.unwrap();
            log(&connecting, "poll connected");
        });
        set_immediate(move || log(&lines, "check"));
    });
    assert_eq!(
        *seen.borrow(),
        ["pending ENOENT", "poll connected", "check"]
    );
}

/// Abandoning a connect that has failed already changes nothing.
#[test]
fn a_connect_may_be_dropped_before_its_report() {
    block_on(async {
        let mut connecting = Box::pin(UnixStream::connect("/nonexistent/socket"));
        assert!(futures::poll!(&mut connecting).is_pending());
        drop(connecting);
        nodeloop::yield_now().await;
    });
}

/// The texts are those of Node.
#[test]
fn errors_say_the_path() {
    let path = SocketPath::new("texts");
    block_on(async move {
        let error = UnixStream::connect("/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "connect ENOENT /nonexistent/socket");
        let _listener = UnixListener::bind(&path.0).unwrap();
        let error = UnixListener::bind(&path.0).unwrap_err();
        let path = path.0.display();
        let text = format!("listen EADDRINUSE: address already in use {path}");
        assert_eq!(error.to_string(), text);
        let datagrams = UnixDatagram::unbound().unwrap();
        let error = datagrams.connect("/nonexistent/socket").unwrap_err();
        assert_eq!(error.to_string(), "connect ENOENT /nonexistent/socket");
        let error = datagrams
            .send_to(b"x", "/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "send ENOENT /nonexistent/socket");
    });
}

#[test]
fn halves_are_owned_and_reunited() {
    block_on(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (reader, mut writer) = one.into_split();
        writer.write_all(b"whole").await.unwrap();
        let one = reader.reunite(writer).unwrap();
        let mut buffer = [0; 5];
        other.read_exact(&mut buffer).await.unwrap();
        let (mut reader, writer) = one.into_split();
        drop(writer);
        assert_eq!(
            other.read(&mut buffer).await.unwrap(),
            0,
            "that direction has ended"
        );
        other.write_all(b"alive").await.unwrap();
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"alive");
        reader.as_ref().close().await;
        assert!(reader.read(&mut buffer).await.is_err());
    });
}

#[test]
fn datagrams_arrive_whole_and_say_where_they_come_from() {
    let (here, there) = (SocketPath::new("here"), SocketPath::new("there"));
    block_on(async move {
        let one = UnixDatagram::bind(&here.0).unwrap();
        let other = UnixDatagram::bind(&there.0).unwrap();
        let nameless = UnixDatagram::unbound().unwrap();
        for text in ["first", ""] {
            one.send_to(text.as_bytes(), &there.0).await.unwrap();
        }
        nameless.connect(&there.0).unwrap();
        assert_eq!(nameless.peer_addr().unwrap().as_pathname(), Some(&*there.0));
        nameless.send(b"nameless").await.unwrap();
        let mut buffer = [0; 16];
        for text in ["first", ""] {
            let (length, from) = other.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], text.as_bytes());
            assert_eq!(from.as_pathname(), Some(&*here.0));
        }
        let (length, from) = other.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"nameless");
        assert!(from.is_unnamed());
        assert_eq!(other.local_addr().unwrap().as_pathname(), Some(&*there.0));
        assert!(UnixDatagram::bind(&here.0).is_err());
    });
}

/// A receiver that is slow loses nothing: both ways of sending wait for it.
#[test]
fn datagrams_wait_for_a_slow_receiver() {
    const COUNT: usize = 3_000;
    let path = SocketPath::new("slow");
    block_on(async move {
        let receiver = UnixDatagram::bind(&path.0).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let connected = UnixDatagram::unbound().unwrap();
        connected.connect(&path.0).unwrap();
        let sending = spawn(async move {
            for _ in 0..COUNT {
                connected.send(b"connected").await.unwrap();
            }
        });
        let sending_to = spawn(async move {
            for _ in 0..COUNT {
                sender.send_to(b"to a path", &path.0).await.unwrap();
            }
        });
        nodeloop::yield_now().await;
        assert!(
            !sending.is_finished() && !sending_to.is_finished(),
            "they wait"
        );
        for received in 0..2 * COUNT {
            assert_eq!(receiver.recv(&mut [0; 16]).await.unwrap(), 9);
            if received % 100 == 0 {
                nodeloop::yield_now().await;
            }
        }
        sending.await;
        sending_to.await;
    });
}

#[test]
fn datagram_sockets_pair_go_to_std_and_close() {
    block_on(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let other = UnixDatagram::from_std(other.into_std().unwrap()).unwrap();
        one.send(b"hello").await.unwrap();
        other.readable().await.unwrap();
        other.writable().await.unwrap();
        assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 5);
        assert!(other.take_error().unwrap().is_none());
        assert!(other.has_ref() && !other.unref().has_ref() && other.ref_().has_ref());
        other.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(other.send(b"no more").await.is_err());
        let other = Rc::new(other);
        let waiting = other.clone();
        let waiting = spawn(async move { waiting.recv(&mut [0; 8]).await.unwrap_err().kind() });
        other.close().await;
        assert_eq!(waiting.await, ErrorKind::NotConnected);
        assert!(other.descriptor().is_err());
        assert!(one.send(b"gone").await.is_err());
        let (closes, _peer) = UnixDatagram::pair().unwrap();
        let (promise, resolver) = nodeloop::promise::with_resolver();
        closes.close_with(move || resolver.resolve(()));
        promise.await;
    });
}
