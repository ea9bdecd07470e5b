//! Access to a loop from other threads: a handle to send work, and a token that keeps it alive.
//!
//! Both use the queue for other threads (`reactor/remote_queue.rs`).

mod foreign_task;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::channel::oneshot;
use futures::future::FusedFuture;

use crate::event_loop::current::{current, try_current};
use crate::hooks::uncaught::PanicPayload;
use crate::promise::{PromiseError, spawn_at};
use crate::reactor::remote_queue::{Message, RemoteQueue};

pub use foreign_task::ScheduleError;

/// Returns a token that keeps the loop of this thread alive until it is dropped, on any thread.
///
/// # Panics
///
/// Panics if no event loop runs on this thread.
#[track_caller]
pub fn keep_alive() -> KeepAlive {
    Handle::new(current("keep_alive").remote_queue.clone()).keep_alive()
}

/// Sends work to a loop from any thread.
///
/// Create one with [`Handle::current`] on the loop's thread or with
/// [`EventLoop::handle`](crate::EventLoop::handle), and pass clones of it to other threads. A handle
/// does not keep its loop alive; a [`KeepAlive`] token does. Messages are received in the poll phase,
/// in the order of arrival, each as a macrotask with a drain of its own (R66). After the end of the
/// loop every call fails with [`LoopClosed`].
pub struct Handle {
    remote_queue: Arc<RemoteQueue>,
    /// By which a recording knows the sender of a callback. It depends on how the handle was made, not
    /// on when.
    number: u64,
    clones: AtomicU64,
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        // Relaxed: only uniqueness counts.
        let index = self.clones.fetch_add(1, Ordering::Relaxed) + 1;
        Handle {
            remote_queue: self.remote_queue.clone(),
            number: number_of_clone(self.number, index),
            clones: AtomicU64::new(0),
        }
    }
}

/// Returns the number of a clone, which differs from those of other handles in all likelihood.
fn number_of_clone(original: u64, index: u64) -> u64 {
    let mixed = (original << 20 ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29) >> 16
}

impl Handle {
    pub(crate) fn new(remote_queue: Arc<RemoteQueue>) -> Handle {
        Handle {
            number: remote_queue.next_handle(),
            remote_queue,
            clones: AtomicU64::new(0),
        }
    }

    /// Returns a handle to the loop that runs on this thread, for other threads.
    ///
    /// # Panics
    ///
    /// Panics if no event loop runs on this thread.
    #[track_caller]
    pub fn current() -> Handle {
        Handle::new(current("Handle::current").remote_queue.clone())
    }

    /// Returns a handle to the loop that runs on this thread, if there is one.
    ///
    /// # Errors
    ///
    /// Returns a [`TryCurrentError`] if no event loop runs on this thread. That is also the case in an
    /// [observer](crate::observe), which must not use the loop that it observes.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::Handle;
    ///
    /// assert!(Handle::try_current().is_err());
    /// nodeloop::run(async {
    ///     let handle = Handle::try_current().unwrap();
    ///     assert!(!handle.is_closed());
    /// });
    /// ```
    pub fn try_current() -> Result<Handle, TryCurrentError> {
        match try_current() {
            Some(state) => Ok(Handle::new(state.remote_queue.clone())),
            None => Err(TryCurrentError { _private: () }),
        }
    }

    /// Runs `callback` on the loop's thread, as a macrotask of its poll phase.
    ///
    /// A message that has arrived runs even if nothing else keeps the loop alive. A message that is
    /// still queued when the loop is dropped is dropped on the loop's thread.
    ///
    /// # Errors
    ///
    /// Returns [`LoopClosed`] if the loop has ended; `callback` is then dropped on this thread.
    #[track_caller]
    pub fn post(&self, callback: impl FnOnce() + Send + 'static) -> Result<(), LoopClosed> {
        let message = Message::Post(Box::new(callback), Location::caller());
        self.send(message)
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: Message) -> Result<(), LoopClosed> {
        let pushed = self.remote_queue.push_from(self.number, message);
        pushed.map_err(|_| LoopClosed)
    }

