//! The wakers of a task: two threads wake it, each after a write that the future reads.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::phases::macrotask::TaskKey;
use crate::relaxed::task_waker::TaskWaker as Relaxed;
use crate::unchanged::task_waker::TaskWaker as Unchanged;
use crate::{relaxed, unchanged};

const TASK: TaskKey = TaskKey {
    index: 1,
    promise: 2,
};

/// The part of a task waker that the model uses.
trait Waker: Send + Sync + 'static {
    fn of_task() -> Self;
    fn send(&self) -> bool;
    fn receive(&self);
    fn is_sent(&self) -> bool;
}

impl Waker for Unchanged {
    fn of_task() -> Self {
        Self::new(Arc::new(unchanged::remote_queue::RemoteQueue), TASK)
    }
    fn send(&self) -> bool {
        self.send()
    }
    fn receive(&self) {
        self.receive();
    }
    fn is_sent(&self) -> bool {
        self.is_sent()
    }
}

impl Waker for Relaxed {
    fn of_task() -> Self {
        Self::new(Arc::new(relaxed::remote_queue::RemoteQueue), TASK)
    }
    fn send(&self) -> bool {
        self.send()
    }
    fn receive(&self) {
        self.receive();
    }
    fn is_sent(&self) -> bool {
        self.is_sent()
    }
}

/// The remote queue, which contains a wake of the task at most once.
#[derive(Default)]
struct Queue {
    is_queued: Mutex<bool>,
    changed: Condvar,
}

impl Queue {
    fn push(&self) {
        let was_queued = std::mem::replace(&mut *self.is_queued.lock().unwrap(), true);
        assert!(!was_queued, "two wakes of the task are on their way");
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

/// A task that finishes when both threads have written, and is polled only when it is woken.
fn run_until_both_have_written<W: Waker>() {
    let waker = Arc::new(W::of_task());
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
    while !written.iter().all(|it| it.load(Ordering::Relaxed)) {
        queue.pop();
        waker.receive();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    // The last wake may be on its way. If so, it is in the queue.
    assert_eq!(waker.is_sent(), *queue.is_queued.lock().unwrap());
}

#[test]
fn no_wake_of_a_task_is_lost() {
    super::explore(run_until_both_have_written::<Unchanged>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_its_memory_order_a_wake_of_a_task_is_lost() {
    super::explore(run_until_both_have_written::<Relaxed>);
}
