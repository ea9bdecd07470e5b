//! The wakers of a main future: two threads wake it, each after a write that the future reads.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::relaxed::main_waker::MainWaker as Relaxed;
use crate::unchanged::main_waker::MainWaker as Unchanged;
use crate::{relaxed, unchanged};

/// The part of a main waker that the model uses.
trait Waker: Send + Sync + 'static {
    fn running() -> Self;
    fn schedule(self: &Arc<Self>) -> bool;
    fn schedule_here(self: &Arc<Self>) -> bool;
    fn begin_poll(self: &Arc<Self>) -> bool;
    fn begin_last_poll(&self);
    fn end_poll(self: &Arc<Self>, is_finished: bool) -> bool;
    fn is_finished(&self) -> bool;
    fn count(self: &Arc<Self>) -> usize;
}

impl Waker for Unchanged {
    fn running() -> Self {
        Self::running(unchanged::remote_queue::MainMeta)
    }
    fn schedule(self: &Arc<Self>) -> bool {
        (**self).schedule()
    }
    fn schedule_here(self: &Arc<Self>) -> bool {
        self.schedule_here()
    }
    fn begin_poll(self: &Arc<Self>) -> bool {
        self.begin_poll()
    }
    fn begin_last_poll(&self) {
        self.begin_last_poll();
    }
    fn end_poll(self: &Arc<Self>, is_finished: bool) -> bool {
        self.end_poll(is_finished)
    }
    fn is_finished(&self) -> bool {
        self.is_finished()
    }
    fn count(self: &Arc<Self>) -> usize {
        self.count()
    }
}

impl Waker for Relaxed {
    fn running() -> Self {
        Self::running(relaxed::remote_queue::MainMeta)
    }
    fn schedule(self: &Arc<Self>) -> bool {
        (**self).schedule()
    }
    fn schedule_here(self: &Arc<Self>) -> bool {
        self.schedule_here()
    }
    fn begin_poll(self: &Arc<Self>) -> bool {
        self.begin_poll()
    }
    fn begin_last_poll(&self) {
        self.begin_last_poll();
    }
    fn end_poll(self: &Arc<Self>, is_finished: bool) -> bool {
        self.end_poll(is_finished)
    }
    fn is_finished(&self) -> bool {
        self.is_finished()
    }
    fn count(self: &Arc<Self>) -> usize {
        self.count()
    }
}

/// The queue of the loop, which contains the main future at most once.
#[derive(Default)]
struct Queue {
    is_queued: Mutex<bool>,
    changed: Condvar,
}

impl Queue {
    fn push(&self) {
        let was_queued = std::mem::replace(&mut *self.is_queued.lock().unwrap(), true);
        assert!(!was_queued, "the main future was queued twice");
        self.changed.notify_one();
    }

    fn pop(&self) {
        let mut is_queued = self.is_queued.lock().unwrap();
        while !*is_queued {
            is_queued = self.changed.wait(is_queued).unwrap();
        }
        *is_queued = false;
    }
}

/// A main future that finishes when both threads have written, and is polled only when it is woken.
fn run_until_both_have_written<W: Waker>() {
    let waker = Arc::new(W::running());
    let _own = [waker.clone(), waker.clone()]; // the other references of the loop
    let mut wakes_itself = true;
    let queue = Arc::new(Queue::default());
    let written = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let threads = written.clone().map(|written| {
        let (waker, queue) = (waker.clone(), queue.clone());
        thread::spawn(move || {
            written.store(true, Ordering::Relaxed);
            if waker.schedule() {
                queue.push();
            }
            crate::release(waker);
        })
    });
    loop {
        let is_finished = written.iter().all(|it| it.load(Ordering::Relaxed));
        if std::mem::take(&mut wakes_itself) {
            assert!(!waker.schedule_here(), "it is being polled");
        }
        if waker.end_poll(is_finished) {
            queue.push();
        }
        if is_finished {
            break;
        }
        queue.pop();
        assert!(waker.begin_poll(), "what is queued is scheduled");
    }
    assert!(waker.is_finished());
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(!waker.schedule(), "a wake after the end has no effect");
    assert_eq!(waker.count(), 3, "the threads have dropped theirs");
}

#[test]
fn no_wake_of_the_main_future_is_lost() {
    super::explore(run_until_both_have_written::<Unchanged>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_its_memory_order_a_wake_of_the_main_future_is_lost() {
    super::explore(run_until_both_have_written::<Relaxed>);
}

/// The end of a run polls the future a last time, whether or not it is scheduled.
fn last_poll<W: Waker>() {
    let waker = Arc::new(W::running());
    let _own = [waker.clone(), waker.clone()];
    assert!(!waker.end_poll(false));
    let written = Arc::new(AtomicBool::new(false));
    let (remote, writes) = (waker.clone(), written.clone());
    let thread = thread::spawn(move || {
        writes.store(true, Ordering::Relaxed);
        let is_queued = remote.schedule();
        crate::release(remote);
        is_queued
    });
    waker.begin_last_poll();
    let has_seen = written.load(Ordering::Relaxed);
    assert!(!waker.end_poll(true));
    // Only a wake before the last poll queues it, and the loop drops what is queued then.
    let was_before = thread.join().unwrap();
    assert!(
        has_seen || !was_before,
        "the last poll misses what was written before a wake"
    );
    assert!(!waker.schedule());
}

#[test]
fn a_wake_during_the_last_poll_queues_nothing() {
    loom::model(last_poll::<Unchanged>);
}

#[test]
#[should_panic(expected = "misses what was written before a wake")]
fn without_its_memory_order_the_last_poll_misses_a_write() {
    loom::model(last_poll::<Relaxed>);
}
