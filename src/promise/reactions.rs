//! Reactions: `then`, `catch`, `finally`, on all four types of promises.
//!
//! A reaction is a task that awaits the source, calls the handler within the turn that this costs
//! (R42), and settles the derived promise in the same turn. So its place in the microtask queue,
//! its panics and its cancellation are those of every task.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use super::next::{BoxedOutcome, Followed, Following, IntoNext, Next, Rejected};
use super::shared::{SharedPromise, SharedTryPromise};
use super::state::{Outcome, PromiseError, State};
use super::task::{Conclusion, start_eagerly};
use super::{Promise, TryPromise, error_of, no_reason};
use crate::event_loop::state::LoopState;
use crate::hooks::rejection::Reason;
use crate::phases::macrotask::SourceLocation;

/// How a handler was left.
type Left<T, E> = Result<Next<T, E>, PromiseError>;

/// The derived promise of one reaction.
#[track_caller]
fn react<O, T, E>(
    owner: &Rc<LoopState>,
    source: impl Future<Output = Outcome<O>> + 'static,
    handler: impl FnOnce(Outcome<O>) -> Left<T, E> + 'static,
) -> TryPromise<T, E>
where
    O: 'static,
    T: 'static,
    E: Reason,
{
    let derived = State::new(owner.clone(), Location::caller(), error_of);
    let task = async move {
        let outcome = source.await;
        handler(outcome)
    };
    start_eagerly(task, conclude, &derived);
    TryPromise::new(derived)
}

fn conclude<T, E>(left: Left<T, E>) -> Conclusion<Result<T, E>> {
    match left {
        Ok(Next::Fulfil(value)) => Conclusion::Settled(Ok(Ok(value))),
        Ok(Next::Reject(reason)) => Conclusion::Settled(Ok(Err(reason))),
        Ok(Next::Follow(followed)) => Conclusion::Follow(followed.following),
        Err(failure) => Conclusion::Settled(Err(failure)),
    }
}

/// A reaction that passes a failure on, and a result to its handler.
fn on_result<T, E, U, F, R: IntoNext<U, F>>(
    handler: impl FnOnce(Result<T, E>) -> R,
) -> impl FnOnce(Outcome<Result<T, E>>) -> Left<U, F>
where
    U: 'static,
    F: 'static,
{
    move |outcome| outcome.map(|result| handler(result).into_next())
}

/// R47: calls `handler`, waits for what it gives, and ends as the source did, unless the handler
/// fails. The detour by a second reaction is JavaScript's, and so are its turns.
fn on_finally<T, E, V, R: IntoNext<V, E>>(
    owner: Rc<LoopState>,
    location: SourceLocation,
    handler: impl FnOnce() -> R,
) -> impl FnOnce(Outcome<Result<T, E>>) -> Left<T, E>
where
    T: 'static,
    E: Reason,
    V: 'static,
{
    move |outcome| {
        let waiting: BoxedOutcome<Result<V, E>> = match handler().into_next() {
            Next::Reject(reason) => return Ok(Next::Reject(reason)),
            // JavaScript awaits a wrapped result for a turn, which is over before that of the job
            // by which the derived promise follows; leaving it out changes nothing.
            Next::Fulfil(value) => Box::pin(std::future::ready(Ok(Ok(value)))),
            Next::Follow(followed) => followed.following.outcome,
        };
        let kept = State::new(owner, location, error_of);
        let keep = async move {
            match waiting.await {
                Ok(Ok(_)) => outcome,
                Ok(Err(reason)) => Ok(Err(reason)),
                Err(failure) => Err(failure),
            }
        };
        start_eagerly(keep, Conclusion::Settled, &kept);
        let kept = TryPromise::new(kept);
        let following = Following::output(kept.state().clone(), kept.settled());
        Ok(Next::Follow(Followed { following }))
    }
}

