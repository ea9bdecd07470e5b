//! Promises that are settled by calls: `with_resolver`, `try_with_resolver` (R43, R44).

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use super::error::Outcome;
use super::next::{Following, PromiseLike};
use super::state::{ReasonOf, SettledBy, State};
use super::task::follow;
use super::{Promise, TryPromise, error_of, no_reason};
use crate::event_loop::current::current;
use crate::hooks::rejection::Reason;
use crate::phases::macrotask::SourceLocation;

/// Creates a pending promise that cannot be rejected, and its resolver.
///
/// # Examples
///
/// ```
/// let answer = nodeloop::block_on(async {
///     let (promise, resolver) = nodeloop::promise::with_resolver();
///     nodeloop::next_tick(move || resolver.resolve(42));
///     promise.await
/// });
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn with_resolver<T: 'static>() -> (Promise<T>, Resolver<T>) {
    with_resolver_at(Location::caller())
}

/// Creates a promise as [`with_resolver`] does, for a caller that knows the location already.
#[track_caller]
#[inline(always)] // so that both are made in the places of the caller
pub(crate) fn with_resolver_at<T: 'static>(location: SourceLocation) -> (Promise<T>, Resolver<T>) {
    let state = pending(location, no_reason, "promise::with_resolver");
    let inner = Inner::new(state.clone());
    (Promise::new(state), Resolver { inner })
}

/// Creates a pending promise that can be rejected, and its resolver: JavaScript's
/// `Promise.withResolvers()`.
///
/// # Examples
///
/// ```
/// let outcome = nodeloop::block_on(async {
///     let (promise, resolver) = nodeloop::promise::try_with_resolver::<(), &str>();
///     resolver.reject("no");
///     resolver.resolve(()); // only the first call counts
///     promise.await
/// });
/// assert_eq!(outcome, Err("no"));
/// ```
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[doc(alias = "withResolvers")]
#[track_caller]
pub fn try_with_resolver<T: 'static, E: Reason>() -> (TryPromise<T, E>, TryResolver<T, E>) {
    let state = pending(Location::caller(), error_of, "promise::try_with_resolver");
    let inner = Inner::new(state.clone());
    (TryPromise::new(state), TryResolver { inner })
}

#[track_caller]
fn pending<O: 'static>(
    location: SourceLocation,
    reason_of: ReasonOf<O>,
    verb: &str,
) -> Rc<State<O>> {
    let state = State::new(current(verb), location, reason_of);
    state.settled_by.set(SettledBy::Resolver);
    state
}

/// The part that both types of resolvers share. The first call of any resolver of a promise counts
/// (R44).
struct Inner<O> {
    state: Rc<State<O>>,
}

impl<O: 'static> Inner<O> {
    fn new(state: Rc<State<O>>) -> Inner<O> {
        state.resolver_count.set(1);
        Inner { state }
    }

    fn conclude(&self, outcome: Outcome<O>) {
        if self.state.is_resolved.replace(true) {
            let (owner, location) = (self.state.owner(), self.state.location());
            owner.drop_value(outcome, location);
        } else {
            self.state.settle(outcome);
        }
    }

    /// Makes the promise follow another one (R43, R44).
    fn follow(&self, following: Following<O>) {
        if !self.state.is_resolved.replace(true) {
            follow(&self.state, following);
        }
    }
}

impl<O> Inner<O> {
    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("is_resolved", &self.state.is_resolved.get())
            .finish_non_exhaustive()
    }
}

impl<O> Clone for Inner<O> {
    fn clone(&self) -> Self {
        let count = &self.state.resolver_count;
        count.set(count.get().saturating_add(1));
        Inner {
            state: self.state.clone(),
        }
    }
}

impl<O> Drop for Inner<O> {
    /// Counts down, because a report names promises that can no longer be settled.
    fn drop(&mut self) {
        let count = &self.state.resolver_count;
        count.set(count.get().saturating_sub(1));
    }
}

/// Resolves a [`Promise`] created by [`with_resolver`].
///
/// Clones resolve the same promise; only the first call of any of them counts. Dropping all of
/// them leaves the promise pending forever, as in JavaScript.
#[must_use = "dropping every resolver leaves the promise pending forever"]
pub struct Resolver<T> {
    inner: Inner<T>,
}

impl<T: 'static> Resolver<T> {
    /// Fulfils the promise with a value; its reactions are queued at once.
    pub fn resolve(&self, value: T) {
        self.inner.conclude(Ok(value));
    }

    /// Makes the promise follow another one: it settles as that one does, two turns later (R43).
    ///
    /// A promise that is resolved with itself ends with
    /// [`PromiseError::SelfResolution`](super::PromiseError::SelfResolution) (R44).
    pub fn resolve_with(&self, promise: Promise<T>) {
        self.inner
            .follow(promise.handle.into_awaiter().into_following());
    }
}

/// Resolves or rejects a [`TryPromise`] created by [`try_with_resolver`].
///
/// Clones resolve the same promise; only the first call of any of them counts, even if it makes
/// the promise follow one that is still pending. Dropping all of them leaves the promise pending
/// forever, as in JavaScript.
#[must_use = "dropping every resolver leaves the promise pending forever"]
pub struct TryResolver<T, E> {
    inner: Inner<Result<T, E>>,
}

impl<T: 'static, E: Reason> TryResolver<T, E> {
    /// Fulfils the promise with a value; its reactions are queued at once.
    pub fn resolve(&self, value: T) {
        self.inner.conclude(Ok(Ok(value)));
    }

    /// Rejects the promise with a reason; its reactions are queued at once.
    pub fn reject(&self, reason: E) {
        self.inner.conclude(Ok(Err(reason)));
    }

    /// Fulfils or rejects the promise with a result.
    pub fn settle(&self, result: Result<T, E>) {
        self.inner.conclude(Ok(result));
    }

    /// Settles the promise with the outcome of another one.
    pub(super) fn conclude(&self, outcome: Outcome<Result<T, E>>) {
        self.inner.conclude(outcome);
    }

    /// Makes the promise follow another one: it settles as that one does, two turns later (R43).
    ///
    /// A promise that is resolved with itself is rejected with
    /// [`PromiseError::SelfResolution`](super::PromiseError::SelfResolution) (R44).
    pub fn resolve_with(&self, promise: impl PromiseLike<Value = T, Error = E>) {
        self.inner.follow(promise.into_following());
    }
}

impl<T> Clone for Resolver<T> {
    fn clone(&self) -> Self {
        Resolver {
            inner: self.inner.clone(),
        }
    }
}

impl<T, E> Clone for TryResolver<T, E> {
    fn clone(&self) -> Self {
        TryResolver {
            inner: self.inner.clone(),
        }
    }
}

impl<T> fmt::Debug for Resolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as("Resolver", f)
    }
}

impl<T, E> fmt::Debug for TryResolver<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as("TryResolver", f)
    }
}
