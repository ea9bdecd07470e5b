//! Wakes, handles, tokens and jobs from other threads, also while the loop sleeps, ends, or has ended.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::common::limit::{limit, limit_of};
use crate::common::real_loop;
use crate::common::{Log, ms, throw, virtual_loop};
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use futures::executor::block_on as elsewhere;
use nodeloop::promise::PromiseError;
use nodeloop::{
    EventLoop, Handle, RemoteError, keep_alive, next_tick, queue_microtask, queue_work,
    set_immediate, set_timeout, spawn, spawn_blocking, time,
};

/// Counts its drops, and remembers those on a thread other than its own.
#[derive(Debug, Clone, Default)]
struct Drops {
    count: Arc<AtomicUsize>,
    elsewhere: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Guard {
    drops: Drops,
    owner: ThreadId,
}

impl Drops {
    /// To be dropped once, on this thread.
    fn guard(&self) -> Guard {
        Guard {
            drops: self.clone(),
            owner: thread::current().id(),
        }
    }

    #[track_caller]
    fn assert(&self, count: usize) {
        assert_eq!(self.count.load(Ordering::SeqCst), count, "drops");
        assert_eq!(
            self.elsewhere.load(Ordering::SeqCst),
            0,
            "on a wrong thread"
        );
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.drops.count.fetch_add(1, Ordering::SeqCst);
        if thread::current().id() != self.owner {
            self.drops.elsewhere.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn no_wake_of_many_threads_is_lost() {
    let _limit = limit();
    const THREADS: usize = 8;
    const EACH: usize = if cfg!(miri) { 50 } else { 5_000 };
    for mut event_loop in [
        real_loop(),
        EventLoop::builder().virtual_time().build().unwrap(),
    ] {
        let received = event_loop.run(async {
            let (sender, receiver) = mpsc::unbounded();
            for thread in 0..THREADS {
                let sender = sender.clone();
                thread::spawn(move || {
                    for n in 0..EACH {
                        sender.unbounded_send((thread, n)).unwrap();
                        if n % 64 == 0 {
                            thread::yield_now(); // so that the loop sleeps from time to time
                        }
                    }
                });
            }
            drop(sender);
            receiver.collect::<Vec<_>>().await
        });
        let received = received.unwrap();
        assert_eq!(received.len(), THREADS * EACH);
        for thread in 0..THREADS {
            let of_thread = received.iter().filter(|(from, _)| *from == thread);
            assert!(of_thread.map(|(_, n)| *n).eq(0..EACH));
        }
    }
}

#[test]
fn one_task_woken_by_many_threads_runs_for_each_change() {
    let _limit = limit();
    const THREADS: usize = 4;
    const EACH: usize = if cfg!(miri) { 100 } else { 10_000 };
    let total = THREADS * EACH;
    let (count, waker) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(None::<Waker>)),
    );
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (count, waker) = (count.clone(), waker.clone());
            thread::spawn(move || {
                for _ in 0..EACH {
                    count.fetch_add(1, Ordering::SeqCst);
                    let waker = waker.lock().unwrap().clone();
                    waker.inspect(Waker::wake_by_ref);
                }
            })
        })
        .collect();
    real_loop()
        .run(poll_fn(move |cx| {
            *waker.lock().unwrap() = Some(cx.waker().clone());
            if count.load(Ordering::SeqCst) == total {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
        .unwrap();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_wake_after_the_end_of_the_loop_does_nothing() {
    let _limit = limit();
    let (drops, kept) = (Drops::default(), Rc::new(RefCell::new(Vec::new())));
    let mut event_loop = real_loop();
    let (guard, keep) = (drops.guard(), kept.clone());
    event_loop
        .block_on(async move {
            drop(spawn(poll_fn(move |cx| {
                let _guard = &guard;
                keep.borrow_mut().push(cx.waker().clone());
                Poll::<()>::Pending
            })));
        })
        .unwrap();
    drops.assert(0);
    drop(event_loop);
    drops.assert(1);
    let wakers = kept.take();
    assert_eq!(wakers.len(), 1, "cancelled without another poll");
    wakers[0].wake_by_ref();
    thread::spawn(move || wakers.into_iter().for_each(Waker::wake))
        .join()
        .unwrap();
    drops.assert(1);
}

#[test]
fn what_is_sent_arrives_in_order_each_with_its_drain() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = real_loop();
    let remote = event_loop.handle();
    let (lines, next) = mpsc::unbounded();
    let log_line = move |line: &'static str| lines.unbounded_send(line).unwrap();
    let sent = {
        let log_line = log_line.clone();
        thread::spawn(move || {
            let with_drain = |post: &'static str, micro: &'static str, tick: &'static str| {
                let log_line = log_line.clone();
                move || {
                    log_line(post);
                    let (first, second) = (log_line.clone(), log_line);
                    queue_microtask(move || first(micro));
                    next_tick(move || second(tick));
                }
            };
            remote
                .post(with_drain("post 1", "micro 1", "tick 1"))
                .unwrap();
            let in_task = log_line.clone();
            let task = remote.spawn(move || {
                in_task("make");
                async move {
                    in_task("task");
                    nodeloop::yield_now().await;
                    in_task("check");
                    7
                }
            });
            remote
                .post(with_drain("post 2", "micro 2", "tick 2"))
                .unwrap();
            task
        })
        .join()
        .unwrap()
    };
    let line = log.clone();
    event_loop
        .run_script(move || {
            line.add("main");
            set_immediate(move || log_line("immediate"));
        })
        .unwrap();
    elsewhere(next.take(10).for_each(|line| {
        log.add(line);
        std::future::ready(())
    }));
    assert_eq!(elsewhere(sent).unwrap(), 7);
    log.assert([
        "main",
        "post 1", // all three had arrived before the poll phase
        "tick 1",
        "micro 1",
        "make", // the second message spawns at once
        "task",
        "post 2",
        "tick 2",
        "micro 2",
        "immediate",
        "check",
    ]);
}

#[test]
fn a_thread_wakes_a_loop_that_sleeps() {
    let _limit = limit();
    let mut event_loop = real_loop();
    event_loop
        .run_script(|| {
            let timer = set_timeout(Duration::from_secs(3_600), || unreachable!());
            let (remote, main) = (Handle::current(), thread::current().id());
            thread::spawn(move || {
                let posted = remote.post(move || assert_eq!(thread::current().id(), main));
                posted.unwrap();
                // The loop is asleep or about to be; this is the message that ends it.
                elsewhere(remote.spawn(move || async {})).unwrap();
                remote.post(|| TIMER.with_borrow(|timer| timer.as_ref().unwrap().clear()))
            });
            TIMER.set(Some(timer));
        })
        .unwrap();
    TIMER.take();
}

thread_local! {
    static TIMER: RefCell<Option<nodeloop::TimeoutHandle>> = const { RefCell::new(None) };
}

/// The first socket of a loop changes how it waits.
#[test]
fn a_thread_wakes_a_loop_before_and_after_its_first_socket() {
    let _limit = limit();
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 2_000 };
    let (to_thread, from_loop) = channel();
    let (to_loop, mut from_thread) = mpsc::unbounded();
    let thread = thread::spawn(move || {
        for round in from_loop {
            to_loop.unbounded_send(round).unwrap();
        }
    });
    nodeloop::run(async move {
        let mut socket = None;
        for round in 0..ROUNDS {
            if round == ROUNDS / 2 {
                socket = Some(nodeloop::net::UdpSocket::bind("127.0.0.1:0").await.unwrap());
            }
            to_thread.send(round).unwrap();
            assert_eq!(from_thread.next().await, Some(round));
        }
        assert!(socket.is_some());
    });
    thread.join().unwrap();
}

#[test]
fn a_loop_without_a_socket_waits_for_its_timers_and_for_threads() {
    let _limit = limit();
    nodeloop::run(async {
        let handle = Handle::current();
        let (sender, receiver) = oneshot::channel();
        let sent = nodeloop::time::Instant::now();
        time::sleep(ms(20)).await;
        assert!(sent.elapsed() >= ms(19));
        let thread = thread::spawn(move || handle.post(move || sender.send(7).unwrap()).unwrap());
        assert_eq!(receiver.await, Ok(7));
        thread.join().unwrap();
    });
}

#[test]
fn a_token_dropped_on_another_thread_ends_the_run() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let (sender, tokens) = channel();
    let dropping = thread::spawn(move || {
        for (n, token) in tokens.into_iter().enumerate() {
            for _ in 0..(n % 50) * 20 {
                std::hint::spin_loop(); // so that the loop is in another state each time
            }
            drop::<nodeloop::KeepAlive>(token);
        }
    });
    let rounds = if cfg!(miri) { 50 } else { 5_000 };
    for _ in 0..rounds {
        let sender = sender.clone();
        event_loop
            .run_script(move || sender.send(keep_alive()).unwrap())
            .unwrap();
    }
    drop(sender);
    dropping.join().unwrap();
}

/// Messages that a thread sends before it drops its token are delivered by the same run.
#[test]
fn messages_sent_before_the_token_is_dropped_are_run() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let ran = Arc::new(AtomicUsize::new(0));
    let rounds = if cfg!(miri) { 50 } else { 2_000 };
    for round in 1..=rounds {
        let ran_here = ran.clone();
        event_loop
            .run_script(move || {
                let (remote, token) = (Handle::current(), keep_alive());
                thread::spawn(move || {
                    remote
                        .post(move || {
                            ran_here.fetch_add(1, Ordering::SeqCst);
                        })
                        .unwrap();
                    drop(token);
                });
            })
            .unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), round);
    }
}

