//! A model of `src/reactor/remote_queue.rs` around the notifier, with loom's primitives for the queue and
//! the poll.
//!
//! The queue is a locked list that can be closed, which is how a linearizable concurrent queue appears
//! from outside. Whether it is *empty*, however, is read from a relaxed counter: a lock would order the
//! two sides and hide a missing fence. The real queue answers with a sequentially consistent load, so
//! what holds here holds there.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};

use crate::{fenced, fenceless};

/// The real notifier, and the one without fences.
pub(crate) trait Notifier: 'static {
    fn new() -> Self;
    fn prepare_park(&self);
    fn unpark(&self);
    fn should_notify(&self) -> bool;
}

pub(crate) struct RemoteQueue<B> {
    notifier: B,
    messages: Mutex<Messages>,
    /// How many messages were ever accepted.
    accepted: AtomicUsize,
    tokens: AtomicUsize,
    waker: Waker,
}

#[derive(Default)]
struct Messages {
    list: VecDeque<u32>,
    is_closed: bool,
}

/// The loop's side of the queue.
pub(crate) struct Loop<B> {
    pub(crate) remote_queue: Arc<RemoteQueue<B>>,
    /// How many messages were ever removed.
    taken: Cell<usize>,
    pub(crate) recheck: Recheck,
}

/// What the loop checks again after `prepare_park`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recheck {
    /// As the library does.
    MessagesAndTokens,
    /// Not enough.
    Messages,
    /// Not enough.
    Nothing,
}

impl<B: Notifier> RemoteQueue<B> {
    pub(crate) fn push(&self, message: u32) -> Result<(), u32> {
        let mut messages = self.messages.lock().unwrap();
        if messages.is_closed {
            return Err(message);
        }
        messages.list.push_back(message);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        drop(messages);
        self.notify_loop();
        Ok(())
    }

    pub(crate) fn drop_token(&self) {
        self.tokens.fetch_sub(1, Ordering::Release);
        self.notify_loop();
    }

    fn notify_loop(&self) {
        if self.notifier.should_notify() {
            self.waker.wake();
        }
    }
}

impl<B: Notifier> Loop<B> {
    pub(crate) fn new(tokens: usize, recheck: Recheck) -> Loop<B> {
        let remote_queue = RemoteQueue {
            notifier: B::new(),
            messages: Mutex::default(),
            accepted: AtomicUsize::new(0),
            tokens: AtomicUsize::new(tokens),
            waker: Waker::default(),
        };
        Loop {
            remote_queue: Arc::new(remote_queue),
            taken: Cell::new(0),
            recheck,
        }
    }

    pub(crate) fn pop(&self) -> Option<u32> {
        let message = self
            .remote_queue
            .messages
            .lock()
            .unwrap()
            .list
            .pop_front()?;
        self.taken.set(self.taken.get() + 1);
        Some(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remote_queue.accepted.load(Ordering::Relaxed) == self.taken.get()
    }

    pub(crate) fn has_tokens(&self) -> bool {
        self.remote_queue.tokens.load(Ordering::Acquire) > 0
    }

    /// The end of `LoopState::is_alive`.
    pub(crate) fn is_alive(&self) -> bool {
        self.has_tokens() || !self.is_empty()
    }

    /// `PollPhase::poll_once` with an unlimited wait. `must_wait` is evaluated after `prepare_park`.
    pub(crate) fn wait(&self, must_wait: impl Fn() -> bool) {
        if !self.is_empty() {
            return;
        }
        self.remote_queue.notifier.prepare_park();
        let still = match self.recheck {
            Recheck::MessagesAndTokens => self.is_empty() && must_wait(),
            Recheck::Messages => self.is_empty(),
            Recheck::Nothing => true,
        };
        if still {
            self.remote_queue.waker.wait();
        }
        self.remote_queue.notifier.unpark();
    }

    pub(crate) fn close(&self) {
        self.remote_queue.messages.lock().unwrap().is_closed = true;
    }
}

/// The operating system's wait and what ends it: an event that stays signalled until a wait consumes it.
/// If no thread ends a wait, loom reports a deadlock.
#[derive(Default)]
struct Waker {
    is_signalled: Mutex<bool>,
    changed: Condvar,
}

impl Waker {
    fn wake(&self) {
        *self.is_signalled.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut is_signalled = self.is_signalled.lock().unwrap();
        while !*is_signalled {
            is_signalled = self.changed.wait(is_signalled).unwrap();
        }
        *is_signalled = false;
    }
}

impl Notifier for fenced::notifier::Notifier {
    fn new() -> Self {
        Self::new()
    }

    fn prepare_park(&self) {
        self.prepare_park();
    }

    fn unpark(&self) {
        self.unpark();
    }

    fn should_notify(&self) -> bool {
        self.should_notify()
    }
}

impl Notifier for fenceless::notifier::Notifier {
    fn new() -> Self {
        Self::new()
    }

    fn prepare_park(&self) {
        self.prepare_park();
    }

    fn unpark(&self) {
        self.unpark();
    }

    fn should_notify(&self) -> bool {
        self.should_notify()
    }
}