impl<T: 'static, E: Reason> TryPromise<T, E> {
    /// `then(onFulfilled)`: calls `handler` with the value, one turn behind the settling (R42). A
    /// rejection passes by, in the same number of turns.
    ///
    /// The handler gives a `Result`, a promise, or a [`Next`]. A panic in it rejects the derived
    /// promise.
    ///
    /// ```
    /// use nodeloop::promise;
    /// let sum = nodeloop::block_on(async {
    ///     promise::resolve::<_, String>(20).then(|half| Ok(half + 22)).await
    /// });
    /// assert_eq!(sum, Ok(42));
    /// ```
    #[track_caller]
    pub fn then<U: 'static, R: IntoNext<U, E> + 'static>(
        self,
        handler: impl FnOnce(T) -> R + 'static,
    ) -> TryPromise<U, E> {
        self.then_or_else(
            move |value| handler(value).into_next(),
            |reason| Err(reason).into_next(),
        )
    }

    /// `then(onFulfilled, onRejected)`: calls one of two handlers; the derived promise may have
    /// another type of error.
    #[track_caller]
    pub fn then_or_else<U, F, R, S>(
        self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(E) -> S + 'static,
    ) -> TryPromise<U, F>
    where
        U: 'static,
        F: Reason,
        R: IntoNext<U, F> + 'static,
        S: IntoNext<U, F> + 'static,
    {
        let owner = self.state().owner().clone();
        react(
            &owner,
            self.settled(),
            on_result(either(on_fulfilled, on_rejected)),
        )
    }

    /// Like [`then_or_else`](TryPromise::then_or_else), with a second handler that sees every kind
    /// of rejection: panics, aborts and self-resolution as well. It is JavaScript's `then` whole.
    #[track_caller]
    pub fn then_or_else_any<U, F, R, S>(
        self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(Rejected<E>) -> S + 'static,
    ) -> TryPromise<U, F>
    where
        U: 'static,
        F: Reason,
        R: IntoNext<U, F> + 'static,
        S: IntoNext<U, F> + 'static,
    {
        let owner = self.state().owner().clone();
        react(
            &owner,
            self.settled(),
            either_any(on_fulfilled, on_rejected),
        )
    }

    /// `catch(onRejected)`: calls `handler` with the error; a value passes by, in the same number
    /// of turns. Panics and aborts pass by, too: [`catch_any`](TryPromise::catch_any) sees them.
    #[track_caller]
    pub fn catch<F: Reason, R: IntoNext<T, F> + 'static>(
        self,
        handler: impl FnOnce(E) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.then_or_else(
            |value| Ok(value).into_next(),
            move |reason| handler(reason).into_next(),
        )
    }

    /// Like [`catch`](TryPromise::catch), for every kind of rejection: panics of the task or of a
    /// handler, aborts, and self-resolution as well.
    #[track_caller]
    pub fn catch_any<F: Reason, R: IntoNext<T, F> + 'static>(
        self,
        handler: impl FnOnce(Rejected<E>) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.then_or_else_any(
            |value| Ok(value).into_next(),
            move |why| handler(why).into_next(),
        )
    }

    /// `finally(f)`: calls `handler` however the promise ends, waits for the promise it gives, if
    /// it gives one, and ends as this one did, unless the handler fails (R47).
    #[track_caller]
    pub fn finally<V: 'static, R: IntoNext<V, E> + 'static>(
        self,
        handler: impl FnOnce() -> R + 'static,
    ) -> TryPromise<T, E> {
        let owner = self.state().owner().clone();
        let handler = on_finally(owner.clone(), Location::caller(), handler);
        react(&owner, self.settled(), handler)
    }

    /// The same promise, with any number of reactions. Sharing costs no turn.
    pub fn shared(self) -> SharedTryPromise<T, E>
    where
        T: Clone,
        E: Clone,
    {
        SharedTryPromise::new(self.into_state())
    }

    /// Changes the type of the result, at the cost of no turn: `map` is called within the
    /// settling itself, so keep it small. Aborting the converted promise leaves the original
    /// running.
    #[track_caller]
    pub fn map<U: 'static, F: Reason>(
        self,
        convert: impl FnOnce(Result<T, E>) -> Result<U, F> + 'static,
    ) -> TryPromise<U, F> {
        let source = self.into_state();
        let converted = State::new(source.owner().clone(), Location::caller(), error_of);
        converted.source.set(super::Source::TryResolver);
        let to = converted.clone();
        source.when_settled(move |outcome| {
            let outcome = outcome.and_then(|result| {
                catch_unwind(AssertUnwindSafe(|| convert(result))).map_err(PromiseError::Panicked)
            });
            to.settle(outcome);
        });
        TryPromise::new(converted)
    }

    /// Changes the type of the error with `From`, at the cost of no turn.
    #[track_caller]
    pub fn err_into<F: Reason + From<E>>(self) -> TryPromise<T, F> {
        self.map(|result| result.map_err(F::from))
    }

    /// The same promise as one that is not tracked: its `Err` is a value like any other. It costs
    /// no turn.
    pub fn untracked(self) -> Promise<Result<T, E>> {
        let state = self.into_state();
        state.set_reason_of(no_reason);
        Promise::new(state)
    }
}

