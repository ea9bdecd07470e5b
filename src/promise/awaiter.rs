//! The awaiting side of a promise, which the four public types of promises share.
//!
//! The public types wrap an [`Awaiter`] and only add their signatures.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::error::{Outcome, PromiseError};
use super::next::Following;
use super::settled::Settled;
use super::state::{Awaiting, ReasonOf, SettledBy, State};
use super::task::{Conclusion, react_to};
use crate::phases::macrotask::{SourceLocation, TaskKey};

/// An awaiting side of a [`State`]. Dropping it removes its reaction; the task keeps running.
pub(super) struct Awaiter<O: 'static> {
    state: Rc<State<O>>,
    awaiting: Awaiting,
}

impl<O: 'static> Awaiter<O> {
    pub(super) fn new(state: Rc<State<O>>) -> Awaiter<O> {
        Awaiter {
            state,
            awaiting: Awaiting::NotPolled,
        }
    }

    /// Creates an awaiter that has been polled already.
    pub(super) fn with_progress(state: Rc<State<O>>, awaiting: Awaiting) -> Awaiter<O> {
        Awaiter { state, awaiting }
    }

    pub(super) fn state(&self) -> &Rc<State<O>> {
        &self.state
    }

    pub(super) fn into_state(self) -> Rc<State<O>> {
        self.state.clone()
    }

    pub(super) fn is_done(&self) -> bool {
        self.awaiting == Awaiting::Done
    }

    /// Polls for the outcome.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<O>> {
        let settled = self.state.poll_settled(&mut self.awaiting, cx);
        settled.map(|()| self.state.outcome())
    }

    /// Lets the promise wake a task, as a first poll by that task does.
    #[inline]
    pub(super) fn wait_in(&mut self, task: TaskKey) {
        self.state.wait_in(&mut self.awaiting, task);
    }

    /// Returns the outcome once the promise has woken the task in which this waits.
    #[inline]
    pub(super) fn woken(&mut self) -> Option<Outcome<O>> {
        self.state.woken(&mut self.awaiting)
    }

    /// Polls for the output, and panics if the promise settles without one.
    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<O> {
        let outcome = self.poll(cx);
        outcome.map(|outcome| output_of(outcome, self.state.location()))
    }

    pub(super) fn settled(self) -> Settled<O> {
        Settled::new(self)
    }

    /// Adds a reaction (R42): a task that awaits this promise, calls `handler` in the turn that
    /// this costs, and concludes the derived promise in the same turn.
    #[track_caller]
    pub(super) fn react<P: 'static>(
        self,
        reason_of: ReasonOf<P>,
        handler: impl FnOnce(Outcome<O>) -> Conclusion<P> + 'static,
    ) -> Rc<State<P>> {
        let owner = self.state.owner().clone();
        let derived = State::new(owner, Location::caller(), reason_of);
        react_to(self, handler, &derived);
        derived
    }

    /// Returns a promise that settles together with this one, with the result of `map`.
    #[track_caller]
    pub(super) fn map<P: 'static>(
        self,
        reason_of: ReasonOf<P>,
        map: impl FnOnce(O) -> P + 'static,
    ) -> Rc<State<P>> {
        let owner = self.state.owner().clone();
        let mapped = State::new(owner, Location::caller(), reason_of);
        mapped.settled_by.set(SettledBy::Resolver);
        let target = mapped.clone();
        self.state.when_settled(move |outcome| {
            target.settle(outcome.and_then(|output| {
                catch_unwind(AssertUnwindSafe(|| map(output))).map_err(PromiseError::of_panic)
            }));
        });
        mapped
    }

    /// Converts the promise into one that another promise can follow.
    pub(super) fn into_following(self) -> Following<O> {
        Following {
            promise: self.state.clone(),
            outcome: Box::pin(self.settled()),
        }
    }

    /// Converts the promise as [`into_following`](Awaiter::into_following) does, and its output
    /// with `wrap`.
    pub(super) fn into_following_as<P: 'static>(self, wrap: fn(O) -> P) -> Following<P> {
        Following {
            promise: self.state.clone(),
            outcome: Box::pin(async move { self.settled().await.map(wrap) }),
        }
    }
}

impl<O: 'static> Drop for Awaiter<O> {
    fn drop(&mut self) {
        self.state.forget_reaction(self.awaiting);
    }
}

impl<O: 'static> fmt::Debug for Awaiter<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_promise(f, self.state.location(), self.state.is_settled())
    }
}

pub(super) fn fmt_promise(
    f: &mut fmt::Formatter<'_>,
    location: SourceLocation,
    is_finished: bool,
) -> fmt::Result {
    f.debug_struct("Promise")
        .field("created_at", &format_args!("{location}"))
        .field("is_finished", &is_finished)
        .finish_non_exhaustive()
}

/// The future of a reaction: awaits a promise and calls a handler in the turn that this costs.
pub(super) struct Waiting<O: 'static, H> {
    source: Option<Awaiter<O>>,
    handler: Option<H>,
}

impl<O: 'static, H> Waiting<O, H> {
    pub(super) fn new(source: Awaiter<O>, handler: H) -> Waiting<O, H> {
        Waiting {
            source: Some(source),
            handler: Some(handler),
        }
    }
}

impl<O: 'static, T, H: FnOnce(Outcome<O>) -> T> Future for Waiting<O, H> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let source = self.source.as_mut().expect("polled once it is ready");
        let Poll::Ready(outcome) = source.poll(cx) else {
            return Poll::Pending;
        };
        self.source = None; // before the handler runs, as after an `await`
        let handler = self.handler.take().expect("called once");
        Poll::Ready(handler(outcome))
    }
}

/// Neither the promise nor the handler is pinned.
impl<O: 'static, H> Unpin for Waiting<O, H> {}

/// Returns the output of a promise, and panics if there is none.
fn output_of<O>(outcome: Outcome<O>, location: SourceLocation) -> O {
    match outcome {
        Ok(output) => output,
        Err(PromiseError::Panicked(payload)) => resume_unwind(payload.into_inner()),
        Err(failure) => panic!(
            "awaited the promise created at {location}, which has no value: {failure}; await \
             `promise.settled()` to receive this as an error"
        ),
    }
}
