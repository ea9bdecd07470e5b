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

mod notifier;

/// What `notifier.rs` is built on; the loom model gives it loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering, fence};
}

use std::any::Any;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::thread::ThreadId;

use async_task::Runnable;
use concurrent_queue::{ConcurrentQueue, PushError};
use slab::Slab;

use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use notifier::Notifier;

/// Something that came in through the door.
pub(crate) enum Message {
    /// A task was woken from outside.
    Wake(Runnable<TaskMeta>),
    /// A callback was sent by a handle.
    Post(Box<dyn FnOnce() + Send>, SourceLocation),
    /// A job of the pool has finished.
    JobDone(u64, std::thread::Result<Box<dyn Any + Send>>),
}

/// What every task carries, readable on any thread: the door of its loop, and where it was made.
pub(crate) struct TaskMeta {
    pub(crate) remote_queue: Arc<RemoteQueue>,
    pub(crate) location: SourceLocation,
    /// The number of its promise.
    pub(crate) promise: u64,
}

impl TaskMeta {
    pub(crate) fn origin(&self, kind: StepKind) -> Origin {
        Origin {
            resource: NonZeroU64::new(self.promise),
            ..Origin::new(kind, self.location)
        }
    }
}

/// A message, and the thread that sent it if that is noted.
struct Envelope {
    message: Message,
    sender: Option<ThreadId>,
}

pub(crate) struct RemoteQueue {
    id: u64,
    messages: ConcurrentQueue<Envelope>,
    /// Whether it is noted who sends what: an exploration keeps the order of each thread.
    records_senders: bool,
    notifier: Notifier,
    waker: mio::Waker,
    /// Keep-alive tokens that are out.
    tokens: AtomicUsize,
    /// Where they were made, for reports. Only the number above decides anything.
    token_locations: Mutex<Slab<SourceLocation>>,
}

impl RemoteQueue {
    pub(crate) fn new(waker: mio::Waker, records_senders: bool) -> RemoteQueue {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        RemoteQueue {
            // Relaxed: only uniqueness counts.
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            // Unbounded: a sender must not block on a loop that may be waiting for it, and a
            // wake must not fail. Wakes are bounded by the number of tasks, completions by the
            // number of jobs; what is posted is the sender's to bound.
            messages: ConcurrentQueue::unbounded(),
            records_senders,
            notifier: Notifier::new(),
            waker,
            tokens: AtomicUsize::new(0),
            token_locations: Mutex::default(),
        }
    }

    /// The identity of the loop behind the door.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Any thread: leaves a message, or gives it back when the loop has ended.
    pub(crate) fn push(&self, message: Message) -> Result<(), Message> {
        let sender = self.records_senders.then(|| std::thread::current().id());
        match self.messages.push(Envelope { message, sender }) {
            Ok(()) => {
                self.notify_loop();
                Ok(())
            }
            Err(PushError::Closed(envelope) | PushError::Full(envelope)) => Err(envelope.message),
        }
    }

    /// Any thread: a task of this loop was woken elsewhere.
    pub(crate) fn wake(&self, runnable: Runnable<TaskMeta>) {
        if let Err(Message::Wake(runnable)) = self.push(Message::Wake(runnable)) {
            std::mem::forget(runnable);
        }
    }

    /// Any thread: one keep-alive token more. What comes back goes to [`RemoteQueue::drop_token`].
    pub(crate) fn add_token(&self, location: SourceLocation) -> usize {
        // Relaxed: whoever adds one runs on the loop or holds what keeps it alive.
        self.tokens.fetch_add(1, Ordering::Relaxed);
        self.lock_token_locations().insert(location)
    }

    /// Any thread: one keep-alive token less.
    pub(crate) fn drop_token(&self, key: usize) {
        self.lock_token_locations().remove(key);
        // Release pairs with the Acquire in `has_tokens`.
        self.tokens.fetch_sub(1, Ordering::Release);
        self.notify_loop(); // the loop may be waiting for nothing but this
    }

    /// The loop: how many messages are here now.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn pop(&self) -> Option<Message> {
        self.messages.pop().ok().map(|envelope| envelope.message)
    }

    /// The next message and who sent it, if that is noted.
    pub(crate) fn pop_with_sender(&self) -> Option<(Message, Option<ThreadId>)> {
        let envelope = self.messages.pop().ok()?;
        Some((envelope.message, envelope.sender))
    }

    /// Whether a keep-alive token is out.
    pub(crate) fn has_tokens(&self) -> bool {
        // Acquire pairs with the Release of a token's drop: what its thread sent before is
        // here when the token is seen to be gone.
        self.tokens.load(Ordering::Acquire) > 0
    }

    /// Where the tokens that are out were made.
    pub(crate) fn token_locations(&self) -> Vec<SourceLocation> {
        let locations = self.lock_token_locations();
        locations.iter().map(|(_, location)| *location).collect()
    }

    fn lock_token_locations(&self) -> MutexGuard<'_, Slab<SourceLocation>> {
        // No user code runs under the lock, so a poisoned one is still whole.
        self.token_locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop is about to wait. Behind this call it must look once more at what another
    /// thread may have changed: the messages and the tokens.
    pub(crate) fn prepare_park(&self) {
        self.notifier.prepare_park();
    }

    pub(crate) fn unpark(&self) {
        self.notifier.unpark();
    }

    /// The end: nothing is accepted any more.
    pub(crate) fn close(&self) {
        self.messages.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    fn notify_loop(&self) {
        if self.notifier.should_notify() {
            // The only way for this to fail is a kernel out of memory; the loop then notices
            // the message at its next turn.
            let _ = self.waker.wake();
        }
    }
}

impl fmt::Debug for RemoteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.id)
    }
}
