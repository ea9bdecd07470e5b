//! Jobs of the pool, handles on other threads, workers, and loops that are dropped.

use std::future::pending;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use futures::executor;
use nodeloop::promise::with_resolver;
use nodeloop::worker::{Worker, WorkerOutcome, WorkerPort};
use nodeloop::{
    EventLoop, Handle, RunError, TaskGroup, exit, on_exit, queue_work, set_interval, set_timeout,
    spawn_blocking, time, try_spawn_blocking, yield_now,
};

use super::{Chooser, short};
use crate::account::{Item, Ledger};
use crate::hooks;

/// Jobs, more than the pool has threads. Some are aborted, which does not stop those that run.
pub async fn jobs(ledger: Ledger, mut rng: Rng) {
    let mut results = Vec::new();
    for _ in 0..rng.usize(1..20) {
        let (value, pause) = (rng.u64(..), rng.u64(..200));
        let owed = ledger.until_dropped(Item::Job);
        let job = move || {
            let _owed = owed;
            thread::park_timeout(Duration::from_micros(pause));
            value
        };
        match rng.u8(0..8) {
            0 => {
                let aborted = spawn_blocking(job).settled();
                aborted.abort();
                assert!(aborted.await.expect_err("it was aborted").is_aborted());
            }
            1 => {
                let failed = try_spawn_blocking(move || Err::<(), u64>(job()));
                assert_eq!(failed.await, Err(value));
            }
            _ => results.push((spawn_blocking(job), value)),
        }
    }
    for (result, value) in results {
        assert_eq!(result.await, value);
    }
    // An aborted job may still be running, and it holds a part of the ledger.
    while !ledger.is_even(Item::Job) {
        time::sleep(Duration::from_millis(1)).await;
    }
}

/// Jobs with callbacks. A job that was cancelled in time has none.
pub async fn queued_work(ledger: Ledger, mut rng: Rng) {
    let mut done = Vec::new();
    for _ in 0..rng.usize(1..12) {
        let value = rng.u64(..);
        let owed = ledger.until_dropped(Item::Job);
        let (promise, resolver) = with_resolver();
        let own = ledger.clone();
        let work = queue_work(
            move || {
                let _owed = owed;
                value
            },
            move |result| {
                assert_eq!(result, value, "the result of another job");
                own.back(Item::Callback, 1);
                resolver.resolve(());
            },
        );
        let is_cancelled = rng.u8(0..3) == 0 && work.cancel();
        if !is_cancelled {
            ledger.owe(Item::Callback, 1);
            done.push(promise);
        }
    }
    for promise in done {
        promise.await;
    }
}

/// Other threads that post callbacks to this loop and spawn tasks on it.
pub async fn handles(ledger: Ledger, mut rng: Rng) {
    let mut threads = Vec::new();
    for _ in 0..rng.usize(1..3) {
        let (handle, own) = (Handle::current(), ledger.clone());
        let (posts, values) = (rng.u64(1..40), rng.u64(1..8));
        let token = handle.keep_alive();
        ledger.owe(Item::Callback, posts);
        ledger.owe(Item::Reply, values);
        threads.push(thread::spawn(move || {
            let _token = token;
            for _ in 0..posts {
                let own = own.clone();
                handle
                    .post(move || own.back(Item::Callback, 1))
                    .expect("the loop is running");
            }
            for value in 0..values {
                let remote = handle.spawn(move || async move {
                    yield_now().await;
                    value * 2
                });
                assert_eq!(executor::block_on(remote).expect("it ends"), value * 2);
                own.back(Item::Reply, 1);
            }
        }));
    }
    for thread in threads {
        spawn_blocking(move || thread.join())
            .await
            .expect("the thread has not panicked");
    }
}

