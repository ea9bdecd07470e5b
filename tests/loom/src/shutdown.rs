//! The race of a wake with the end of the loop: a model of `src/event_loop/shutdown.rs` with a main future,
//! which the thread that wakes it queues.

use std::cell::Cell;
use std::sync::Arc;

use loom::sync::atomic::{AtomicU8, Ordering};
use loom::thread;

use crate::remote_queue::{Loop, Recheck, RemoteQueue, Unchanged};

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const DONE: u8 = 2;

/// The part of a main waker that matters: the thread that marks the future as scheduled pushes it.
struct Task {
    state: AtomicU8,
}

impl Task {
    /// Returns true to the caller that must push the future.
    fn schedule(&self) -> bool {
        self.state
            .compare_exchange(IDLE, SCHEDULED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

const WAKE_MAIN: u32 = 7;

/// Uses a waker of the future on another thread. Returns false if the queue refused the message.
fn wake(task: &Task, remote_queue: &RemoteQueue<Unchanged>) -> bool {
    !task.schedule() || remote_queue.push(WAKE_MAIN).is_ok()
}

/// Models `cancel_all` and the close of `shut_down`. Returns how often the future was dropped.
fn shut_down(the_loop: &Loop<Unchanged>, task: &Task, waits_for_wakes_in_flight: bool) -> u32 {
    let dropped = Cell::new(0);
    let is_registered = || dropped.get() == 0;
    let run_cancelled = || {
        task.state.store(DONE, Ordering::Release);
        dropped.set(dropped.get() + 1);
    };
    loop {
        if is_registered() && task.schedule() {
            run_cancelled(); // by way of the microtask queue, which only this thread sees
        }
        while the_loop.pop().is_some() {
            run_cancelled();
        }
        if !waits_for_wakes_in_flight || (!is_registered() && the_loop.is_empty()) {
            break;
        }
        if is_registered() && the_loop.is_empty() {
            the_loop.wait(|| true);
        }
    }
    the_loop.close();
    while the_loop.pop().is_some() {
        run_cancelled();
    }
    dropped.get()
}

fn wake_at_the_end(waits_for_wakes_in_flight: bool) {
    let the_loop = Loop::<Unchanged>::new(Recheck::MessagesAndTokens);
    let state = AtomicU8::new(IDLE);
    let task = Arc::new(Task { state });
    let wakers = [(); 2].map(|()| {
        let (task, remote_queue) = (task.clone(), the_loop.remote_queue.clone());
        thread::spawn(move || wake(&task, &remote_queue))
    });
    let dropped = shut_down(&the_loop, &task, waits_for_wakes_in_flight);
    let accepted = wakers.map(|waker| waker.join().unwrap());
    assert_eq!(
        dropped, 1,
        "the future is dropped once, on the loop's thread"
    );
    assert_eq!(accepted, [true; 2], "no wake was refused");
}

#[test]
fn the_end_waits_for_a_wake_in_flight() {
    loom::model(|| wake_at_the_end(true));
}

#[test]
#[should_panic(expected = "the future is dropped once")]
fn an_end_that_does_not_wait_leaks_the_task() {
    loom::model(|| wake_at_the_end(false));
}
