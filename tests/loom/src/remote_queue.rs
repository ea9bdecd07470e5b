//! A model of `src/reactor/remote_queue.rs` around the notifier and the tokens, with loom's primitives
//! for the queue and the poll.
//!
//! The queue is a locked list that can be closed, which is how a linearizable concurrent queue appears
//! from outside. Whether it is *empty*, however, is read from a relaxed counter: a lock would order the
//! two sides and hide a missing fence. The real queue answers with a sequentially consistent load, so
//! what holds here holds there.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};

use crate::{relaxed, unchanged};

/// The parts of the queue that are files of the library.
pub(crate) trait Parts: 'static {
    type Notifier: Notifier;
    type Tokens: Tokens;
}

/// As the library has them.
pub(crate) struct Unchanged;

impl Parts for Unchanged {
    type Notifier = unchanged::notifier::Notifier;
    type Tokens = unchanged::tokens::Tokens;
}

pub(crate) struct WithoutFences;

impl Parts for WithoutFences {
    type Notifier = relaxed::notifier::Notifier;
    type Tokens = unchanged::tokens::Tokens;
}

pub(crate) struct WithRelaxedTokens;

impl Parts for WithRelaxedTokens {
    type Notifier = unchanged::notifier::Notifier;
    type Tokens = relaxed::tokens::Tokens;
}

pub(crate) trait Notifier: 'static {
    fn new() -> Self;
    fn prepare_park(&self);
    fn unpark(&self);
    fn should_notify(&self) -> bool;
}

pub(crate) trait Tokens: 'static {
    fn new() -> Self;
    fn add(&self) -> usize;
    fn remove(&self, key: usize);
    fn exist(&self) -> bool;
}

pub(crate) struct RemoteQueue<P: Parts> {
    notifier: P::Notifier,
    messages: Mutex<Messages>,
    /// How many messages were ever accepted.
    accepted: AtomicUsize,
    tokens: P::Tokens,
    parker: Waker,
    waker: Waker,
    /// Whether the loop waits on `waker`. Relaxed, so that only the notifier orders it.
    is_open: AtomicBool,
}

#[derive(Default)]
struct Messages {
    list: VecDeque<u32>,
    is_closed: bool,
}

/// The loop's side of the queue.
pub(crate) struct Loop<P: Parts> {
    pub(crate) remote_queue: Arc<RemoteQueue<P>>,
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

impl<P: Parts> RemoteQueue<P> {
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

    pub(crate) fn add_token(&self) -> usize {
        self.tokens.add()
    }

    pub(crate) fn drop_token(&self, key: usize) {
        self.tokens.remove(key);
        self.notify_loop();
    }

    fn notify_loop(&self) {
        if self.notifier.should_notify() {
            self.wait_of_loop().wake();
        }
    }

    fn wait_of_loop(&self) -> &Waker {
        match self.is_open.load(Ordering::Relaxed) {
            true => &self.waker,
            false => &self.parker,
        }
    }
}

impl<P: Parts> Loop<P> {
    pub(crate) fn new(recheck: Recheck) -> Loop<P> {
        let remote_queue = RemoteQueue {
            notifier: P::Notifier::new(),
            messages: Mutex::default(),
            accepted: AtomicUsize::new(0),
            tokens: P::Tokens::new(),
            parker: Waker::default(),
            waker: Waker::default(),
            is_open: AtomicBool::new(false),
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
        self.remote_queue.tokens.exist()
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
            self.remote_queue.wait_of_loop().wait();
        }
        self.remote_queue.notifier.unpark();
    }

    /// `Poller::open`: the loop waits on the operating system's poll from now on.
    pub(crate) fn open_poll(&self) {
        self.remote_queue.is_open.store(true, Ordering::Relaxed);
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

impl Notifier for unchanged::notifier::Notifier {
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

impl Tokens for unchanged::tokens::Tokens {
    fn new() -> Self {
        Self::new()
    }

    fn add(&self) -> usize {
        self.add(Location::caller())
    }

    fn remove(&self, key: usize) {
        self.remove(key);
    }

    fn exist(&self) -> bool {
        self.exist()
    }
}

impl Notifier for relaxed::notifier::Notifier {
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

impl Tokens for relaxed::tokens::Tokens {
    fn new() -> Self {
        Self::new()
    }

    fn add(&self) -> usize {
        self.add(Location::caller())
    }

    fn remove(&self, key: usize) {
        self.remove(key);
    }

    fn exist(&self) -> bool {
        self.exist()
    }
}
