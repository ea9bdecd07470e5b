//! Two loops that share a single thread (`BLOCKING_MAX_THREADS=1`). The variable is read once in a
//! process, so each test runs in a process of its own that has it set.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, mpsc};
use std::thread;

use crate::common::block_on;
use crate::common::limit::limit;
use crate::common::process::in_own_process_with;
use nodeloop::{EventLoop, spawn_blocking, time};

const ONE_THREAD: [(&str, &str); 1] = [("BLOCKING_MAX_THREADS", "1")];

/// A thread runs a number of jobs of one loop and then those of the other loop.
#[test]
fn two_loops_take_turns_with_one_thread() {
    let _limit = limit();
    if in_own_process_with(two_loops_take_turns_with_one_thread, &ONE_THREAD) {
        return;
    }
    let done = Arc::new(AtomicUsize::new(0));
    let (first_started, second_may_submit) = channel();
    let (submitted, first_may_go_on): (Sender<()>, Receiver<()>) = mpsc::channel();
    let counted = done.clone();
    let many = thread::spawn(move || {
        block_on(async move {
            let mut jobs = vec![spawn_blocking(move || {
                first_started.send(()).unwrap();
                first_may_go_on.recv().unwrap();
            })];
            for _ in 0..1_000 {
                let counted = counted.clone();
                jobs.push(spawn_blocking(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                }));
            }
            for job in jobs {
                job.await;
            }
        });
    });
    second_may_submit.recv().unwrap();
    let counted = done.clone();
    let before = block_on(async move {
        let job = spawn_blocking(move || counted.load(Ordering::SeqCst));
        submitted.send(()).unwrap();
        job.await
    });
    many.join().unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1_000);
    assert!(
        before < 1_000,
        "the other loop had to wait for {before} jobs"
    );
}

/// Four concurrent jobs are allowed, but there is one thread: they run one after the other, in order.
#[test]
fn jobs_keep_their_order_with_one_thread() {
    let _limit = limit();
    if in_own_process_with(jobs_keep_their_order_with_one_thread, &ONE_THREAD) {
        return;
    }
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    event_loop
        .block_on(async {
            let (sender, started) = channel();
            for n in 0..500 {
                let sender = sender.clone();
                drop(spawn_blocking(move || sender.send(n).unwrap()));
            }
            time::wait_for_jobs();
            assert!(started.try_iter().eq(0..500));
        })
        .unwrap();
}