#[test]
fn a_handle_refuses_after_the_end_of_the_loop() {
    let _limit = limit();
    let drops = Drops::default();
    let event_loop = real_loop();
    let remote = event_loop.handle();
    let accepted = drops.guard();
    remote.post(move || drop(accepted)).unwrap();
    let task_guard = drops.guard();
    let task = remote.spawn(move || async move { drop(task_guard) });
    let token = remote.keep_alive();
    assert!(!remote.is_closed());
    drop(event_loop);
    drops.assert(2); // never run, and dropped here
    assert!(matches!(elsewhere(task), Err(RemoteError::Closed)));
    assert!(remote.is_closed());
    let theirs = drops.clone();
    thread::spawn(move || {
        drop(token);
        let guard = theirs.guard();
        let refused = remote.post(move || drop(guard)).unwrap_err();
        assert!(
            refused.to_string().contains("the event loop has ended"),
            "{refused}"
        );
        theirs.assert(3); // dropped by the thread that was refused
        let guard = theirs.guard();
        let task = remote.spawn(move || async move { drop(guard) });
        assert!(matches!(elsewhere(task), Err(RemoteError::Closed)));
        drop(remote.keep_alive());
        theirs.assert(4);
    })
    .join()
    .unwrap();
    drops.assert(4);
}

