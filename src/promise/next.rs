//! The results of handlers, and the promises that another promise can follow.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::error::{Outcome, PromiseError};
use super::member::Member;
use super::shared::{SharedPromise, SharedTryPromise};
use super::state::Abortable;
use super::task::Conclusion;
use super::{Promise, TryPromise};

/// The result of a handler: JavaScript's `return value`, `throw reason` or `return promise`.
///
/// A handler that needs only some of the three may return a `Result`, a promise, or
/// nothing instead: see [`IntoNext`].
#[derive(Debug)]
pub enum Next<T: 'static, E: 'static> {
    /// Fulfils the derived promise, within this turn.
    Fulfil(T),
    /// Rejects the derived promise, within this turn.
    Reject(E),
    /// Makes the derived promise settle as another one does, two turns later (R43). Created by
    /// [`Next::follow`].
    Follow(Followed<T, E>),
}

impl<T: 'static, E: 'static> Next<T, E> {
    /// Makes the derived promise settle as `promise` does, two turns later (R43).
    pub fn follow(promise: impl PromiseLike<Value = T, Error = E>) -> Next<T, E> {
        Next::Follow(Followed {
            following: promise.into_following(),
        })
    }

    /// Concludes the derived promise.
    pub(super) fn conclude(self) -> Conclusion<Result<T, E>> {
        match self {
            Next::Fulfil(value) => Conclusion::Settled(Ok(Ok(value))),
            Next::Reject(reason) => Conclusion::Settled(Ok(Err(reason))),
            Next::Follow(followed) => Conclusion::Follow(followed.following),
        }
    }
}

/// A promise that the derived promise will follow; see [`Next::follow`].
pub struct Followed<T: 'static, E: 'static> {
    pub(super) following: Following<Result<T, E>>,
}

impl<T, E> fmt::Debug for Followed<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Followed")
    }
}

/// Converts what a handler returns into a [`Next`].
///
/// | returned | JavaScript |
/// |---|---|
/// | `Ok(value)` | `return value` |
/// | `Err(reason)` | `throw reason` |
/// | a promise | `return promise` |
/// | [`Next`] | any of these |
/// | `()` | no `return` |
pub trait IntoNext<T: 'static, E: 'static>: 'static {
    /// Performs the conversion.
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

impl<T: 'static, E: 'static> IntoNext<T, E> for SharedTryPromise<T, E> {
    fn into_next(self) -> Next<T, E> {
        Next::follow(self)
    }
}

impl<T: 'static, E: 'static> IntoNext<T, E> for Promise<T> {
    fn into_next(self) -> Next<T, E> {
        Next::Follow(Followed {
            following: self.handle.into_awaiter().into_following_as(Ok),
        })
    }
}

/// A rejection of any kind: the argument of [`TryPromise::catch_any`], and a
/// result of [`all_settled`](super::all_settled) and [`any`](super::any).
#[derive(Debug)]
pub enum Rejected<E> {
    /// The promise was rejected with an error.
    Error(E),
    /// The promise has no error of its type: a panic, an abort, or self-resolution.
    Failed(PromiseError),
}

impl<E> Rejected<E> {
    /// Returns the error, if there is one.
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

/// The source is that of the error, because `Display` prints the error itself.
impl<E: Error + 'static> Error for Rejected<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Rejected::Error(error) => error.source(),
            Rejected::Failed(failure) => failure.source(),
        }
    }
}

/// Any promise of this crate: what the combinators accept and what a promise can follow.
///
/// The trait is sealed. A promise that cannot be rejected has the error [`Infallible`].
pub trait PromiseLike: sealed::Sealed + 'static {
    /// The type of the value.
    type Value: 'static;
    /// The type of the error.
    type Error: 'static;

    #[doc(hidden)]
    fn into_following(self) -> Following<Result<Self::Value, Self::Error>>;

    #[doc(hidden)]
    fn into_member(self) -> Member<Self::Value, Self::Error>;
}

/// The outcome of a promise: its value or its rejection; see [`all_settled`](super::all_settled).
pub type SettledResult<P> = Result<<P as PromiseLike>::Value, Rejected<<P as PromiseLike>::Error>>;

/// The future outcome of a promise of any type.
pub(super) type BoxedOutcome<O> = Pin<Box<dyn Future<Output = Outcome<O>>>>;

/// A promise that another one follows.
pub struct Following<O> {
    pub(super) promise: Rc<dyn Abortable>,
    pub(super) outcome: BoxedOutcome<O>,
}

impl<O> std::fmt::Debug for Following<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
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
        self.handle.into_awaiter().into_following_as(Ok)
    }

    fn into_member(self) -> Member<T, Infallible> {
        Member::infallible(self.handle.into_awaiter())
    }
}

impl<T: 'static, E: 'static> PromiseLike for TryPromise<T, E> {
    type Value = T;
    type Error = E;

    fn into_following(self) -> Following<Result<T, E>> {
        self.handle.into_awaiter().into_following()
    }

    fn into_member(self) -> Member<T, E> {
        Member::fallible(self.handle.into_awaiter())
    }
}

impl<T: 'static> PromiseLike for SharedPromise<T> {
    type Value = T;
    type Error = Infallible;

    fn into_following(self) -> Following<Result<T, Infallible>> {
        self.new_handle().into_following()
    }

    fn into_member(self) -> Member<T, Infallible> {
        self.new_handle().into_member()
    }
}

impl<T: 'static, E: 'static> PromiseLike for SharedTryPromise<T, E> {
    type Value = T;
    type Error = E;

    fn into_following(self) -> Following<Result<T, E>> {
        self.new_handle().into_following()
    }

    fn into_member(self) -> Member<T, E> {
        self.new_handle().into_member()
    }
}
