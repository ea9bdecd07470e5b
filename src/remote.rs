//! The remote door: the only way into a loop from another thread.
//!
//! A queue that any thread may push to, and a bell that wakes the loop out of its poll phase.
//! What comes through the door is handed out by the poll phase in the order of arrival, each
//! message a macrotask of its own. Also a wake on the loop's own thread comes this way while
//! the loop is not running (between two runs, or while another loop runs).
//!
//! All atomics and locks of the library are in this module and in `pool.rs`, but for those of
//! `signals/`, which are the process's, and of `worker.rs`, which only carry messages of the user's.
//!
//! Invariants: a message accepted is handed out or, at the loop's end, dropped on the loop's
//! thread; after the end nothing is accepted. A [`Runnable`] that is refused is forgotten, not
//! dropped: its future belongs to the loop's thread.

mod bell;

/// What `bell.rs` is built on; the loom model gives it loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering, fence};
}

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_task::Runnable;
use concurrent_queue::{ConcurrentQueue, PushError};

use crate::macrotask::{Origin, Place, StepKind};
use bell::Bell;

/// Something that came in through the door.
pub(crate) enum Message {
    /// A task was woken from outside.
    Wake(Runnable<TaskMeta>),
    /// A callback was sent by a handle.
    Post(Box<dyn FnOnce() + Send>, Place),
    /// A job of the pool has finished.
    JobDone(u64, std::thread::Result<Box<dyn Any + Send>>),
}

/// What every task carries, readable on any thread: the door of its loop, and where it was made.
pub(crate) struct TaskMeta {
    pub(crate) door: Arc<Door>,
    pub(crate) place: Place,
    /// The number of its promise.
    pub(crate) promise: u64,
}

impl TaskMeta {
    pub(crate) fn origin(&self, kind: StepKind) -> Origin {
        Origin::of(kind, self.place, self.promise)
    }
}

pub(crate) struct Door {
    id: u64,
    messages: ConcurrentQueue<Message>,
    bell: Bell,
    waker: mio::Waker,
    /// Keep-alive tokens that are out.
    tokens: AtomicUsize,
}

impl Door {
    pub(crate) fn new(waker: mio::Waker) -> Door {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Door {
            // Relaxed: only uniqueness counts.
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            // Unbounded: a sender must not block on a loop that may be waiting for it, and a
            // wake must not fail. Wakes are bounded by the number of tasks, completions by the
            // number of jobs; what is posted is the sender's to bound.
            messages: ConcurrentQueue::unbounded(),
            bell: Bell::new(),
            waker,
            tokens: AtomicUsize::new(0),
        }
    }

    /// The identity of the loop behind the door.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Any thread: leaves a message, or gives it back when the loop has ended.
    pub(crate) fn push(&self, message: Message) -> Result<(), Message> {
        match self.messages.push(message) {
            Ok(()) => {
                self.ring();
                Ok(())
            }
            Err(PushError::Closed(message) | PushError::Full(message)) => Err(message),
        }
    }

    /// Any thread: a task of this loop was woken elsewhere.
    pub(crate) fn wake(&self, runnable: Runnable<TaskMeta>) {
        if let Err(Message::Wake(runnable)) = self.push(Message::Wake(runnable)) {
            std::mem::forget(runnable);
        }
    }

    /// Any thread: one keep-alive token more.
    pub(crate) fn add_token(&self) {
        // Relaxed: whoever adds one runs on the loop or holds what keeps it alive.
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Any thread: one keep-alive token less.
    pub(crate) fn drop_token(&self) {
        // Release pairs with the Acquire in `has_tokens`.
        self.tokens.fetch_sub(1, Ordering::Release);
        self.ring(); // the loop may be waiting for nothing but this
    }

    /// The loop: how many messages are here now.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn pop(&self) -> Option<Message> {
        self.messages.pop().ok()
    }

    /// Whether a keep-alive token is out.
    pub(crate) fn has_tokens(&self) -> bool {
        // Acquire pairs with the Release of a token's drop: what its thread sent before is
        // here when the token is seen to be gone.
        self.tokens.load(Ordering::Acquire) > 0
    }

    /// The loop is about to wait. Behind this call it must look once more at what another
    /// thread may have changed: the messages and the tokens.
    pub(crate) fn lie_down(&self) {
        self.bell.lie_down();
    }

    pub(crate) fn get_up(&self) {
        self.bell.get_up();
    }

    /// The end: nothing is accepted any more.
    pub(crate) fn close(&self) {
        self.messages.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    fn ring(&self) {
        if self.bell.must_ring() {
            // The only way for this to fail is a kernel out of memory; the loop then notices
            // the message at its next turn.
            let _ = self.waker.wake();
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.id)
    }
}
