//! What other threads hold of a loop: a handle to send through, and a token that keeps it alive.
//!
//! Nothing in here is more than a message through the remote door (`remote.rs`).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::channel::oneshot;

use crate::event_loop::current::current;
use crate::hooks::uncaught::payload_text;
use crate::promise::{PromiseError, spawn};
use crate::reactor::remote_queue::{Message, RemoteQueue};

/// A handle to the loop that runs on this thread, for other threads.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn handle() -> Handle {
    Handle::new(current("handle").remote_queue.clone())
}

/// A token that keeps the loop of this thread alive until it is dropped, on whatever thread.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn keep_alive() -> KeepAlive {
    Handle::new(current("keep_alive").remote_queue.clone()).keep_alive()
}

/// Sends work to a loop from any thread.
///
/// Get one with [`handle`](crate::handle) on the loop's thread or with
/// [`EventLoop::handle`](crate::EventLoop::handle), clone it freely, and give the clones to
/// other threads. A handle does not keep its loop alive (that is what [`KeepAlive`] is for), and
/// everything that is sent arrives in the poll phase, in the order of arrival, each message a
/// macrotask with a drain of its own (R66). After the end of the loop every call fails with
/// [`LoopClosed`].
#[derive(Clone)]
pub struct Handle {
    remote_queue: Arc<RemoteQueue>,
}

impl Handle {
    pub(crate) fn new(remote_queue: Arc<RemoteQueue>) -> Handle {
        Handle { remote_queue }
    }

    /// Runs `callback` on the loop's thread, as a macrotask of its poll phase.
    ///
    /// A message that has arrived is run even if nothing else keeps the loop alive; one that is
    /// still queued when the loop is dropped is dropped on the loop's thread.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] if the loop has ended; `callback` is then dropped on this thread.
    #[track_caller]
    pub fn post(&self, callback: impl FnOnce() + Send + 'static) -> Result<(), LoopClosed> {
        let message = Message::Post(Box::new(callback), Location::caller());
        self.remote_queue.push(message).map_err(|_| LoopClosed)
    }

    /// Calls `make` on the loop's thread and [spawns](crate::spawn) the future it returns there.
    ///
    /// The future need not be `Send`; only `make` and the output cross threads. What comes back
    /// can be awaited on any thread and any executor; dropping it lets the task run on.
    ///
    /// # Errors
    ///
    /// The returned future gives [`RemoteError::Closed`] if the loop has ended or ends before
    /// the task does, and [`RemoteError::Panicked`] if the task panics.
    #[track_caller]
    pub fn spawn<M, F>(&self, make: M) -> RemotePromise<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        // If the loop has ended the sender is dropped, which tells the receiver.
        let _ = self.post(move || match catch_unwind(AssertUnwindSafe(make)) {
            Ok(future) => {
                let promise = spawn(future);
                // `settled` never panics, so the bridge's own promise has nothing to report.
                drop(spawn(async move {
                    let outcome = promise.settled().await.map_err(RemoteError::from);
                    let _ = sender.send(outcome);
                }));
            }
            Err(payload) => {
                let _ = sender.send(Err(RemoteError::Panicked(payload)));
            }
        });
        RemotePromise { receiver }
    }

    /// A token that keeps the loop alive until it is dropped, on whatever thread.
    #[track_caller]
    pub fn keep_alive(&self) -> KeepAlive {
        KeepAlive {
            key: self.remote_queue.add_token(Location::caller()),
            remote_queue: self.remote_queue.clone(),
        }
    }

    /// Whether the loop has ended; from then on everything that is sent fails.
    pub fn is_closed(&self) -> bool {
        self.remote_queue.is_closed()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.remote_queue).finish()
    }
}

/// Keeps a loop alive as a pending operation does, until it is dropped.
///
/// It is `Send`: a thread that will send something to the loop holds one meanwhile.
#[derive(Debug)]
#[must_use = "dropping the token is what ends it"]
pub struct KeepAlive {
    remote_queue: Arc<RemoteQueue>,
    key: usize,
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.remote_queue.drop_token(self.key);
    }
}

/// The loop has ended, so nothing can be sent to it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopClosed;

impl fmt::Display for LoopClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop has ended; stop sending to it, or keep it alive with a token")
    }
}

impl std::error::Error for LoopClosed {}

/// The result of [`Handle::spawn`], awaitable on any thread.
///
/// Dropping it detaches the task. It is cancel safe: it can be polled again after any other
/// branch won. Polled once more after it has given its result it gives
/// [`RemoteError::Closed`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled; the task itself runs anyway"]
pub struct RemotePromise<T> {
    receiver: oneshot::Receiver<Result<T, RemoteError>>,
}

impl<T> Future for RemotePromise<T> {
    type Output = Result<T, RemoteError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver)
            .poll(cx)
            .map(|received| received.unwrap_or(Err(RemoteError::Closed)))
    }
}

/// Why a [`RemotePromise`] has no value.
pub enum RemoteError {
    /// The loop has ended, or the task was aborted.
    Closed,
    /// The task panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
}

impl From<PromiseError> for RemoteError {
    fn from(failure: PromiseError) -> RemoteError {
        match failure {
            PromiseError::Panicked(payload) => RemoteError::Panicked(payload),
            _ => RemoteError::Closed,
        }
    }
}

impl fmt::Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteError::Closed => f.write_str("the event loop ended before the task did"),
            RemoteError::Panicked(payload) => {
                write!(f, "the task panicked: {}", payload_text(&**payload))
            }
        }
    }
}

impl std::error::Error for RemoteError {}
