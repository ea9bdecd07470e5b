//! Workers, and serving on several loops (R66).
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use std::cell::Cell;
#[cfg(target_os = "linux")]
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;

use crate::common::limit::limit;
use crate::common::{Log, trace};
use crate::common::{block_on, run};
use futures::future::FusedFuture;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::{FutureExt, StreamExt};
use nodeloop::AbortExt;
#[cfg(target_os = "linux")]
use nodeloop::net::TcpSocket;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::worker::{self, MessagePort, Worker, WorkerOutcome, WorkerPort};
use nodeloop::{
    EventLoop, RunError, exit, next_tick, on_exit, on_unhandled_rejection, queue_microtask,
    set_immediate, spawn, yield_now,
};

/// `220-worker-messages.js`
#[test]
fn each_message_is_a_macrotask() {
    let _limit = limit();
    trace(|log| {
        let (sent, all_sent) = mpsc::channel();
        let mut worker =
            Worker::spawn(move |mut port: MessagePort<u32, &'static str>| async move {
                (1..=3).for_each(|name| port.post(name).unwrap());
                sent.send(()).unwrap();
                assert_eq!(port.recv().await, Some("end"));
            })
            .unwrap();
        all_sent.recv().unwrap();
        spawn(async move {
            for _ in 0..3 {
                let name = worker.recv().await.unwrap();
                // A callback in Node. Here the task is a microtask that runs before this tick.
                log.add(format_args!("message {name}"));
                next_tick(log.callback(format_args!("tick {name}")));
                let micro = log.callback(format_args!("micro {name}"));
                next_tick(move || queue_microtask(micro));
            }
            worker.post("end").unwrap();
            assert_eq!(worker.join().await.unwrap(), WorkerOutcome::Finished(()));
            log.add("exit 0");
        })
        .detach();
    })
    .assert([
        "message 1",
        "tick 1",
        "micro 1",
        "message 2",
        "tick 2",
        "micro 2",
        "message 3",
        "tick 3",
        "micro 3",
        "exit 0",
    ]);
}

/// `parentPort.on('message', …)` of 221-worker-ends.js.
async fn listen(mut port: MessagePort<u32, u32>) {
    port.post(0).unwrap();
    while let Some(message) = port.recv().await {
        port.post(message + 1).unwrap();
        if message == 3 {
            break;
        }
    }
}

/// `221-worker-ends.js`
#[test]
fn a_worker_ends_by_itself_by_its_port_by_a_code_or_by_force() {
    let _limit = limit();
    trace(|log| {
        spawn(async move {
            let mut worker = Worker::spawn(listen).unwrap();
            while let Some(message) = worker.recv().await {
                log.add(message);
                let _ = worker.post(if message < 3 { message + 1 } else { 3 });
            }
            let ended = worker.join().await.unwrap();
            assert_eq!(ended, WorkerOutcome::Finished(()));
            log.add("closed 0");

            let mut worker = Worker::spawn(listen).unwrap();
            worker.recv().await.unwrap();
            worker.terminate();
            log_end(&log, "terminated", worker.join().await);

            let ends_itself = |_: MessagePort<(), ()>| async { exit(5) };
            let worker = Worker::<(), (), ()>::spawn(ends_itself).unwrap();
            log_end(&log, "exited", worker.join().await);

            let throws = |_: MessagePort<(), ()>| async { crate::common::throw("RangeError") };
            let worker = Worker::<(), (), ()>::spawn(throws).unwrap();
            match worker.join().await {
                Err(RunError::Uncaught(error)) => log.add(error.message()),
                other => panic!("{other:?}"),
            }
            log.add("thrown 1");
        })
        .detach();
    })
    .assert([
        "0",
        "2",
        "4",
        "closed 0",
        "terminated 1",
        "exited 5",
        "RangeError",
        "thrown 1",
    ]);
}

fn log_end(log: &Log, name: &str, ended: Result<WorkerOutcome<()>, RunError>) {
    match ended {
        Ok(WorkerOutcome::Exited(code)) => log.add(format_args!("{name} {code}")),
        other => panic!("{other:?}"),
    }
}

