//! Reactions: `then`, `catch`, `finally`; and conversions, which cost no turn.
//!
//! A reaction is a task that awaits the source, calls the handler in the turn that this costs
//! (R42), and settles the derived promise in the same turn. It is therefore queued, caught when it
//! panics, and aborted like every other task.

use std::convert::Infallible;
use std::panic::Location;

use super::error::Outcome;
use super::next::{BoxedOutcome, IntoNext, Next, Rejected};
use super::shared::{SharedPromise, SharedTryPromise};
use super::task::{Conclusion, NewPromise, start_reaction};
use super::{Promise, TryPromise, error_of, no_reason};
use crate::hooks::rejection::Reason;

/// # Reactions
///
/// Each of these methods adds one reaction and returns the derived promise. The handler runs
/// exactly one turn after the promise settles (R42). A handler that does not apply to the outcome
/// is not called, which costs the same turn. A panic in a handler rejects the derived
/// promise. Dropping the derived promise does not remove the reaction; aborting the derived
/// promise does, and drops the handler.
impl<T: 'static, E: Reason> TryPromise<T, E> {
    #[track_caller]
    fn react<U: 'static, F: Reason>(
        self,
        handler: impl FnOnce(Outcome<Result<T, E>>) -> Conclusion<Result<U, F>> + 'static,
    ) -> TryPromise<U, F> {
        TryPromise::new(self.handle.into_awaiter().react(error_of, handler))
    }

    /// Calls `handler` with the value: JavaScript's `then(onFulfilled)`.
    ///
    /// The handler returns a `Result`, a promise, or a [`Next`]. A rejection is passed on to the
    /// derived promise.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::promise;
    /// let sum = nodeloop::block_on(async {
    ///     promise::resolve::<_, String>(20).then(|half| Ok(half + 22)).await
    /// });
    /// assert_eq!(sum, Ok(42));
    /// ```
    #[track_caller]
    pub fn then<U: 'static, R: IntoNext<U, E>>(
        self,
        handler: impl FnOnce(T) -> R + 'static,
    ) -> TryPromise<U, E> {
        self.then_or_else(
            move |value| handler(value).into_next(),
            |reason| Next::Reject(reason),
        )
    }

    /// Calls one of two handlers: JavaScript's `then(onFulfilled, onRejected)`.
    ///
    /// `on_rejected` receives errors only; panics, aborts and self-resolution are passed on. The
    /// derived promise may have another type of error.
    #[track_caller]
    pub fn then_or_else<U: 'static, F: Reason, R: IntoNext<U, F>, S: IntoNext<U, F>>(
        self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(E) -> S + 'static,
    ) -> TryPromise<U, F> {
        self.react(move |outcome| match outcome {
            Ok(Ok(value)) => on_fulfilled(value).into_next().conclude(),
            Ok(Err(reason)) => on_rejected(reason).into_next().conclude(),
            Err(failure) => Conclusion::Settled(Err(failure)),
        })
    }

    /// Calls one of two handlers, the second one for every kind of rejection: errors, panics,
    /// aborts and self-resolution.
    ///
    /// This is JavaScript's `then(onFulfilled, onRejected)` in full.
    #[track_caller]
    pub fn then_or_else_any<U: 'static, F: Reason, R: IntoNext<U, F>, S: IntoNext<U, F>>(
        self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(Rejected<E>) -> S + 'static,
    ) -> TryPromise<U, F> {
        self.react(move |outcome| {
            let rejected = match outcome {
                Ok(Ok(value)) => return on_fulfilled(value).into_next().conclude(),
                Ok(Err(reason)) => Rejected::Error(reason),
                Err(failure) => Rejected::Failed(failure),
            };
            on_rejected(rejected).into_next().conclude()
        })
    }

    /// Calls `handler` with the error: JavaScript's `catch(onRejected)`.
    ///
    /// A value is passed on, and so are panics, aborts and self-resolution, which
    /// [`catch_any`](TryPromise::catch_any) handles, too.
    #[track_caller]
    pub fn catch<F: Reason, R: IntoNext<T, F>>(
        self,
        handler: impl FnOnce(E) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.then_or_else(
            |value| Next::Fulfil(value),
            move |reason| handler(reason).into_next(),
        )
    }

    /// Calls `handler` with every kind of rejection: errors, panics, aborts and self-resolution.
    #[track_caller]
    pub fn catch_any<F: Reason, R: IntoNext<T, F>>(
        self,
        handler: impl FnOnce(Rejected<E>) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.then_or_else_any(
            |value| Next::Fulfil(value),
            move |rejected| handler(rejected).into_next(),
        )
    }

    /// Calls `handler` whatever the outcome is: JavaScript's `finally(onFinally)` (R47).
    ///
    /// The derived promise settles as this one did. If the handler returns a promise, the derived
    /// promise waits for it. If the handler or its promise fails, the derived promise is rejected
    /// with that error instead.
    #[track_caller]
    pub fn finally<V: 'static, R: IntoNext<V, E>>(
        self,
        handler: impl FnOnce() -> R + 'static,
    ) -> TryPromise<T, E> {
        let awaiter = self.handle.into_awaiter();
        let kept = NewPromise {
            owner: awaiter.state().owner().clone(),
            location: Location::caller(),
            reason_of: error_of,
        };
        TryPromise::new(awaiter.react(error_of, move |outcome| {
            let waiting: BoxedOutcome<Result<V, E>> = match handler().into_next() {
                Next::Reject(reason) => return Conclusion::Settled(Ok(Err(reason))),
                // JavaScript wraps the result in a promise and awaits it for one turn. That turn
                // ends before the derived promise starts to follow, so omitting it is not visible.
                Next::Fulfil(value) => Box::pin(std::future::ready(Ok(Ok(value)))),
                Next::Follow(followed) => followed.following.outcome,
            };
            // The same second promise as in JavaScript, because it costs turns.
            let keep = async move {
                match waiting.await {
                    Ok(Ok(_)) => outcome,
                    Ok(Err(reason)) => Ok(Err(reason)),
                    Err(failure) => Err(failure),
                }
            };
            let kept = start_reaction(keep, Conclusion::Settled, kept);
            Conclusion::Follow(kept.into_awaiter().into_following())
        }))
    }
}

