//! What threads share in the library, under every interleaving (with few preemptions in a large model, see
//! below) and every permitted order of memory operations: the remote queue, the wait of the loop, keep-alive tokens, the wakers of a main future and of a task, the worker pool, and the
//! channel of a worker.
//!
//! ```text
//! cargo test -p nodeloop-loom
//! ```
//!
//! `unchanged.rs`, `pool.rs` and `worker.rs` include files of the library; the rest models what surrounds
//! them. Each property is checked by a test, and each step that it needs by a test that
//! omits the step and must fail. A loop that sleeps forever is a deadlock to loom.
//! `tests/loom/weaken.sh` weakens each memory order of those files, omits steps of them, and checks that
//! a test fails.
//!
//! Where a complete search takes too long, a thread is preempted at most four times in one execution
//! ([`explore`]), and three times in those of the pool and of the main waker, which have more steps.

#![cfg(test)]
#![allow(clippy::duplicate_mod)] // on purpose: each file, and the file without its memory order

mod main_waker;
mod parker;
mod pool;
mod relaxed;
mod remote_queue;
mod task_waker;
mod unchanged;
mod worker;

// The paths by which the library's files import what the models replace.
mod reactor {
    pub(crate) use crate::pool::remote_queue;
}
mod runtime {
    pub(crate) use crate::worker::handle;
}
mod phases {
    pub(crate) mod macrotask {
        #[derive(Clone, Copy)]
        pub(crate) struct TaskKey {
            pub(crate) index: usize,
            pub(crate) promise: u64,
        }
    }
}

use std::cell::RefCell;
use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use remote_queue::{Loop, Parts, Recheck, Unchanged, WithRelaxedTokens, WithoutFences};

loom::lazy_static! {
    /// How many owners have dropped a value. The files of the library need the `Arc` of std, whose count loom
    /// does not order, so this takes its place in the order.
    static ref DROPS: AtomicUsize = AtomicUsize::new(0);
}

/// Drops an owner of a value as `Arc` does: with Release.
fn release<T>(value: Arc<T>) {
    DROPS.fetch_add(1, Ordering::Release);
    drop(value);
}

/// Returns how many owners a value has. An Acquire fence after it pairs with [`release`].
pub(crate) fn strong_count<T>(value: &Arc<T>) -> usize {
    DROPS.fetch_add(0, Ordering::Relaxed); // sees the latest of them
    Arc::strong_count(value)
}

/// Runs every execution with at most four preemptions.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    explore_at_most(4, model);
}