/// A worker that answers messages, and runs activities of its own meanwhile.
pub async fn workers(ledger: Ledger, mut rng: Rng) {
    let (seed, count) = (rng.u64(..), rng.usize(2..10));
    ledger.owe(Item::Loop, 1);
    let own = ledger.clone();
    let mut worker = Worker::spawn(move |mut port: WorkerPort<u64, u64>| async move {
        hooks::install();
        let mut chooser = Chooser::new(seed, |activity| activity.is_portable);
        let mut group = TaskGroup::new();
        for _ in 0..count {
            let (activity, seed) = chooser.next();
            group.spawn((activity.start)(own.clone(), Rng::with_seed(seed)));
        }
        while let Some(number) = port.recv().await {
            port.post(number * 3).expect("the parent reads");
        }
        group.join_all().await.map_err(|error| error.to_string())
    })
    .expect("a thread");
    let messages = rng.u64(1..40);
    ledger.owe(Item::Message, messages);
    for number in 0..messages {
        worker.post(number).expect("it is running");
    }
    for number in 0..messages {
        assert_eq!(
            worker.recv().await,
            Some(number * 3),
            "messages are in order"
        );
        ledger.back(Item::Message, 1);
    }
    match worker.join().await {
        Ok(WorkerOutcome::Finished(Ok(_))) => ledger.back(Item::Loop, 1),
        other => panic!("the worker has ended otherwise: {other:?}"),
    }
}

/// Workers that end by a code, by force, by a panic and by a rejection.
pub async fn ended_workers(ledger: Ledger, mut rng: Rng) {
    ledger.owe(Item::Loop, 1);
    let own = ledger.clone();
    match rng.u8(0..4) {
        0 => {
            let worker = Worker::<(), (), ()>::spawn(move |_| async move {
                own.spawn(pending::<()>()).detach();
                exit(5)
            });
            let ended = worker.expect("a thread").join().await;
            assert!(matches!(ended, Ok(WorkerOutcome::Exited(5))), "{ended:?}");
        }
        1 => {
            let worker = Worker::<(), (), ()>::spawn(move |mut port| async move {
                own.owe(Item::Callback, 1);
                on_exit(move |_| own.back(Item::Callback, 1));
                set_interval(Duration::from_millis(1), || {});
                port.recv().await;
            })
            .expect("a thread");
            time::sleep(short(&mut rng, 3)).await;
            worker.terminate();
            let ended = worker.join().await;
            // A worker that is terminated before its main future was polled has no listener.
            assert!(matches!(ended, Ok(WorkerOutcome::Exited(1))), "{ended:?}");
        }
        2 => {
            let planned = hooks::unreported();
            let worker = Worker::<(), (), ()>::spawn(move |_| async move {
                own.spawn(time::sleep(Duration::from_secs(3600))).detach();
                set_timeout(Duration::ZERO, move || planned.panic());
            });
            let ended = worker.expect("a thread").join().await;
            let Err(RunError::Uncaught(error)) = ended else {
                panic!("{ended:?}")
            };
            assert!(planned.is_text(&error.message()), "{error}");
        }
        _ => {
            let worker = Worker::<(), (), Result<(), u64>>::spawn(move |_| async move {
                own.spawn(time::sleep(Duration::from_secs(3600))).detach();
                Err(7)
            });
            let ended = worker.expect("a thread").join().await;
            assert!(
                matches!(ended, Ok(WorkerOutcome::Finished(Err(7)))),
                "{ended:?}"
            );
        }
    }
    ledger.back(Item::Loop, 1);
}

/// A loop on a thread of its own that is dropped with everything pending.
pub async fn dropped_loops(ledger: Ledger, mut rng: Rng) {
    let tasks = rng.u64(1..20);
    ledger.owe(Item::Loop, 1);
    let (own, seed) = (ledger.clone(), rng.u64(..));
    let (sender, receiver) = mpsc::channel::<()>();
    let runs = move || {
        let mut event_loop = EventLoop::new().expect("a loop");
        let inner = own.clone();
        let output = event_loop.block_on(async move {
            let mut rng = Rng::with_seed(seed);
            for number in 0..tasks {
                let kind = rng.u8(0..4);
                let delay = short(&mut rng, 3) + Duration::from_secs(60 * (number % 2));
                inner
                    .spawn(async move {
                        match kind {
                            0 => pending::<()>().await,
                            1 => time::sleep(delay).await,
                            2 => {
                                spawn_blocking(|| thread::park_timeout(Duration::from_millis(1)))
                                    .await
                            }
                            _ => yield_now().await,
                        }
                    })
                    .detach();
            }
            time::sleep(short(&mut rng, 4)).await;
            tasks
        });
        assert_eq!(output.expect("it is finished"), tasks);
        drop(event_loop);
        own.back(Item::Loop, 1);
        drop(sender);
    };
    let thread = thread::spawn(runs);
    spawn_blocking(move || {
        let _ = receiver.recv(); // until the sender is dropped
        thread.join()
    })
    .await
    .expect("the thread has not panicked");
}
