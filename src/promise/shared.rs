//! Promises that can be awaited and reacted to any number of times.
//!
//! A shared promise is the same promise as before: sharing costs no turn, and every awaiter
//! receives a clone of the output.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::awaiter::Awaiter;
use super::next::{IntoNext, Rejected};
use super::settled::Settled;
use super::state::State;
use super::{Promise, TryPromise};
use crate::hooks::rejection::Reason;

/// A [`Promise`] that can be awaited and reacted to any number of times; created by
/// [`Promise::shared`].
///
/// Clones are handles to the same promise. Awaiting any of them costs one turn. The reactions run
/// in the order in which they were added (R13). If the task panicked, every awaiter panics with the
/// text of its payload.
///
/// Dropping a clone, even the last one, detaches its task, which keeps running.
///
/// # Panics
///
/// Awaiting it panics as awaiting a [`Promise`] does, and also if the promise was aborted through
/// the [`settled`](SharedPromise::settled) future of any clone. Where that can happen, await
/// `settled()`.
///
/// # Cancel safety
///
/// It can be polled repeatedly in a `select!`.
pub struct SharedPromise<T: 'static> {
    awaiter: Awaiter<T>,
}

/// A [`TryPromise`] that can be awaited and reacted to any number of times; created by
/// [`TryPromise::shared`].
///
/// It has the properties of a [`SharedPromise`].
pub struct SharedTryPromise<T: 'static, E: 'static> {
    awaiter: Awaiter<Result<T, E>>,
}

impl<T: 'static> SharedPromise<T> {
    pub(super) fn new(state: Rc<State<T>>) -> SharedPromise<T>
    where
        T: Clone,
    {
        state.share();
        SharedPromise {
            awaiter: Awaiter::new(state),
        }
    }

    /// Returns another handle to the promise.
    pub(super) fn new_handle(&self) -> Promise<T> {
        Promise::new(self.awaiter.state().clone())
    }

    /// Returns whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.awaiter.state().is_settled()
    }

    /// Marks the promise as handled, so that a panic of the task is not reported.
    pub fn mark_handled(&self) {
        self.awaiter.state().mark_handled();
    }

    /// Returns a future that never panics; see [`Promise::settled`].
    pub fn settled(&self) -> Settled<T> {
        self.new_handle().settled()
    }

    /// Calls `handler` with a clone of the value; see [`Promise::then`].
    #[track_caller]
    pub fn then<U: 'static>(&self, handler: impl FnOnce(T) -> U + 'static) -> Promise<U> {
        self.new_handle().then(handler)
    }
}

impl<T: 'static, E: 'static> SharedTryPromise<T, E> {
    pub(super) fn new(state: Rc<State<Result<T, E>>>) -> SharedTryPromise<T, E>
    where
        T: Clone,
        E: Clone,
    {
        state.share();
        SharedTryPromise {
            awaiter: Awaiter::new(state),
        }
    }

    /// Returns another handle to the promise.
    pub(super) fn new_handle(&self) -> TryPromise<T, E> {
        TryPromise::new(self.awaiter.state().clone())
    }

    /// Returns whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.awaiter.state().is_settled()
    }

    /// Marks the promise as handled, so that a rejection is not reported.
    pub fn mark_handled(&self) {
        self.awaiter.state().mark_handled();
    }

    /// Returns a future that never panics; see [`Promise::settled`].
    pub fn settled(&self) -> Settled<Result<T, E>> {
        self.new_handle().settled()
    }
}

impl<T: 'static, E: Reason> SharedTryPromise<T, E> {
    /// Calls `handler` with a clone of the value; see [`TryPromise::then`].
    #[track_caller]
    pub fn then<U: 'static, R: IntoNext<U, E>>(
        &self,
        handler: impl FnOnce(T) -> R + 'static,
    ) -> TryPromise<U, E> {
        self.new_handle().then(handler)
    }

    /// Calls one of two handlers; see [`TryPromise::then_or_else`].
    #[track_caller]
    pub fn then_or_else<U: 'static, F: Reason, R: IntoNext<U, F>, S: IntoNext<U, F>>(
        &self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(E) -> S + 'static,
    ) -> TryPromise<U, F> {
        self.new_handle().then_or_else(on_fulfilled, on_rejected)
    }

    /// Calls one of two handlers; see [`TryPromise::then_or_else_any`].
    #[track_caller]
    pub fn then_or_else_any<U: 'static, F: Reason, R: IntoNext<U, F>, S: IntoNext<U, F>>(
        &self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(Rejected<E>) -> S + 'static,
    ) -> TryPromise<U, F> {
        self.new_handle()
            .then_or_else_any(on_fulfilled, on_rejected)
    }

    /// Calls `handler` with a clone of the error; see [`TryPromise::catch`].
    #[track_caller]
    pub fn catch<F: Reason, R: IntoNext<T, F>>(
        &self,
        handler: impl FnOnce(E) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.new_handle().catch(handler)
    }

    /// Calls `handler` with every kind of rejection; see [`TryPromise::catch_any`].
    #[track_caller]
    pub fn catch_any<F: Reason, R: IntoNext<T, F>>(
        &self,
        handler: impl FnOnce(Rejected<E>) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.new_handle().catch_any(handler)
    }

    /// Calls `handler` whatever the outcome is; see [`TryPromise::finally`].
    #[track_caller]
    pub fn finally<V: 'static, R: IntoNext<V, E>>(
        &self,
        handler: impl FnOnce() -> R + 'static,
    ) -> TryPromise<T, E> {
        self.new_handle().finally(handler)
    }
}

impl<T: 'static> Future for SharedPromise<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.awaiter.poll_output(cx)
    }
}

impl<T: 'static, E: 'static> Future for SharedTryPromise<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        self.awaiter.poll_output(cx)
    }
}

impl<T: 'static> FusedFuture for SharedPromise<T> {
    fn is_terminated(&self) -> bool {
        self.awaiter.is_done()
    }
}

impl<T: 'static, E: 'static> FusedFuture for SharedTryPromise<T, E> {
    fn is_terminated(&self) -> bool {
        self.awaiter.is_done()
    }
}

impl<T: 'static> Clone for SharedPromise<T> {
    fn clone(&self) -> Self {
        SharedPromise {
            awaiter: Awaiter::new(self.awaiter.state().clone()),
        }
    }
}

impl<T: 'static, E: 'static> Clone for SharedTryPromise<T, E> {
    fn clone(&self) -> Self {
        SharedTryPromise {
            awaiter: Awaiter::new(self.awaiter.state().clone()),
        }
    }
}

impl<T: 'static> fmt::Debug for SharedPromise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.awaiter.fmt(f)
    }
}

impl<T: 'static, E: 'static> fmt::Debug for SharedTryPromise<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.awaiter.fmt(f)
    }
}