/// The rejection that ends a worker reaches its parent as text: the value stays on its thread, and
/// is dropped with the worker's loop.
#[test]
fn the_reason_of_a_worker_is_a_text_for_its_parent() {
    let _limit = limit();
    #[derive(Debug)]
    struct Reason(mpsc::Sender<()>);
    impl Drop for Reason {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (sender, dropped) = mpsc::channel();
    nodeloop::run(async move {
        let fails = move |_: MessagePort<(), ()>| async move {
            drop(nodeloop::promise::reject::<(), _>(Reason(sender)));
            std::future::pending::<()>().await;
        };
        let worker = Worker::<(), (), ()>::spawn(fails).unwrap();
        let Err(RunError::Unhandled { reason, .. }) = worker.join().await else {
            unreachable!("a rejection ends the worker");
        };
        assert!(reason.text().starts_with("Reason("), "{reason}");
        assert!(reason.with_value(|_| ()).is_none());
        dropped.try_recv().expect("the worker has dropped it");
    });
}

#[test]
fn the_failure_of_a_worker_without_an_awaiter_is_reported() {
    let _limit = limit();
    let worker = || {
        let throws = |_: MessagePort<(), ()>| async { crate::common::throw("lost") };
        drop(Worker::<(), (), ()>::spawn(throws).unwrap());
    };
    let mut event_loop = EventLoop::builder().build().unwrap();
    match event_loop.run_script(worker) {
        Err(RunError::Unhandled { reason, .. }) => {
            assert!(reason.text().contains("lost"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    let reported = Rc::new(Cell::new(false));
    let reports = reported.clone();
    event_loop
        .run_script(move || {
            on_unhandled_rejection(move |_| reports.set(true));
            worker();
        })
        .unwrap();
    assert!(reported.get());
}

#[test]
fn a_worker_keeps_the_loop_alive_unless_it_is_unrefed() {
    let _limit = limit();
    let (give_up, given_up) = mpsc::channel::<()>();
    let ended = run(async move {
        let (go, may_go) = mpsc::channel();
        let worker = Worker::<(), (), _>::spawn(move |_| async move {
            may_go.recv().unwrap();
            7
        });
        let worker = worker.unwrap();
        assert!(worker.has_ref() && !worker.unref().has_ref() && worker.ref_().has_ref());
        go.send(()).unwrap();
        let joined = worker.join();
        let ended = Rc::new(Cell::new(None));
        let ends = ended.clone();
        spawn(async move { ends.set(Some(joined.await.unwrap())) }).detach();
        // This worker would keep the loop alive forever.
        let blocked = Worker::<(), (), ()>::spawn(move |_| async move {
            let _ = given_up.recv();
        });
        let blocked = blocked.unwrap();
        blocked.unref();
        (ended, blocked)
    });
    assert_eq!(ended.0.get(), Some(WorkerOutcome::Finished(7)));
    drop(give_up);
}

#[test]
fn a_worker_whose_handle_is_dropped_runs_to_its_end() {
    let _limit = limit();
    for _ in 0..50 {
        let (ended, has_ended) = mpsc::channel();
        run(async move {
            drop(Worker::<u32, (), ()>::spawn(|mut port| async move {
                let sum = port
                    .by_ref()
                    .fold(0, |sum, number| async move { sum + number });
                ended.send(sum.await).unwrap();
                // The handle closes both directions before the worker can see the end of one.
                assert_eq!(port.post(()), Err(()), "nobody receives it");
            }));
        });
        assert_eq!(has_ended.recv().unwrap(), 0, "the loop has waited for it");
    }
}

#[test]
fn messages_are_received_after_their_sender_has_ended() {
    let _limit = limit();
    block_on(async {
        let mut worker = Worker::<(), u32, ()>::spawn(|port| async move {
            (0..1000).for_each(|number| port.post(number).unwrap());
        })
        .unwrap();
        yield_now().await;
        let received: Vec<_> = worker.port().collect().await;
        assert_eq!(received, (0..1000).collect::<Vec<_>>());
        assert_eq!(worker.recv().await, None);
        while worker.post(()).is_ok() {
            yield_now().await; // its loop is about to end
        }
        worker.join().await.unwrap();
    });
}

#[test]
fn a_receive_that_is_dropped_loses_nothing_and_holds_nothing() {
    let _limit = limit();
    run(async {
        let (go, may_go) = mpsc::channel();
        let mut worker = Worker::<(), u32, ()>::spawn(move |port| async move {
            may_go.recv().unwrap();
            port.post(1).unwrap();
            port.post(2).unwrap();
        })
        .unwrap();
        assert!(worker.recv().now_or_never().is_none());
        go.send(()).unwrap();
        worker.port().unref();
        assert!(!worker.port().has_ref() && worker.port().ref_().has_ref());
        assert_eq!(worker.recv().await, Some(1));
        assert_eq!(worker.recv().await, Some(2));
        assert_eq!(worker.recv().await, None);
    });
}

#[test]
fn termination_runs_listeners_and_destructors() {
    let _limit = limit();
    struct Reports(mpsc::Sender<&'static str>);
    impl Drop for Reports {
        fn drop(&mut self) {
            self.0.send("dropped").unwrap();
        }
    }
    let (reports, reported) = mpsc::channel();
    run(async move {
        let worker = Worker::<(), (), ()>::spawn(move |mut port| async move {
            let exits = reports.clone();
            on_exit(move |_| exits.send("exit").unwrap());
            let _held = Reports(reports);
            port.recv().await;
            unreachable!("nothing is sent");
        })
        .unwrap();
        worker.terminate();
        worker.terminate();
        assert_eq!(worker.join().await.unwrap(), WorkerOutcome::Exited(1));
    });
    assert_eq!(reported.iter().collect::<Vec<_>>(), ["exit", "dropped"]);
}

#[test]
fn workers_have_workers() {
    let _limit = limit();
    let sum = block_on(async {
        let worker = Worker::<(), (), _>::spawn(|_| async {
            let inner = (1..=4_u64)
                .map(|number| Worker::<(), (), _>::spawn(move |_| async move { number }).unwrap());
            let mut sum = 0;
            for worker in inner.collect::<Vec<_>>() {
                match worker.join().await.unwrap() {
                    WorkerOutcome::Finished(number) => sum += number,
                    WorkerOutcome::Exited(code) => panic!("exited with {code}"),
                }
            }
            sum
        });
        worker.unwrap().join().await.unwrap()
    });
    assert_eq!(sum, WorkerOutcome::Finished(10));
}

/// Answers every byte with the number of the worker.
async fn serve(stream: std::net::TcpStream, number: u8) {
    let mut stream = TcpStream::from_std(stream).unwrap();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte).await {
        stream.write_all(&[number]).await.unwrap();
    }
}

async fn ask(address: SocketAddr) -> u8 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"?").await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    byte[0]
}

#[test]
fn connections_are_handed_over_to_other_loops() {
    let _limit = limit();
    let served = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let workers: Vec<_> = (0..3)
            .map(|number| {
                Worker::<std::net::TcpStream, (), ()>::spawn(move |mut port| async move {
                    while let Some(stream) = port.next().await {
                        spawn(serve(stream, number)).detach();
                    }
                })
                .unwrap()
            })
            .collect();
        spawn(async move {
            for worker in workers.iter().cycle() {
                let (stream, _) = listener.accept().await.unwrap();
                worker.post(stream.into_std().unwrap()).unwrap();
            }
        })
        .detach();
        let mut served = Vec::new();
        for _ in 0..9 {
            served.push(ask(address).await);
        }
        served
    });
    assert_eq!(served, [0, 1, 2, 0, 1, 2, 0, 1, 2], "in turn");
}

#[cfg(target_os = "linux")] // only Linux distributes connections to listeners of one port
#[test]
fn loops_share_a_port() {
    let _limit = limit();
    // The system chooses by the address of the client; with many clients every worker is chosen.
    let served = block_on(async {
        let first = Worker::spawn(|port| listen_too(port, 0)).unwrap();
        let mut workers = vec![first];
        workers[0].post("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = workers[0].recv().await.unwrap();
        for number in 1..3 {
            let mut worker = Worker::spawn(move |port| listen_too(port, number)).unwrap();
            worker.post(address).unwrap();
            assert_eq!(worker.recv().await, Some(address));
            workers.push(worker);
        }
        let mut counts = BTreeMap::<u8, usize>::new();
        for _ in 0..200 {
            *counts.entry(ask(address).await).or_default() += 1;
        }
        for worker in workers {
            worker.join().await.unwrap();
        }
        counts
    });
    assert_eq!(served.values().sum::<usize>(), 200);
    assert_eq!(served.len(), 3, "{served:?}");
}

/// Serves at the address of the first message, which other workers share, until its port is closed.
#[cfg(target_os = "linux")]
async fn listen_too(mut port: MessagePort<SocketAddr, SocketAddr>, number: u8) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(port.recv().await.unwrap()).unwrap();
    let listener = socket.listen(128).unwrap();
    port.post(listener.local_addr().unwrap()).unwrap();
    let serving = spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            spawn(serve(stream.into_std().unwrap(), number)).detach();
        }
    })
    .settled();
    assert_eq!(port.recv().await, None);
    serving.abort();
}

