//! The queue through which other threads reach a loop.
//!
//! Any thread may push to it, and a [`Notifier`] decides which push has to wake the loop out of its
//! poll phase. The poll phase hands out the messages, each as a macrotask of its own. A wake on the
//! loop's own thread is a message as well while the loop is not running (between two runs, or while
//! another loop runs).
//!
//! Invariants: a message that was accepted is handed out or, at the end of the loop, dropped on the
//! loop's thread; after the end nothing is accepted.

mod notifier;
mod parker;
mod tokens;

/// The atomics of `notifier.rs` and `tokens.rs`, which the loom model replaces.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
}

/// What `parker.rs` uses of threads, which the loom model replaces.
mod threads {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering};
    pub(super) use std::sync::{Condvar, Mutex};
}

use std::any::Any;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{ThreadId, yield_now};
use std::time::Duration;

use concurrent_queue::{ConcurrentQueue, PushError};
use mio::Token;

use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::reactor::main_waker::MainWaker;
use crate::reactor::task_waker::TaskWaker;
use notifier::Notifier;
use parker::Parker;
use tokens::Tokens;

/// How often a loop checks for a message that is about to arrive: for a few microseconds in all.
const CHECKS_BEFORE_WAIT: usize = 16;

/// A message for the loop.
pub(crate) enum Message {
    /// A task was woken by another thread, or while the loop was not running.
    Wake(Arc<TaskWaker>),
    /// The main future was woken by another thread, or while the loop was not running.
    WakeMain(Arc<MainWaker>),
    /// A callback was sent through a handle.
    Post(Box<dyn FnOnce() + Send>, SourceLocation),
    /// A task that the loop does not own is to be polled.
    Runnable(Box<dyn ForeignRunnable>, SourceLocation),
    /// The external operation of this number has finished.
    External(u64, Box<dyn Any + Send>),
    /// The external operation of this number will never finish.
    ExternalDropped(u64),
    /// A job of the pool has finished.
    JobDone(u64, std::thread::Result<Box<dyn Any + Send>>),
    /// A source that the operating system can't watch has become ready.
    #[cfg_attr(unix, expect(dead_code, reason = "Unix can watch every source"))]
    Source(Token, SourceEvent),
    /// A signal of this number has arrived.
    #[cfg_attr(
        unix,
        expect(dead_code, reason = "on Unix, signals arrive through pipes")
    )]
    Signal(i32),
}

/// A task that another executor has made, to be polled once. `Any` returns it to its sender if the loop
/// has ended.
pub(crate) trait ForeignRunnable: Any + Send {
    fn run(self: Box<Self>);
}

/// What a thread reports about a source on behalf of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(unix, allow(dead_code, reason = "Unix can watch every source"))]
pub(crate) enum SourceEvent {
    Readable,
    /// Reading never blocks again.
    ReadClosed,
    Writable,
    /// Writing never blocks again.
    WriteClosed,
}

/// What a main future carries, readable on any thread.
pub(crate) struct MainMeta {
    /// The queue of its loop.
    pub(crate) remote_queue: Arc<RemoteQueue>,
    pub(crate) location: SourceLocation,
    /// The number of its promise.
    pub(crate) promise: u64,
}

impl MainMeta {
    pub(crate) fn origin(&self, kind: StepKind) -> Origin {
        Origin {
            resource: NonZeroU64::new(self.promise),
            ..Origin::new(kind, self.location)
        }
    }
}

/// A message, and the thread that sent it if the queue records that.
pub(crate) struct Envelope {
    pub(crate) message: Message,
    pub(crate) sender: Option<ThreadId>,
    /// The number of the handle that sent a callback.
    pub(crate) handle: u64,
}

pub(crate) struct RemoteQueue {
    id: u64,
    messages: ConcurrentQueue<Envelope>,
    /// Whether messages carry their senders.
    records_senders: bool,
    notifier: Notifier,
    /// Ends a wait for the operating system, once the loop has something of it to wait for.
    waker: OnceLock<mio::Waker>,
    /// Before that, the wait of the loop.
    parker: Parker,
    tokens: Tokens,
    /// How many handles were created that are no clones.
    handles: AtomicU64,
}

