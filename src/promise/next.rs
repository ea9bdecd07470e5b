//! What a handler gives back, and what can be followed: the types between promises.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::shared::{SharedPromise, SharedTryPromise};
use super::state::{Outcome, PromiseError, State, identity_of};
use super::{Promise, TryPromise};

/// The three outcomes of a handler: JavaScript's `return value`, `throw reason` and
/// `return promise`.
///
/// A handler that has only some of them may return a `Result`, a promise, or (in `finally`)
/// nothing instead: see [`IntoNext`].
pub enum Next<T: 'static, E: 'static> {
    /// The derived promise is fulfilled, within this turn.
    Fulfil(T),
    /// The derived promise is rejected, within this turn.
    Reject(E),
    /// The derived promise follows another one, two turns behind it (R43). Make it with
    /// [`Next::follow`].
    Follow(Followed<T, E>),
}

impl<T: 'static, E: 'static> Next<T, E> {
    /// The derived promise follows `promise`, two turns behind it (R43).
    pub fn follow(promise: impl PromiseLike<Value = T, Error = E>) -> Next<T, E> {
        Next::Follow(Followed {
            following: promise.into_following(),
        })
    }
}

impl<T: fmt::Debug, E: fmt::Debug> fmt::Debug for Next<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Next::Fulfil(value) => f.debug_tuple("Fulfil").field(value).finish(),
            Next::Reject(reason) => f.debug_tuple("Reject").field(reason).finish(),
            Next::Follow(_) => f.write_str("Follow(..)"),
        }
    }
}

/// A promise that another one is to follow; see [`Next::follow`].
pub struct Followed<T: 'static, E: 'static> {
    pub(super) following: Following<Result<T, E>>,
}

impl<T, E> fmt::Debug for Followed<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Followed")
    }
}

/// What a handler may return.
///
/// | returned | JavaScript |
/// |---|---|
/// | `Ok(value)` | `return value` |
/// | `Err(reason)` | `throw reason` |
/// | a promise | `return promise` |
/// | [`Next`] | whichever |
/// | `()`, in `finally` | nothing |
pub trait IntoNext<T: 'static, E: 'static> {
    /// The outcome.
    fn into_next(self) -> Next<T, E>;
}

impl<T: 'static, E: 'static> IntoNext<T, E> for Next<T, E> {
    fn into_next(self) -> Next<T, E> {
        self
    }
}

impl<T: 'static, E: 'static> IntoNext<T, E> for Result<T, E> {
    fn into_next(self) -> Next<T, E> {
        match self {
            Ok(value) => Next::Fulfil(value),
            Err(reason) => Next::Reject(reason),
        }
    }
}

impl<E: 'static> IntoNext<(), E> for () {
    fn into_next(self) -> Next<(), E> {
        Next::Fulfil(())
    }
}

impl<T: 'static, E: 'static> IntoNext<T, E> for TryPromise<T, E> {
    fn into_next(self) -> Next<T, E> {
        Next::follow(self)
    }
}

impl<T: Clone + 'static, E: Clone + 'static> IntoNext<T, E> for SharedTryPromise<T, E> {
    fn into_next(self) -> Next<T, E> {
        Next::follow(self)
    }
}

impl<T: 'static, E: 'static> IntoNext<T, E> for Promise<T> {
    fn into_next(self) -> Next<T, E> {
        let following = self.into_following();
        let outcome = async move {
            following
                .outcome
                .await
                .map(|result| result.map_err(|never| match never {}))
        };
        let following = Following {
            identity: following.identity,
            outcome: Box::pin(outcome),
        };
        Next::Follow(Followed { following })
    }
}

/// Why a promise was rejected, everything included: for [`TryPromise::catch_any`] and
/// [`all_settled`](super::all_settled).
#[derive(Debug)]
pub enum Rejected<E> {
    /// With an error.
    Error(E),
    /// Without one: a panic, an abort, or itself.
    Failed(PromiseError),
}

impl<E> Rejected<E> {
    /// The error, if there is one.
    pub fn error(self) -> Option<E> {
        match self {
            Rejected::Error(error) => Some(error),
            Rejected::Failed(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Rejected<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Error(error) => error.fmt(f),
            Rejected::Failed(failure) => failure.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Rejected<E> {}

/// The promises of this crate, shared or not, fallible or not: what combinators take and what a
/// promise can follow. A promise that cannot be rejected has the error [`Infallible`].
pub trait PromiseLike: sealed::Sealed + 'static {
    /// What it is fulfilled with.
    type Value: 'static;
    /// What it is rejected with.
    type Error: 'static;

    #[doc(hidden)]
    fn into_following(self) -> Following<Result<Self::Value, Self::Error>>;
    #[doc(hidden)]
    fn abort_handle(&self) -> AbortHandle;
}

/// How a promise ended: its value, or why it was rejected; see [`all_settled`](super::all_settled).
pub type SettledResult<P> = Result<<P as PromiseLike>::Value, Rejected<<P as PromiseLike>::Error>>;

/// The outcome of a promise whose type is forgotten.
pub(super) type BoxedOutcome<O> = Pin<Box<dyn Future<Output = Outcome<O>>>>;

/// A promise seen from one that follows it.
pub struct Following<O> {
    pub(super) identity: *const (),
    pub(super) outcome: BoxedOutcome<O>,
}

impl<O: 'static> Following<O> {
    pub(super) fn output(
        state: Rc<State<O>>,
        outcome: impl Future<Output = Outcome<O>> + 'static,
    ) -> Following<O> {
        Following {
            identity: identity_of(&state),
            outcome: Box::pin(outcome),
        }
    }
}

/// Aborts a promise whose type is forgotten.
pub struct AbortHandle(Box<dyn Fn()>);

impl AbortHandle {
    pub(super) fn new<O: 'static>(state: &Rc<State<O>>) -> AbortHandle {
        let state = state.clone();
        AbortHandle(Box::new(move || state.abort()))
    }

    pub(super) fn abort(&self) {
        (self.0)();
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Promise<T> {}
    impl<T, E> Sealed for super::TryPromise<T, E> {}
    impl<T> Sealed for super::SharedPromise<T> {}
    impl<T, E> Sealed for super::SharedTryPromise<T, E> {}
}

impl<T: 'static> PromiseLike for Promise<T> {
    type Value = T;
    type Error = Infallible;

    fn into_following(self) -> Following<Result<T, Infallible>> {
        let identity = identity_of(self.state());
        let outcome = async move { self.settled().await.map(Ok) };
        Following {
            identity,
            outcome: Box::pin(outcome),
        }
    }

    fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.state())
    }
}

impl<T: 'static, E: 'static> PromiseLike for TryPromise<T, E> {
    type Value = T;
    type Error = E;

    fn into_following(self) -> Following<Result<T, E>> {
        Following::output(self.state().clone(), self.settled())
    }

    fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.state())
    }
}

impl<T: Clone + 'static> PromiseLike for SharedPromise<T> {
    type Value = T;
    type Error = Infallible;

    fn into_following(self) -> Following<Result<T, Infallible>> {
        let identity = identity_of(self.state());
        let outcome = async move { self.settled().await.map(Ok) };
        Following {
            identity,
            outcome: Box::pin(outcome),
        }
    }

    fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.state())
    }
}

impl<T: Clone + 'static, E: Clone + 'static> PromiseLike for SharedTryPromise<T, E> {
    type Value = T;
    type Error = E;

    fn into_following(self) -> Following<Result<T, E>> {
        Following::output(self.state().clone(), self.settled())
    }

    fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.state())
    }
}