#[test]
fn a_loop_is_turning_while_a_worker_computes() {
    let _limit = limit();
    let turns = block_on(async {
        let (enough, is_enough) = mpsc::channel();
        let worker = Worker::<(), (), u32>::spawn(move |_| async move {
            is_enough.recv().unwrap(); // the loop of the worker is blocked meanwhile
            42
        });
        let turns = Rc::new(Cell::new(0));
        count_turns(turns.clone(), enough);
        let ended = worker.unwrap().join().await.unwrap();
        assert_eq!(ended, WorkerOutcome::Finished(42));
        turns.get()
    });
    assert!(turns >= 100);
}

fn count_turns(turns: Rc<Cell<u32>>, enough: mpsc::Sender<()>) {
    turns.set(turns.get() + 1);
    match turns.get() {
        100 => enough.send(()).unwrap(),
        _ => drop(set_immediate(move || count_turns(turns, enough))),
    }
}

#[test]
#[should_panic(expected = "outside of an event loop")]
fn a_worker_can_only_be_started_from_a_loop() {
    let _limit = limit();
    let _ = Worker::<(), (), ()>::spawn(|_| async {});
}

/// A recursion that needs four megabytes of stack, twice the default.
#[inline(never)]
fn recurse(depth: usize) -> usize {
    let frame = std::hint::black_box([1_u8; 4096]);
    match depth {
        0 => 0,
        _ => recurse(depth - 1) + usize::from(std::hint::black_box(frame)[0]),
    }
}