/// Runs every execution with at most so many preemptions.
fn explore_at_most(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Two threads send one message each, and the loop sleeps until it has both.
fn receive_two<P: Parts>(recheck: Recheck) {
    let the_loop = Loop::<P>::new(recheck);
    let senders = [1, 2].map(|message| {
        let remote_queue = the_loop.remote_queue.clone();
        thread::spawn(move || remote_queue.push(message).unwrap())
    });
    let received = RefCell::new(Vec::new());
    while received.borrow().len() < 2 {
        the_loop.wait(|| true);
        received
            .borrow_mut()
            .extend(std::iter::from_fn(|| the_loop.pop()));
    }
    for sender in senders {
        sender.join().unwrap();
    }
    received.borrow_mut().sort_unstable();
    assert_eq!(*received.borrow(), [1, 2]);
}

#[test]
fn no_wake_is_lost() {
    explore(|| receive_two::<Unchanged>(Recheck::MessagesAndTokens));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fences_a_wake_is_lost() {
    explore(|| receive_two::<WithoutFences>(Recheck::MessagesAndTokens));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_second_check_a_wake_is_lost() {
    explore(|| receive_two::<Unchanged>(Recheck::Nothing));
}

/// One thread sends two messages. The second may arrive while the loop unparks after the first.
#[test]
fn no_wake_is_lost_between_two_sleeps() {
    explore(|| {
        let the_loop = Loop::<Unchanged>::new(Recheck::MessagesAndTokens);
        let remote_queue = the_loop.remote_queue.clone();
        let sender = thread::spawn(move || {
            remote_queue.push(1).unwrap();
            remote_queue.push(2).unwrap();
        });
        for expected in [1, 2] {
            while the_loop.is_empty() {
                the_loop.wait(|| true);
            }
            assert_eq!(the_loop.pop(), Some(expected)); // and in the order of one sender
        }
        sender.join().unwrap();
    });
}

/// The loop opens the operating system's poll after the sender has got its handle, so that the sender must
/// see what the loop waits on.
fn receive_with_a_poll<P: Parts>() {
    let the_loop = Loop::<P>::new(Recheck::MessagesAndTokens);
    let remote_queue = the_loop.remote_queue.clone();
    let sender = thread::spawn(move || remote_queue.push(1).unwrap());
    the_loop.open_poll();
    while the_loop.is_empty() {
        the_loop.wait(|| true);
    }
    assert_eq!(the_loop.pop(), Some(1));
    sender.join().unwrap();
}

#[test]
fn no_wake_is_lost_when_the_loop_opens_the_poll() {
    explore(receive_with_a_poll::<Unchanged>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fences_the_poll_is_missed() {
    explore(receive_with_a_poll::<WithoutFences>);
}

/// A thread holds a keep-alive token, sends a message and drops the token. The loop runs while it is
/// alive, as `run_while_alive` does.
fn run_until_the_token_is_gone<P: Parts>(recheck: Recheck, is_alive: fn(&Loop<P>) -> bool) {
    let the_loop = Loop::<P>::new(recheck);
    let token = the_loop.remote_queue.add_token();
    let remote_queue = the_loop.remote_queue.clone();
    let holder = thread::spawn(move || {
        remote_queue.push(1).unwrap();
        remote_queue.drop_token(token);
    });
    let mut received = 0;
    while is_alive(&the_loop) {
        the_loop.wait(|| is_alive(&the_loop));
        received += std::iter::from_fn(|| the_loop.pop()).count();
    }
    assert_eq!(received, 1, "the run ended before a message was handed out");
    holder.join().unwrap();
}

#[test]
fn a_dropped_token_ends_the_run_after_what_was_sent_before_it() {
    let is_alive = Loop::<Unchanged>::is_alive;
    explore(move || run_until_the_token_is_gone(Recheck::MessagesAndTokens, is_alive));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_second_check_of_the_tokens_the_drop_of_one_is_missed() {
    let is_alive = Loop::<Unchanged>::is_alive;
    explore(move || run_until_the_token_is_gone(Recheck::Messages, is_alive));
}

#[test]
#[should_panic(expected = "the run ended before a message was handed out")]
fn without_the_order_of_the_tokens_a_message_is_missed() {
    let is_alive = Loop::<WithRelaxedTokens>::is_alive;
    explore(move || run_until_the_token_is_gone(Recheck::MessagesAndTokens, is_alive));
}

#[test]
#[should_panic(expected = "the run ended before a message was handed out")]
fn checking_messages_before_tokens_misses_one() {
    let wrong_order = |the_loop: &Loop<Unchanged>| !the_loop.is_empty() || the_loop.has_tokens();
    explore(move || run_until_the_token_is_gone(Recheck::MessagesAndTokens, wrong_order));
}

/// A thread that sends nothing has written something before it dropped its token.
fn run_until_a_silent_token_is_gone<P: Parts>() {
    let the_loop = Loop::<P>::new(Recheck::MessagesAndTokens);
    let token = the_loop.remote_queue.add_token();
    let written = Arc::new(AtomicUsize::new(0));
    let (remote_queue, writes) = (the_loop.remote_queue.clone(), written.clone());
    let holder = thread::spawn(move || {
        writes.store(1, Ordering::Relaxed);
        remote_queue.drop_token(token);
    });
    while the_loop.is_alive() {
        the_loop.wait(|| the_loop.is_alive());
    }
    let seen = written.load(Ordering::Relaxed);
    assert_eq!(seen, 1, "the run ended before a write");
    holder.join().unwrap();
}

#[test]
fn what_was_written_before_a_token_was_dropped_is_seen_after_the_run() {
    explore(run_until_a_silent_token_is_gone::<Unchanged>);
}

#[test]
#[should_panic(expected = "the run ended before a write")]
fn without_the_order_of_the_tokens_a_write_is_missed() {
    explore(run_until_a_silent_token_is_gone::<WithRelaxedTokens>);
}

/// The shutdown sees what was accepted before it, and nothing is accepted after it.
#[test]
fn nothing_accepted_is_lost_at_the_end() {
    loom::model(|| {
        let the_loop = Loop::<Unchanged>::new(Recheck::MessagesAndTokens);
        let accepted = Arc::new(AtomicUsize::new(0));
        let senders = [1, 2].map(|message| {
            let (remote_queue, accepted) = (the_loop.remote_queue.clone(), accepted.clone());
            thread::spawn(move || match remote_queue.push(message) {
                Ok(()) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                Err(refused) => assert_eq!(refused, message),
            })
        });
        the_loop.close();
        let seen = std::iter::from_fn(|| the_loop.pop()).count();
        assert_eq!(the_loop.remote_queue.push(3), Err(3));
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(seen, accepted.load(Ordering::Relaxed));
        assert!(the_loop.pop().is_none());
    });
}
