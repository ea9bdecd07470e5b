//! Promises with several reactions.
//!
//! Sharing costs no turn: it is the same promise, whose output is cloned for each who awaits.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::resume;
use super::state::{Awaiting, Outcome, PromiseError, State};

/// A [`Promise`](super::Promise) that can be awaited and reacted to any number of times; made by
/// [`Promise::shared`](super::Promise::shared).
///
/// Clones stand for the same promise. Each is a future of its own, with a turn of its own; the
/// reactions run in the order in which they were added (R13).
pub struct SharedPromise<T: 'static> {
    inner: SharedInner<T>,
}

/// A [`TryPromise`](super::TryPromise) that can be awaited and reacted to any number of times;
/// made by [`TryPromise::shared`](super::TryPromise::shared). As [`SharedPromise`].
pub struct SharedTryPromise<T: 'static, E: 'static> {
    inner: SharedInner<Result<T, E>>,
}

struct SharedInner<O: 'static> {
    state: Rc<State<O>>,
    awaiting: Awaiting,
}

impl<O: 'static> SharedInner<O> {
    fn new(state: Rc<State<O>>) -> SharedInner<O> {
        SharedInner {
            state,
            awaiting: Awaiting::NotPolled,
        }
    }
}

impl<O: Clone + 'static> SharedInner<O> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<O>> {
        let state = self.state.clone();
        state.poll_settled(&mut self.awaiting, cx).map(|()| {
            state.look(|outcome| match outcome {
                Ok(output) => Ok(output.clone()),
                Err(failure) => Err(failure.for_another()),
            })
        })
    }
}

impl<O: 'static> Clone for SharedInner<O> {
    fn clone(&self) -> Self {
        SharedInner::new(self.state.clone()) // a reaction of its own
    }
}

impl<O: 'static> Drop for SharedInner<O> {
    fn drop(&mut self) {
        self.state.forget_reaction(self.awaiting);
    }
}

impl<T: 'static> SharedPromise<T> {
    pub(super) fn new(state: Rc<State<T>>) -> SharedPromise<T> {
        SharedPromise {
            inner: SharedInner::new(state),
        }
    }

    pub(super) fn state(&self) -> &Rc<State<T>> {
        &self.inner.state
    }

    /// As [`Promise::abort`](super::Promise::abort).
    pub fn abort(&self) {
        self.inner.state.abort();
    }

    /// Whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.inner.state.is_settled()
    }

    /// As [`Promise::mark_handled`](super::Promise::mark_handled).
    pub fn mark_handled(&self) {
        self.inner.state.mark_handled();
    }
}

impl<T: Clone + 'static> SharedPromise<T> {
    /// Awaits without ever panicking.
    pub fn settled(&self) -> SharedSettled<T> {
        SharedSettled {
            inner: self.inner.clone(),
        }
    }
}

impl<T: 'static, E: 'static> SharedTryPromise<T, E> {
    pub(super) fn new(state: Rc<State<Result<T, E>>>) -> SharedTryPromise<T, E> {
        SharedTryPromise {
            inner: SharedInner::new(state),
        }
    }

    pub(super) fn state(&self) -> &Rc<State<Result<T, E>>> {
        &self.inner.state
    }

    /// As [`Promise::abort`](super::Promise::abort).
    pub fn abort(&self) {
        self.inner.state.abort();
    }

    /// Whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.inner.state.is_settled()
    }

    /// As [`TryPromise::mark_handled`](super::TryPromise::mark_handled).
    pub fn mark_handled(&self) {
        self.inner.state.mark_handled();
    }
}

impl<T: Clone + 'static, E: Clone + 'static> SharedTryPromise<T, E> {
    /// Awaits without ever panicking.
    pub fn settled(&self) -> SharedSettled<Result<T, E>> {
        SharedSettled {
            inner: self.inner.clone(),
        }
    }
}

/// Awaits a shared promise without panicking.
#[must_use = "futures do nothing unless polled"]
pub struct SharedSettled<O: 'static> {
    inner: SharedInner<O>,
}

impl<O: Clone + 'static> Future for SharedSettled<O> {
    type Output = Result<O, PromiseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.poll(cx)
    }
}

impl<T: Clone + 'static> Future for SharedPromise<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let location = self.inner.state.location();
        self.inner.poll(cx).map(|outcome| resume(outcome, location))
    }
}

impl<T: Clone + 'static, E: Clone + 'static> Future for SharedTryPromise<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let location = self.inner.state.location();
        self.inner.poll(cx).map(|outcome| resume(outcome, location))
    }
}

impl<T: 'static> Clone for SharedPromise<T> {
    fn clone(&self) -> Self {
        SharedPromise {
            inner: self.inner.clone(),
        }
    }
}

impl<T: 'static, E: 'static> Clone for SharedTryPromise<T, E> {
    fn clone(&self) -> Self {
        SharedTryPromise {
            inner: self.inner.clone(),
        }
    }
}

impl<O: 'static> fmt::Debug for SharedInner<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPromise")
            .field("made_at", &format_args!("{}", self.state.location()))
            .field("is_finished", &self.state.is_settled())
            .finish_non_exhaustive()
    }
}

impl<T: 'static> fmt::Debug for SharedPromise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: 'static, E: 'static> fmt::Debug for SharedTryPromise<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<O: 'static> fmt::Debug for SharedSettled<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