#[test]
fn a_builder_sets_the_name_and_the_stack_of_the_thread() {
    let _limit = limit();
    block_on(async {
        let work = |port: WorkerPort<(), (String, usize)>| async move {
            let name = std::thread::current().name().unwrap().to_owned();
            port.post((name, recurse(1000))).unwrap();
        };
        let builder = worker::Builder::new().stack_size(16 << 20).name("deep");
        let mut worker = builder.spawn(work).unwrap();
        assert_eq!(worker.recv().await, Some(("deep".to_owned(), 1000)));
        assert_eq!(worker.join().await.unwrap(), WorkerOutcome::Finished(()));

        let name = |port: WorkerPort<(), Option<String>>| async move {
            let name = std::thread::current().name().map(str::to_owned);
            port.post(name).unwrap();
        };
        let mut worker = Worker::spawn(name).unwrap();
        let name = worker.recv().await.unwrap();
        assert_eq!(name.as_deref(), Some("nodeloop-worker"));

        let refused = worker::Builder::new().name("a\0b").spawn(work).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(
            refused.to_string(),
            "the name of the worker contains a NUL byte"
        );
    });
}

/// The futures of the crate are fused, so that `select!` takes them.
#[test]
fn futures_know_that_they_have_ended() {
    async fn ends<F: FusedFuture + Unpin>(mut future: F) -> F::Output {
        assert!(!future.is_terminated());
        let output = (&mut future).await;
        assert!(future.is_terminated());
        output
    }
    let _limit = limit();
    run(async {
        ends(nodeloop::yield_now()).await;
        ends(nodeloop::promise::ready(1).shared()).await;
        ends(nodeloop::promise::resolve::<_, ()>(1).shared())
            .await
            .unwrap();
        ends(nodeloop::Handle::current().spawn(|| async {}))
            .await
            .unwrap();
        let mut group = nodeloop::TaskGroup::new();
        group.spawn(async {});
        ends(group.join_next()).await.unwrap().unwrap();
        let controller = nodeloop::AbortController::new();
        let signal = controller.signal();
        let pending = || std::future::pending::<()>().with_signal(&signal);
        ends(nodeloop::promise::ready(1).with_signal(&signal))
            .await
            .unwrap();
        let waiting = pending();
        nodeloop::set_immediate(move || controller.abort());
        ends(waiting).await.unwrap_err();
        ends(pending()).await.unwrap_err();
        let mut worker = Worker::spawn(|port: WorkerPort<(), ()>| async move { port.post(()) });
        ends(worker.as_mut().unwrap().recv()).await.unwrap();
    });
}
