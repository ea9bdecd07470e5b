//! The future that resolves to a value or a [`PromiseError`], and the ways to abort.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::awaiter::Awaiter;
use super::error::PromiseError;
use super::next::Rejected;
use super::state::{Abortable, State};

/// The future of [`Promise::settled`](super::Promise::settled) and of the same method of the other
/// types of promises.
///
/// It never panics: a panic of the task, an abort and the end of the loop are its `Err`. Awaiting it
/// costs one turn (R45). Only this future can abort a promise, so that an abort is an `Err`, too.
///
/// For a [`TryPromise`](super::TryPromise) the output is a `Result` within a `Result`:
/// `promise.settled().await??`, or [`flatten`](Settled::flatten).
///
/// # Cancel safety
///
/// It can be polled repeatedly in a `select!`. Dropping it detaches the task as
/// [`detach`](Settled::detach) does, unless [`abort_on_drop`](Settled::abort_on_drop) was called.
///
/// # Examples
///
/// ```
/// use std::{future::pending, time::Duration};
/// use nodeloop::{set_timeout, spawn};
///
/// let result = nodeloop::block_on(async {
///     let task = spawn(pending::<u32>()).settled();
///     let handle = task.abort_handle();
///     set_timeout(Duration::from_millis(1), move || handle.abort());
///     task.await
/// });
/// assert!(result.unwrap_err().is_aborted());
/// ```
#[must_use = "dropping it discards the outcome: await it, or call `detach()`"]
pub struct Settled<O: 'static> {
    awaiter: Awaiter<O>,
    aborts_on_drop: bool,
}

impl<O: 'static> Settled<O> {
    pub(super) fn new(awaiter: Awaiter<O>) -> Settled<O> {
        Settled {
            awaiter,
            aborts_on_drop: false,
        }
    }

    pub(crate) fn state(&self) -> &Rc<State<O>> {
        self.awaiter.state()
    }

    /// Aborts the task or the job that would settle the promise.
    ///
    /// The promise then settles as [`PromiseError::Aborted`].
    ///
    /// A task drops its future at its next turn (a microtask). A job that no thread has started is
    /// removed from the queue; a running job continues, and its result is dropped. The promise of a
    /// job or of a resolver settles at once. A promise that has already settled does not change.
    pub fn abort(&self) {
        self.state().abort();
    }

    /// Returns whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.state().is_settled()
    }

    /// Returns a handle that can abort the promise while another part of the program awaits it.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.state())
    }

    /// Lets the task run on without this future, and discards the outcome.
    pub fn detach(mut self) {
        self.aborts_on_drop = false;
    }

    /// Makes dropping this future [abort](Settled::abort) the promise instead of detaching it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use nodeloop::{spawn, time};
    ///
    /// nodeloop::run(async {
    ///     let beat = spawn(async {
    ///         loop {
    ///             time::sleep(Duration::from_secs(1)).await;
    ///             println!("still here");
    ///         }
    ///     });
    ///     let _beat = beat.settled().abort_on_drop(); // ends with this block
    /// });
    /// ```
    pub fn abort_on_drop(mut self) -> Settled<O> {
        self.aborts_on_drop = true;
        self
    }
}

impl<T: 'static, E: 'static> Settled<Result<T, E>> {
    /// Converts the output into one `Result`, whose error is either that of the promise or the
    /// reason why it has none.
    ///
    /// Awaiting the returned future costs one turn, too (R45).
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::promise::{PromiseError, Rejected};
    /// let result = nodeloop::block_on(async {
    ///     let task = nodeloop::try_spawn(async { "4x".parse::<i32>() }).settled();
    ///     task.flatten().await
    /// });
    /// match result {
    ///     Ok(number) => println!("{number}"),
    ///     Err(Rejected::Error(error)) => println!("no number: {error}"),
    ///     Err(Rejected::Failed(PromiseError::Aborted)) => println!("aborted"),
    ///     Err(Rejected::Failed(failure)) => println!("{failure}"),
    /// }
    /// ```
    pub async fn flatten(self) -> Result<T, Rejected<E>> {
        match self.await {
            Ok(result) => result.map_err(Rejected::Error),
            Err(failure) => Err(Rejected::Failed(failure)),
        }
    }
}

impl<O: 'static> Future for Settled<O> {
    type Output = Result<O, PromiseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.awaiter.poll(cx)
    }
}

impl<O: 'static> FusedFuture for Settled<O> {
    fn is_terminated(&self) -> bool {
        self.awaiter.is_done()
    }
}

impl<O: 'static> Drop for Settled<O> {
    fn drop(&mut self) {
        if self.aborts_on_drop {
            self.abort();
        }
    }
}

impl<O: 'static> fmt::Debug for Settled<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.awaiter.fmt(f)
    }
}

/// Aborts a promise that another part of the program awaits; created by
/// [`Settled::abort_handle`].
///
/// Clones abort the same promise. Dropping a handle does nothing. A handle keeps neither the promise
/// nor its output in memory, and cannot be sent to another thread.
#[derive(Clone)]
pub struct AbortHandle {
    promise: Weak<dyn Abortable>,
}

impl AbortHandle {
    pub(crate) fn new<O: 'static>(state: &Rc<State<O>>) -> AbortHandle {
        let promise: Weak<State<O>> = Rc::downgrade(state);
        AbortHandle { promise }
    }

    /// Aborts the promise; see [`Settled::abort`].
    pub fn abort(&self) {
        if let Some(promise) = self.promise.upgrade() {
            promise.request_abort();
        }
    }

    /// Returns whether the promise has settled, or can never settle because nothing is left that
    /// would settle it.
    pub fn is_finished(&self) -> bool {
        self.promise
            .upgrade()
            .is_none_or(|promise| promise.is_finished())
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