impl<T: Clone + 'static, E: Reason + Clone> SharedTryPromise<T, E> {
    /// As [`TryPromise::then`].
    #[track_caller]
    pub fn then<U: 'static, R: IntoNext<U, E> + 'static>(
        &self,
        handler: impl FnOnce(T) -> R + 'static,
    ) -> TryPromise<U, E> {
        self.then_or_else(
            move |value| handler(value).into_next(),
            |reason| Err(reason).into_next(),
        )
    }

    /// As [`TryPromise::then_or_else`].
    #[track_caller]
    pub fn then_or_else<U, F, R, S>(
        &self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(E) -> S + 'static,
    ) -> TryPromise<U, F>
    where
        U: 'static,
        F: Reason,
        R: IntoNext<U, F> + 'static,
        S: IntoNext<U, F> + 'static,
    {
        react(
            self.state().owner(),
            self.settled(),
            on_result(either(on_fulfilled, on_rejected)),
        )
    }

    /// As [`TryPromise::then_or_else_any`].
    #[track_caller]
    pub fn then_or_else_any<U, F, R, S>(
        &self,
        on_fulfilled: impl FnOnce(T) -> R + 'static,
        on_rejected: impl FnOnce(Rejected<E>) -> S + 'static,
    ) -> TryPromise<U, F>
    where
        U: 'static,
        F: Reason,
        R: IntoNext<U, F> + 'static,
        S: IntoNext<U, F> + 'static,
    {
        let owner = self.state().owner().clone();
        react(
            &owner,
            self.settled(),
            either_any(on_fulfilled, on_rejected),
        )
    }

    /// As [`TryPromise::catch`].
    #[track_caller]
    pub fn catch<F: Reason, R: IntoNext<T, F> + 'static>(
        &self,
        handler: impl FnOnce(E) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.then_or_else(
            |value| Ok(value).into_next(),
            move |reason| handler(reason).into_next(),
        )
    }

    /// As [`TryPromise::catch_any`].
    #[track_caller]
    pub fn catch_any<F: Reason, R: IntoNext<T, F> + 'static>(
        &self,
        handler: impl FnOnce(Rejected<E>) -> R + 'static,
    ) -> TryPromise<T, F> {
        self.then_or_else_any(
            |value| Ok(value).into_next(),
            move |why| handler(why).into_next(),
        )
    }

    /// As [`TryPromise::finally`].
    #[track_caller]
    pub fn finally<V: 'static, R: IntoNext<V, E> + 'static>(
        &self,
        handler: impl FnOnce() -> R + 'static,
    ) -> TryPromise<T, E> {
        let owner = self.state().owner();
        let handler = on_finally(owner.clone(), Location::caller(), handler);
        react(owner, self.settled(), handler)
    }
}