/// # Conversions
///
/// These methods cost no turn. Aborting the promise that [`map`](TryPromise::map) and its
/// variants return leaves the original running.
impl<T: 'static, E: Reason> TryPromise<T, E> {
    /// Converts the promise into one that accepts any number of reactions.
    pub fn shared(self) -> SharedTryPromise<T, E>
    where
        T: Clone,
        E: Clone,
    {
        SharedTryPromise::new(self.into_state())
    }

    /// Converts the whole `Result` with `convert`.
    ///
    /// `convert` runs while this promise settles, so it should be short; a panic in it rejects the
    /// returned promise. To convert the error only, use [`map_err`](TryPromise::map_err) or
    /// [`err_into`](TryPromise::err_into).
    #[track_caller]
    pub fn map<U: 'static, F: Reason>(
        self,
        convert: impl FnOnce(Result<T, E>) -> Result<U, F> + 'static,
    ) -> TryPromise<U, F> {
        TryPromise::new(self.handle.into_awaiter().map(error_of, convert))
    }

    /// Converts the error with `convert`, as [`Result::map_err`] does.
    ///
    /// `convert` runs while this promise settles, as that of [`map`](TryPromise::map) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::promise;
    /// let length = nodeloop::block_on(async {
    ///     promise::reject::<(), _>("no luck").map_err(str::len).await
    /// });
    /// assert_eq!(length, Err(7));
    /// ```
    #[track_caller]
    pub fn map_err<F: Reason>(self, convert: impl FnOnce(E) -> F + 'static) -> TryPromise<T, F> {
        self.map(|result| result.map_err(convert))
    }

    /// Converts the error with `From`.
    #[track_caller]
    pub fn err_into<F: Reason + From<E>>(self) -> TryPromise<T, F> {
        self.map_err(F::from)
    }

    /// Converts the promise into one whose `Err` is a value like any other and is never reported.
    pub fn untracked(self) -> Promise<Result<T, E>> {
        let state = self.into_state();
        state.reclassify(no_reason);
        Promise::new(state)
    }
}

impl<T: 'static> TryPromise<T, Infallible> {
    /// Converts the promise into one without the impossible error, at the cost of no turn.
    #[track_caller]
    pub fn infallible(self) -> Promise<T> {
        self.untracked().map(|result| match result {
            Ok(value) => value,
            Err(never) => match never {},
        })
    }
}

/// # Reactions
///
/// As with a [`TryPromise`], the handler runs exactly one turn after the promise settles (R42), and
/// a panic in it is the outcome of the derived promise.
impl<T: 'static> Promise<T> {
    #[track_caller]
    fn react<U: 'static>(self, handler: impl FnOnce(T) -> Conclusion<U> + 'static) -> Promise<U> {
        let handler = |outcome: Outcome<T>| match outcome {
            Ok(value) => handler(value),
            Err(failure) => Conclusion::Settled(Err(failure)),
        };
        Promise::new(self.handle.into_awaiter().react(no_reason, handler))
    }

    /// Calls `handler` with the value: JavaScript's `then(onFulfilled)`.
    #[track_caller]
    pub fn then<U: 'static>(self, handler: impl FnOnce(T) -> U + 'static) -> Promise<U> {
        self.react(|value| Conclusion::Settled(Ok(handler(value))))
    }

    /// Calls `handler` with the value, and returns a promise that settles as the handler's promise
    /// does, two turns later (R43).
    #[track_caller]
    pub fn then_follow<U: 'static>(
        self,
        handler: impl FnOnce(T) -> Promise<U> + 'static,
    ) -> Promise<U> {
        self.react(|value| {
            Conclusion::Follow(handler(value).handle.into_awaiter().into_following())
        })
    }
}

/// # Conversions
///
/// These methods cost no turn.
impl<T: 'static> Promise<T> {
    /// Converts the promise into one that accepts any number of reactions.
    pub fn shared(self) -> SharedPromise<T>
    where
        T: Clone,
    {
        SharedPromise::new(self.into_state())
    }

    /// Converts the value with `convert`.
    ///
    /// `convert` runs while this promise settles, so it should be short; a panic in it is the
    /// outcome of the returned promise. Aborting the returned promise leaves the original running.
    #[track_caller]
    pub fn map<U: 'static>(self, convert: impl FnOnce(T) -> U + 'static) -> Promise<U> {
        Promise::new(self.handle.into_awaiter().map(no_reason, convert))
    }
}

impl<T: 'static, E: Reason> Promise<Result<T, E>> {
    /// Converts the promise into one that can be rejected, at the cost of no turn.
    ///
    /// An `Err` is then tracked, and `then` and `catch` distinguish values from errors.
    ///
    /// # Examples
    ///
    /// ```
    /// let text = nodeloop::block_on(async {
    ///     nodeloop::spawn_blocking(|| std::fs::read_to_string("/no/such/file"))
    ///         .tracked()
    ///         .catch(|error| Ok::<_, String>(error.kind().to_string()))
    ///         .await
    /// });
    /// assert_eq!(text.unwrap(), "entity not found");
    /// ```
    pub fn tracked(self) -> TryPromise<T, E> {
        let state = self.into_state();
        state.reclassify(error_of);
        TryPromise::new(state)
    }
}