    /// Calls `make` on the loop's thread and [spawns](crate::spawn) the future it returns there.
    ///
    /// The future need not be `Send`; only `make` and the output cross threads. The returned future
    /// can be awaited on any thread and any executor. Dropping it does not stop the task.
    ///
    /// # Errors
    ///
    /// The returned future resolves to [`RemoteError::Closed`] if the loop has ended or ends before
    /// the task does, and to [`RemoteError::Panicked`] if the task panics.
    #[track_caller]
    pub fn spawn<M, F>(&self, make: M) -> RemotePromise<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let location = Location::caller();
        // If the loop has ended, the sender is dropped, which completes the receiver.
        let _ = self.post(move || match catch_unwind(AssertUnwindSafe(make)) {
            Ok(future) => {
                let promise = spawn_at(location, future);
                promise.into_state().when_settled(move |outcome| {
                    let _ = sender.send(outcome.map_err(RemoteError::from));
                });
            }
            Err(payload) => {
                let _ = sender.send(Err(RemoteError::Panicked(PanicPayload::new(payload))));
            }
        });
        RemotePromise { receiver }
    }

    /// Returns a token that keeps the loop alive until it is dropped, on any thread.
    #[track_caller]
    pub fn keep_alive(&self) -> KeepAlive {
        KeepAlive {
            key: self.remote_queue.add_token(Location::caller()),
            remote_queue: self.remote_queue.clone(),
        }
    }

    /// Returns whether the loop has ended; sending fails from then on.
    pub fn is_closed(&self) -> bool {
        self.remote_queue.is_closed()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.remote_queue).finish()
    }
}

/// Keeps a loop alive, as a pending operation does, until it is dropped.
///
/// It is `Send`: a thread can hold a token until it has sent its result to the loop.
#[derive(Debug)]
#[must_use = "dropping the token lets the loop end"]
pub struct KeepAlive {
    remote_queue: Arc<RemoteQueue>,
    key: usize,
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.remote_queue.drop_token(self.key);
    }
}

/// The error of [`Handle::try_current`]: no event loop runs on this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryCurrentError {
    _private: (),
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no event loop runs on this thread; call this from code that a loop has called")
    }
}

impl std::error::Error for TryCurrentError {}

/// The error of sending to a loop that has ended.
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
/// Dropping it detaches the task, which continues to run. Polled again after it has returned its
/// result, it returns [`RemoteError::Closed`].
///
/// # Cancel safety
///
/// It is cancel safe: the result is kept until it is polled again.
#[derive(Debug)]
#[must_use = "dropping a promise discards its output, even an `Err`: await it, or call `detach()`"]
pub struct RemotePromise<T> {
    receiver: oneshot::Receiver<Result<T, RemoteError>>,
}

impl<T> RemotePromise<T> {
    /// Lets the task run on without its promise, and discards the result.
    ///
    /// This is what dropping the promise does; the call shows that it is intended.
    pub fn detach(self) {}
}

impl<T> Future for RemotePromise<T> {
    type Output = Result<T, RemoteError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver)
            .poll(cx)
            .map(|received| received.unwrap_or(Err(RemoteError::Closed)))
    }
}

impl<T> FusedFuture for RemotePromise<T> {
    fn is_terminated(&self) -> bool {
        self.receiver.is_terminated()
    }
}

/// Why a [`RemotePromise`] has no value.
pub enum RemoteError {
    /// The loop has ended, or the task was aborted.
    Closed,
    /// The task panicked, with this payload.
    Panicked(PanicPayload),
}

impl From<PromiseError> for RemoteError {
    fn from(error: PromiseError) -> RemoteError {
        match error {
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
            RemoteError::Panicked(payload) => write!(f, "the task panicked: {payload}"),
        }
    }
}

impl std::error::Error for RemoteError {}