#[test]
fn a_remote_task_reports_how_it_ended() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let remote = event_loop.handle();
    let alive = remote.keep_alive();
    let asking = thread::spawn(move || {
        let _alive = alive;
        assert_eq!(elsewhere(remote.spawn(|| async { 7 })).unwrap(), 7);
        let panicked = elsewhere(remote.spawn(|| async { throw("in the task") }));
        assert_eq!(
            panicked.unwrap_err().to_string(),
            "the task panicked: in the task"
        );
        fn fails() -> std::future::Ready<()> {
            throw("in the closure")
        }
        let panicked = elsewhere(remote.spawn(fails));
        assert_eq!(
            panicked.unwrap_err().to_string(),
            "the task panicked: in the closure"
        );
        drop(remote.spawn(|| async { throw("no awaiter") }));
        let pending = remote.spawn(pending::<()>);
        remote.post(|| nodeloop::exit(3)).unwrap();
        assert!(matches!(elsewhere(pending), Err(RemoteError::Closed)));
    });
    let result = event_loop.run(pending::<()>());
    assert!(
        matches!(result, Err(nodeloop::RunError::Exit(3))),
        "{result:?}"
    );
    asking.join().unwrap();
}

/// Threads wake, send to and drop what they can reach while one loop after the other ends.
#[test]
fn a_loop_can_end_while_threads_wake_it() {
    let reason = "thousands of loops, and three threads that compete for their locks";
    let _limit = limit_of(Duration::from_secs(60), reason);
    const LOOPS: usize = if cfg!(miri) { 5 } else { 3_000 };
    const TASKS: usize = 6;
    let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
    let remote = Arc::new(Mutex::new(None::<nodeloop::Handle>));
    let over = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (wakers, remote, over) = (wakers.clone(), remote.clone(), over.clone());
            thread::spawn(move || {
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let clones = wakers.lock().unwrap().clone();
                    clones.iter().for_each(Waker::wake_by_ref);
                    clones.into_iter().rev().for_each(Waker::wake);
                    // Not each time: messages accumulate, and each loop has to run them.
                    let remote = remote.lock().unwrap().clone();
                    if let Some(remote) = remote.filter(|_| n % 32 == 0) {
                        let _ = remote.post(|| ());
                        drop(remote.spawn(pending::<()>));
                    }
                    thread::yield_now(); // the locks are not fair
                }
            })
        })
        .collect();
    let drops = Drops::default();
    for n in 0..LOOPS {
        let mut event_loop = if n % 2 == 0 {
            real_loop()
        } else {
            virtual_loop()
        };
        let (keep, each) = (wakers.clone(), drops.clone());
        *remote.lock().unwrap() = Some(event_loop.handle());
        event_loop
            .block_on(async move {
                for task in 0..TASKS {
                    let (guard, keep) = (each.guard(), keep.clone());
                    let mut polls = 0;
                    drop(spawn(poll_fn(move |cx| {
                        let _guard = &guard;
                        if polls == 0 {
                            keep.lock().unwrap().push(cx.waker().clone());
                        }
                        polls += 1;
                        // Half of them complete by themselves, while they are woken.
                        if task % 2 == 0 && polls == 3 {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    })));
                }
                if n % 3 == 0 {
                    nodeloop::yield_now().await;
                }
            })
            .unwrap();
        drop(event_loop);
        drops.assert((n + 1) * TASKS);
        wakers.lock().unwrap().clear();
    }
    over.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

// The pool.

#[test]
fn an_aborted_job_that_no_thread_has_started_leaves_the_queue() {
    let _limit = limit();
    let drops = Drops::default();
    let (mut event_loop, check) = (
        EventLoop::builder().blocking_threads(1).build().unwrap(),
        drops.clone(),
    );
    event_loop
        .run(async move {
            let (open, opened) = channel::<()>();
            let (started, starts) = channel::<()>();
            let first = spawn_blocking(move || {
                started.send(()).unwrap();
                opened.recv().unwrap();
                "first"
            });
            starts.recv().unwrap();
            let (guard, other) = (drops.guard(), drops.guard());
            let second = spawn_blocking(move || {
                drop(guard);
                unreachable!("it was aborted")
            })
            .settled();
            let third = queue_work(
                move || {
                    drop(other);
                    unreachable!("it was cancelled")
                },
                |()| unreachable!("it was cancelled"),
            );
            second.abort();
            assert!(third.cancel());
            assert!(!third.cancel());
            drops.assert(2);
            assert!(second.await.unwrap_err().is_aborted());
            open.send(()).unwrap();
            assert_eq!(first.await, "first");
            assert_eq!(
                spawn_blocking(|| "the queue continues").await,
                "the queue continues"
            );
        })
        .unwrap();
    check.assert(2);
}

#[test]
fn a_running_job_that_was_aborted_runs_on_and_its_result_is_dropped() {
    let _limit = limit();
    let mut event_loop = real_loop();
    event_loop
        .run(async {
            let (open, opened) = channel::<()>();
            let (started, starts) = channel::<()>();
            let drops = Drops::default();
            let result = drops.guard();
            let job = spawn_blocking(move || {
                started.send(()).unwrap();
                opened.recv().unwrap();
                result
            })
            .settled();
            starts.recv().unwrap();
            job.abort();
            assert!(job.await.unwrap_err().is_aborted());
            drops.assert(0);
            open.send(()).unwrap();
            time::wait_for_jobs();
            nodeloop::yield_now().await; // its poll phase
            drops.assert(1); // on the loop's thread, where it was made
        })
        .unwrap();
}

#[test]
fn a_job_that_outlives_its_loop_drops_its_result_on_its_own_thread() {
    let _limit = limit();
    let (open, opened) = channel::<()>();
    let (started, starts) = channel();
    let (dropped, drops) = channel();
    let waiting = Drops::default();
    let mut event_loop = EventLoop::builder().blocking_threads(1).build().unwrap();
    let never_started = waiting.guard();
    let job_thread = event_loop
        .block_on(async move {
            drop(spawn_blocking(move || {
                started.send(thread::current().id()).unwrap();
                opened.recv().unwrap();
                SendsThread(dropped)
            }));
            drop(spawn_blocking(move || {
                drop(never_started);
                unreachable!("the loop has ended")
            }));
            starts.recv().unwrap()
        })
        .unwrap();
    drop(event_loop); // does not wait for the job
    waiting.assert(1); // the other one is dropped here
    open.send(()).unwrap();
    assert_eq!(drops.recv().unwrap(), job_thread);
}

struct SendsThread(std::sync::mpsc::Sender<ThreadId>);

impl Drop for SendsThread {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

#[test]
fn a_panic_in_a_job_reaches_its_awaiter() {
    let _limit = limit();
    let mut event_loop = virtual_loop();
    event_loop
        .run(async {
            let failure = spawn_blocking(|| throw("in the job")).settled().await;
            let Err(PromiseError::Panicked(payload)) = failure else {
                panic!("{failure:?}");
            };
            assert_eq!(payload.message(), "in the job");
            let awaiting = spawn(async { spawn_blocking(|| throw("in the job")).await });
            assert!(awaiting.settled().await.unwrap_err().is_panic());
        })
        .unwrap();
    let error = event_loop
        .run_script(|| drop(queue_work(|| throw("in the work"), |()| unreachable!())))
        .unwrap_err();
    assert!(error.to_string().contains("in the work"), "{error}");
    let error = event_loop
        .run_script(|| drop(spawn_blocking(|| throw("no awaiter"))))
        .unwrap_err();
    assert!(
        matches!(error, nodeloop::RunError::Unhandled { .. }),
        "{error:?}"
    );
}

#[test]
fn at_most_n_jobs_run_at_a_time_and_n_of_them_do() {
    let _limit = limit();
    for limit in [1, 3, 4, 9] {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = most.clone();
        let mut event_loop = EventLoop::builder()
            .blocking_threads(limit)
            .build()
            .unwrap();
        event_loop
            .run(async move {
                // The first ones wait for each other, so that many must run at once.
                let all_here = Arc::new(std::sync::Barrier::new(limit));
                let jobs: Vec<_> = (0..300)
                    .map(|n| {
                        let (running, most) = (running.clone(), most.clone());
                        let all_here = all_here.clone();
                        spawn_blocking(move || {
                            most.fetch_max(
                                running.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
                            if n < limit {
                                all_here.wait();
                            }
                            running.fetch_sub(1, Ordering::SeqCst);
                            n
                        })
                    })
                    .collect();
                for (n, job) in jobs.into_iter().enumerate() {
                    assert_eq!(job.await, n);
                }
            })
            .unwrap();
        assert_eq!(seen.load(Ordering::SeqCst), limit);
    }
}

/// R60: with one thread the order is that of submission, of jobs and of completions.
#[test]
fn jobs_are_taken_in_the_order_of_submission() {
    let _limit = limit();
    let log = Log::new();
    let line = log.clone();
    EventLoop::builder()
        .blocking_threads(1)
        .virtual_time()
        .build()
        .unwrap()
        .run(async move {
            let (sender, started) = channel();
            for n in 0..200 {
                let (sender, line) = (sender.clone(), line.clone());
                queue_work(move || sender.send(n).unwrap(), move |()| line.add(n));
            }
            time::wait_for_jobs();
            assert!(started.try_iter().eq(0..200));
            assert_eq!(line.lines().len(), 0, "nothing is delivered meanwhile");
        })
        .unwrap();
    assert!(log.lines().into_iter().eq((0..200).map(|n| n.to_string())));
}

/// Virtual time does not jump over a job, and a job that waits for the loop does not hang.
#[test]
fn a_job_holds_virtual_time_and_may_wait_for_the_loop() {
    let _limit = limit();
    let log = Log::new();
    let line = log.clone();
    virtual_loop()
        .run(async move {
            let remote = Handle::current();
            let in_timer = line.clone();
            set_timeout(ms(10), move || in_timer.add("timer"));
            let (answer, question) = oneshot::channel::<&'static str>();
            let job = spawn_blocking(move || {
                let answered = remote.spawn(move || async move { answer.send("from the loop") });
                elsewhere(answered).unwrap().unwrap();
                "job"
            });
            line.add(question.await.unwrap());
            line.add(job.await);
        })
        .unwrap();
    log.assert(["from the loop", "job", "timer"]);
}
