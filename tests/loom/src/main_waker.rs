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
    fn schedule(&self) -> bool;
    fn send(&self) -> bool;
    fn receive(&self);
    fn begin_poll(&self) -> bool;
    fn end_poll(&self, is_finished: bool) -> bool;
    fn is_finished(&self) -> bool;
    fn count(self: &Arc<Self>) -> usize;
}

impl Waker for Unchanged {
    fn running() -> Self {
        Self::running(unchanged::remote_queue::MainMeta)
    }
    fn schedule(&self) -> bool {
        self.schedule()
    }
    fn send(&self) -> bool {
        self.send()
    }
    fn receive(&self) {
        self.receive();
    }
    fn begin_poll(&self) -> bool {
        self.begin_poll()
    }
    fn end_poll(&self, is_finished: bool) -> bool {
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
    fn schedule(&self) -> bool {
        self.schedule()
    }
    fn send(&self) -> bool {
        self.send()
    }
    fn receive(&self) {
        self.receive();
    }
    fn begin_poll(&self) -> bool {
        self.begin_poll()
    }
    fn end_poll(&self, is_finished: bool) -> bool {
        self.end_poll(is_finished)
    }
    fn is_finished(&self) -> bool {
        self.is_finished()
    }
    fn count(self: &Arc<Self>) -> usize {
        self.count()
    }
}

/// The remote queue, which contains a wake of the main future at most once.
#[derive(Default)]
struct Queue {
    is_queued: Mutex<bool>,
    changed: Condvar,
}

impl Queue {
    fn push(&self) {
        let was_queued = std::mem::replace(&mut *self.is_queued.lock().unwrap(), true);
        assert!(!was_queued, "two wakes of the main future are on their way");
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
    let queue = Arc::new(Queue::default());
    let written = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let threads = written.clone().map(|written| {
        let (waker, queue) = (waker.clone(), queue.clone());
        thread::spawn(move || {
            written.store(true, Ordering::Relaxed);
            if waker.send() {
                queue.push();
            }
            crate::release(waker);
        })
    });
    loop {
        let is_finished = written.iter().all(|it| it.load(Ordering::Relaxed));
        assert!(!waker.end_poll(is_finished), "only a message wakes it");
        if is_finished {
            break;
        }
        queue.pop();
        waker.receive();
        if !waker.schedule() {
            // Another wake is on its way, which schedules it.
            queue.pop();
            waker.receive();
            assert!(waker.schedule(), "no third wake is on its way");
        }
        assert!(waker.begin_poll(), "what is queued is scheduled");
    }
    assert!(waker.is_finished());
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(!waker.send(), "a wake after the end has no effect");
    assert_eq!(waker.count(), 3, "the threads have dropped theirs");
}

#[test]
fn no_wake_of_the_main_future_is_lost() {
    super::explore_at_most(3, run_until_both_have_written::<Unchanged>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_its_memory_order_a_wake_of_the_main_future_is_lost() {
    super::explore_at_most(3, run_until_both_have_written::<Relaxed>);
}