impl<T: 'static> Promise<T> {
    /// Calls `handler` with the value, one turn behind the settling (R42).
    #[track_caller]
    pub fn then<U: 'static>(self, handler: impl FnOnce(T) -> U + 'static) -> Promise<U> {
        let owner = self.state().owner().clone();
        react_plainly(&owner, self.settled(), |value| {
            Conclusion::Settled(Ok(handler(value)))
        })
    }

    /// Like [`then`](Promise::then), for a handler that gives a promise: the derived one follows
    /// it, two turns behind it (R43).
    #[track_caller]
    pub fn then_follow<U: 'static>(
        self,
        handler: impl FnOnce(T) -> Promise<U> + 'static,
    ) -> Promise<U> {
        let owner = self.state().owner().clone();
        react_plainly(&owner, self.settled(), |value| {
            let next = handler(value);
            Conclusion::Follow(Following::output(next.state().clone(), next.settled()))
        })
    }

    /// The same promise, with any number of reactions. Sharing costs no turn.
    pub fn shared(self) -> SharedPromise<T>
    where
        T: Clone,
    {
        SharedPromise::new(self.into_state())
    }

    /// Changes the type of the value, at the cost of no turn: `map` is called within the
    /// settling itself. As [`TryPromise::convert`].
    #[track_caller]
    pub fn map<U: 'static>(self, convert: impl FnOnce(T) -> U + 'static) -> Promise<U> {
        let source = self.into_state();
        let converted = State::new(source.owner().clone(), Location::caller(), no_reason);
        converted.source.set(super::Source::TryResolver);
        let to = converted.clone();
        source.when_settled(move |outcome| {
            let outcome = outcome.and_then(|value| {
                catch_unwind(AssertUnwindSafe(|| convert(value))).map_err(PromiseError::Panicked)
            });
            to.settle(outcome);
        });
        Promise::new(converted)
    }
}

impl<T: 'static, E: Reason> Promise<Result<T, E>> {
    /// The same promise as one that can be rejected: its `Err` is tracked, and `then` and `catch`
    /// tell values from errors. It costs no turn.
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
        state.set_reason_of(error_of);
        TryPromise::new(state)
    }
}

impl<T: Clone + 'static> SharedPromise<T> {
    /// As [`Promise::then`].
    #[track_caller]
    pub fn then<U: 'static>(&self, handler: impl FnOnce(T) -> U + 'static) -> Promise<U> {
        let owner = self.state().owner();
        react_plainly(owner, self.settled(), |value| {
            Conclusion::Settled(Ok(handler(value)))
        })
    }
}

impl<T: 'static> TryPromise<T, Infallible> {
    /// The same promise without its impossible error, at the cost of no turn.
    #[track_caller]
    pub fn infallible(self) -> Promise<T> {
        self.untracked().map(|result| match result {
            Ok(value) => value,
            Err(never) => match never {},
        })
    }
}

fn either<T, E, U, F, R: IntoNext<U, F>, S: IntoNext<U, F>>(
    on_fulfilled: impl FnOnce(T) -> R,
    on_rejected: impl FnOnce(E) -> S,
) -> impl FnOnce(Result<T, E>) -> Next<U, F>
where
    U: 'static,
    F: 'static,
{
    move |result| match result {
        Ok(value) => on_fulfilled(value).into_next(),
        Err(reason) => on_rejected(reason).into_next(),
    }
}

fn either_any<T, E, U, F, R: IntoNext<U, F>, S: IntoNext<U, F>>(
    on_fulfilled: impl FnOnce(T) -> R,
    on_rejected: impl FnOnce(Rejected<E>) -> S,
) -> impl FnOnce(Outcome<Result<T, E>>) -> Left<U, F>
where
    U: 'static,
    F: 'static,
{
    move |outcome| {
        Ok(match outcome {
            Ok(Ok(value)) => on_fulfilled(value).into_next(),
            Ok(Err(reason)) => on_rejected(Rejected::Error(reason)).into_next(),
            Err(failure) => on_rejected(Rejected::Failed(failure)).into_next(),
        })
    }
}

/// The derived promise of a reaction that cannot be rejected.
#[track_caller]
fn react_plainly<T: 'static, U: 'static>(
    owner: &Rc<LoopState>,
    source: impl Future<Output = Outcome<T>> + 'static,
    handler: impl FnOnce(T) -> Conclusion<U> + 'static,
) -> Promise<U> {
    let derived = State::new(owner.clone(), Location::caller(), no_reason);
    let task = async move {
        match source.await {
            Ok(value) => handler(value),
            Err(failure) => Conclusion::Settled(Err(failure)),
        }
    };
    start_eagerly(task, |conclusion| conclusion, &derived);
    Promise::new(derived)
}