impl RemoteQueue {
    pub(crate) fn new(records_senders: bool) -> RemoteQueue {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        RemoteQueue {
            // Relaxed: only uniqueness counts.
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            // Unbounded: a sender must not block on a loop that may be waiting for it, and a wake
            // must not fail. Wakes are bounded by the number of tasks, job results by the number of
            // jobs; senders must bound callbacks themselves.
            messages: ConcurrentQueue::unbounded(),
            records_senders,
            notifier: Notifier::new(),
            waker: OnceLock::new(),
            parker: Parker::new(),
            tokens: Tokens::new(),
            handles: AtomicU64::new(0),
        }
    }

    /// Returns the number of a new handle.
    pub(crate) fn next_handle(&self) -> u64 {
        self.handles.fetch_add(1, Ordering::Relaxed) + 1 // Relaxed: only uniqueness counts
    }

    /// Pushes a message from any thread, or returns it if the loop has ended.
    pub(crate) fn push(&self, message: Message) -> Result<(), Message> {
        self.push_from(0, message)
    }

    /// Pushes a message of the handle with this number.
    pub(crate) fn push_from(&self, handle: u64, message: Message) -> Result<(), Message> {
        let sender = self.records_senders.then(|| std::thread::current().id());
        let envelope = Envelope {
            message,
            sender,
            handle,
        };
        match self.messages.push(envelope) {
            Ok(()) => {
                self.notify_loop();
                Ok(())
            }
            Err(PushError::Closed(envelope) | PushError::Full(envelope)) => Err(envelope.message),
        }
    }

    /// Adds a keep-alive token from any thread. The caller passes the key to
    /// [`RemoteQueue::drop_token`].
    pub(crate) fn add_token(&self, location: SourceLocation) -> usize {
        self.tokens.add(location)
    }

    /// Removes a keep-alive token from any thread.
    pub(crate) fn drop_token(&self, key: usize) {
        self.tokens.remove(key);
        self.notify_loop(); // the loop may be waiting for nothing else
    }

    /// Returns how many messages are in the queue now.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    #[inline(always)] // so that the message is not copied
    pub(crate) fn pop(&self) -> Option<Envelope> {
        self.messages.pop().ok()
    }

    /// Returns whether a keep-alive token exists.
    pub(crate) fn has_tokens(&self) -> bool {
        self.tokens.exist()
    }

    /// Returns where the tokens were created.
    pub(crate) fn token_locations(&self) -> Vec<SourceLocation> {
        self.tokens.locations()
    }

    /// Marks the loop as parked. Afterwards the loop must check the messages and the tokens again
    /// before it waits, because another thread may have changed them.
    pub(crate) fn prepare_park(&self) {
        self.notifier.prepare_park();
    }

    /// Marks the loop as running: it has waited, or does not wait after all.
    pub(crate) fn unpark(&self) {
        self.notifier.unpark();
    }

    /// Sets what ends the waits of the loop from now on. The loop's thread calls it, once.
    pub(crate) fn set_waker(&self, waker: mio::Waker) {
        let is_first = self.waker.set(waker).is_ok();
        debug_assert!(is_first, "a loop opens the operating system's poll once");
    }

    /// Waits until another thread notifies the loop, for `timeout` at most. Only for a loop without a
    /// [waker](RemoteQueue::set_waker), between [`prepare_park`](RemoteQueue::prepare_park) and
    /// [`unpark`](RemoteQueue::unpark).
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        self.parker.wait(timeout);
    }

    /// Lets other threads run a few times, until one of them has sent a message. Returns whether one has.
    pub(crate) fn has_message_soon(&self) -> bool {
        (0..CHECKS_BEFORE_WAIT).any(|_| {
            yield_now();
            !self.is_empty()
        })
    }

    /// Refuses all messages from now on.
    pub(crate) fn close(&self) {
        self.messages.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    fn notify_loop(&self) {
        if self.notifier.should_notify() {
            match self.waker.get() {
                // This fails only when the kernel is out of memory. The loop then finds the message in
                // its next turn.
                Some(waker) => drop(waker.wake()),
                None => self.parker.notify(),
            }
        }
    }
}

impl fmt::Debug for RemoteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteQueue({})", self.id)
    }
}
