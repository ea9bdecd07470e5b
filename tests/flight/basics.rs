//! One kind of input each: what a run has received, its replay receives again without the outside.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::test::{Log, Replay, Replayed, replay};
use nodeloop::{EventLoop, Handle, async_task, fs, next_tick, spawn, spawn_blocking};

use crate::common::limit::limit;

/// Records a run of `program`, replays it, and returns both logs.
fn twice<F: AsyncFn(Log)>(payloads: bool, program: F) -> (Vec<String>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    let recorder = FlightRecorder::to_file(&path).payloads(payloads);
    let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
    let log = Log::new();
    event_loop.run(program(log.clone())).unwrap();
    drop(event_loop);
    let again = Log::new();
    let replayed = replay(&path, async || program(again.clone()).await);
    assert_eq!(replayed, Replayed::Finished(()));
    (log.labels(), again.labels())
}

#[track_caller]
fn assert_repeats<F: AsyncFn(Log)>(payloads: bool, program: F) -> Vec<String> {
    let (recorded, replayed) = twice(payloads, program);
    assert_eq!(recorded, replayed);
    recorded
}

#[test]
fn the_clock() {
    let _limit = limit();
    assert_repeats(false, async |log| {
        let started = nodeloop::time::Instant::now();
        nodeloop::time::sleep(Duration::from_millis(15)).await;
        log.add(format!("{:?}", started.elapsed()));
    });
}

#[test]
fn a_server_and_its_client() {
    let _limit = limit();
    let labels = assert_repeats(true, async |log| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        log.add(address);
        let server = spawn({
            let log = log.clone();
            async move {
                let (mut stream, peer) = listener.accept().await.unwrap();
                log.add(format!("accepted {peer}"));
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                log.add(&text);
                stream
                    .write_all(text.to_uppercase().as_bytes())
                    .await
                    .unwrap();
                stream.close().await.unwrap();
            }
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        client.set_nodelay(true).unwrap();
        client.write_all(b"hello").await.unwrap();
        client.close().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        log.add(answer);
        server.await;
    });
    assert_eq!(labels[2..], ["hello", "HELLO"]);
}

#[test]
fn bytes_are_zeros_without_payloads() {
    let _limit = limit();
    let (recorded, replayed) = twice(false, async |log| {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client
            .send_to(b"datagram", server.local_addr().unwrap())
            .await
            .unwrap();
        let mut buffer = [1; 16];
        let (length, sender) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(sender, client.local_addr().unwrap());
        assert!(buffer[..8] == *b"datagram" || buffer[..8] == [0; 8]);
        log.add(format!("{length}, then {:?}", &buffer[8..]));
    });
    assert_eq!(recorded, replayed);
}

#[test]
fn files_are_not_touched() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let path = &path;
    assert_repeats(true, async move |log| {
        log.add(fs::try_exists(path).await.unwrap());
        fs::write(path, "first\nsecond\n").await.unwrap();
        let mut file = fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .await
            .unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        log.add(&text);
        let error = fs::read(path.join("none")).await.unwrap_err();
        log.add(format!("{:?}: {error}", error.kind()));
    });
}

#[test]
fn jobs_and_threads() {
    let _limit = limit();
    assert_repeats(false, async |log| {
        let jobs = (0..3).map(|number| spawn_blocking(move || number * 2));
        for result in futures::future::join_all(jobs).await {
            log.add(result);
        }
        let handle = Handle::current();
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (handle, log, token) = (handle.clone(), log.clone(), handle.keep_alive());
                std::thread::spawn(move || {
                    for step in 0..3 {
                        let log = log.clone();
                        handle
                            .post(move || log.add(format!("thread {number}, step {step}")))
                            .unwrap();
                    }
                    drop(token);
                })
            })
            .collect();
        let joined = spawn_blocking(move || {
            let threads = threads.into_iter();
            threads.map(|thread| thread.join().unwrap()).count()
        });
        log.add(joined.await);
    });
}

/// Threads make tasks that the loop polls, and wake them.
#[test]
fn foreign_tasks_of_other_threads() {
    let _limit = limit();
    let labels = assert_repeats(true, async |log| {
        let handle = Handle::current();
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (handle, log, token) = (handle.clone(), log.clone(), handle.keep_alive());
                std::thread::spawn(move || {
                    let (polled, is_polled) = std::sync::mpsc::channel();
                    let (wake, woken) = futures::channel::oneshot::channel();
                    let (runnable, task) = async_task::spawn(
                        async move {
                            log.add(format!("thread {number}, first poll"));
                            // A wake during the poll would be a microtask and not a message.
                            next_tick(move || polled.send(()).unwrap());
                            woken.await.unwrap();
                            log.add(format!("thread {number}, second poll"));
                        },
                        move |runnable| handle.schedule(runnable).unwrap(),
                    );
                    runnable.schedule();
                    is_polled.recv().unwrap();
                    wake.send(()).unwrap();
                    futures::executor::block_on(task);
                    drop(token);
                })
            })
            .collect();
        let joined = spawn_blocking(move || {
            let threads = threads.into_iter();
            threads.map(|thread| thread.join().unwrap()).count()
        });
        log.add(joined.await);
    });
    assert_eq!(labels.len(), 7);
}

#[cfg(unix)] // children and pipes of Windows are not recorded
#[test]
fn signals_and_children() {
    use nodeloop::process::Command;
    use nodeloop::signal::{SignalKind, signal};

    let _limit = limit();
    assert_repeats(true, async |log| {
        let mut signals = signal(SignalKind::from_raw(12)).unwrap();
        let output = Command::new("sh")
            .args(["-c", "echo out; echo err >&2; exit 3"])
            .output()
            .await
            .unwrap();
        log.add(format!("{output:?}"));
        signal_hook::low_level::raise(12).unwrap();
        signals.recv().await;
        log.add("signal");
        let error = Command::new("/nonexistent/program").spawn().unwrap_err();
        log.add(error);
    });
}

#[cfg(feature = "recording")]
#[test]
fn a_replay_makes_a_page_and_a_trace() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    let program = async || {
        nodeloop::recording::print_line("the line of the program");
        nodeloop::time::sleep(Duration::from_millis(1)).await;
        spawn_blocking(|| ()).await;
    };
    let mut event_loop = EventLoop::builder().record(&path).build().unwrap();
    event_loop.run(program()).unwrap();
    drop(event_loop);
    let recording = nodeloop::recording::Recording::new("a replay");
    let replay = Replay::open(&path).unwrap().observer(recording.clone());
    assert_eq!(replay.run(program).unwrap(), Replayed::Finished(()));
    let (mut page, mut trace) = (Vec::new(), Vec::new());
    recording.write_html(&mut page).unwrap();
    recording.write_trace(&mut trace).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("the line of the program"));
    assert!(
        String::from_utf8(trace)
            .unwrap()
            .contains("tests/flight/basics.rs")
    );
}

#[test]
fn the_first_difference_has_both_sides() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    let mut event_loop = EventLoop::builder().record(&path).build().unwrap();
    let program = async |text: &str| {
        let log = Log::new();
        nodeloop::time::sleep(Duration::from_millis(1)).await;
        log.add(text);
    };
    event_loop.run(program("one")).unwrap();
    drop(event_loop);
    let failure = Replay::open(&path)
        .unwrap()
        .run(async || program("two").await)
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("recorded: the label \"one\" at tests/flight/basics.rs"),
        "{failure}"
    );
    assert!(
        failure.contains("program: the label \"two\" at tests/flight/basics.rs"),
        "{failure}"
    );
}
