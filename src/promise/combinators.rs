//! `all`, `all_settled`, `race`, `any` (R48, R49), and constructors of settled promises.
//!
//! A combinator adds a reaction to each member at once, in order. The result settles in the turn of
//! the reaction that decides it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use super::error::Outcome;
use super::member::{Member, start_members};
use super::next::{PromiseLike, Rejected, SettledResult};
use super::resolver::try_with_resolver;
use super::state::State;
use super::{Promise, TryPromise, error_of, no_reason};
use crate::event_loop::current::current;
use crate::hooks::rejection::Reason;

/// Creates a fulfilled promise that cannot be rejected.
///
/// Awaiting it costs one turn (R45).
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn ready<T: 'static>(value: T) -> Promise<T> {
    let state = State::new(current("promise::ready"), Location::caller(), no_reason);
    state.settle(Ok(value));
    Promise::new(state)
}

/// Creates a fulfilled promise: JavaScript's `Promise.resolve(value)`.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn resolve<T: 'static, E: Reason>(value: T) -> TryPromise<T, E> {
    let state = State::new(current("promise::resolve"), Location::caller(), error_of);
    state.settle(Ok(Ok(value)));
    TryPromise::new(state)
}

/// Creates a rejected promise: JavaScript's `Promise.reject(reason)`.
///
/// The rejection is reported unless it is handled by the end of the drain (R14).
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn reject<T: 'static, E: Reason>(reason: E) -> TryPromise<T, E> {
    let state = State::new(current("promise::reject"), Location::caller(), error_of);
    state.settle(Ok(Err(reason)));
    TryPromise::new(state)
}

/// Waits for the values of all members: JavaScript's `Promise.all` (R48).
///
/// The result is fulfilled with the values in the order of the list, at once if the list is empty.
/// It is rejected with the first error. If a member panicked or was aborted first, the result
/// settles in the same way.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn all<P: PromiseLike<Error: Reason>>(
    members: impl IntoIterator<Item = P>,
) -> TryPromise<Vec<P::Value>, P::Error> {
    let (result, resolver) = try_with_resolver();
    let early_resolver = resolver.clone();
    let part_of = move |outcome: OutcomeOf<P>| {
        let rejected = match outcome {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(reason)) => Ok(Err(reason)),
            Err(failure) => Err(failure),
        };
        early_resolver.conclude(rejected);
        None
    };
    collect(members_of(members), part_of, move |values| {
        resolver.resolve(values);
    });
    result
}

/// Waits until all members have settled: JavaScript's `Promise.allSettled` (R48).
///
/// The result is the outcome of each member, in the order of the list.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn all_settled<P: PromiseLike>(
    members: impl IntoIterator<Item = P>,
) -> Promise<Vec<SettledResult<P>>> {
    let (result, resolver) = try_with_resolver::<_, Infallible>();
    let part_of = |outcome: OutcomeOf<P>| Some(settled_result(outcome));
    collect(members_of(members), part_of, move |results| {
        resolver.resolve(results);
    });
    result.infallible()
}

/// Settles as the first member to settle does: JavaScript's `Promise.race` (R49).
///
/// The result of an empty list is pending forever. The other members keep running.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn race<P: PromiseLike<Error: Reason>>(
    members: impl IntoIterator<Item = P>,
) -> TryPromise<P::Value, P::Error> {
    race_then(members_of(members), || {})
}

/// Settles as [`race`] does, and then aborts the members that have not settled.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn race_and_abort<P: PromiseLike<Error: Reason>>(
    members: impl IntoIterator<Item = P>,
) -> TryPromise<P::Value, P::Error> {
    let members = members_of(members);
    let abort = abort_all(&members);
    race_then(members, abort)
}

#[track_caller]
fn race_then<T: 'static, E: Reason>(
    members: Vec<Member<T, E>>,
    on_decided: impl Fn() + 'static,
) -> TryPromise<T, E> {
    let (result, resolver) = try_with_resolver();
    start_members(members, move |_, outcome| {
        resolver.conclude(outcome);
        on_decided();
    });
    result
}

/// Waits for the first value: JavaScript's `Promise.any` (R49).
///
/// If all members are rejected, the result is rejected with an [`AggregateError`], at once if the
/// list is empty. The other members keep running.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn any<P: PromiseLike<Error: Reason>>(
    members: impl IntoIterator<Item = P>,
) -> TryPromise<P::Value, AggregateError<P::Error>> {
    any_then(members_of(members), || {})
}

/// Waits for the first value as [`any`] does, and then aborts the members that have not settled.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn any_and_abort<P: PromiseLike<Error: Reason>>(
    members: impl IntoIterator<Item = P>,
) -> TryPromise<P::Value, AggregateError<P::Error>> {
    let members = members_of(members);
    let abort = abort_all(&members);
    any_then(members, abort)
}

#[track_caller]
fn any_then<T: 'static, E: Reason>(
    members: Vec<Member<T, E>>,
    on_decided: impl Fn() + 'static,
) -> TryPromise<T, AggregateError<E>> {
    let (result, resolver) = try_with_resolver();
    let early_resolver = resolver.clone();
    let part_of = move |outcome| match settled_result(outcome) {
        Ok(value) => {
            early_resolver.resolve(value);
            on_decided();
            None
        }
        Err(rejected) => Some(rejected),
    };
    collect(members, part_of, move |errors| {
        resolver.reject(AggregateError { errors });
    });
    result
}

/// The error of [`any`] if all members were rejected: JavaScript's `AggregateError`.
#[derive(Debug)]
pub struct AggregateError<E> {
    /// The rejection of each member, in the order of the list.
    pub errors: Vec<Rejected<E>>,
}

impl<E> fmt::Display for AggregateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} promises were rejected", self.errors.len())
    }
}

/// The source is the first of the errors.
impl<E: Error + 'static> Error for AggregateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.errors.first().map(|first| first as &dyn Error)
    }
}

/// The outcome of a member.
type OutcomeOf<P> = Outcome<Result<<P as PromiseLike>::Value, <P as PromiseLike>::Error>>;

fn members_of<P: PromiseLike>(
    members: impl IntoIterator<Item = P>,
) -> Vec<Member<P::Value, P::Error>> {
    members.into_iter().map(P::into_member).collect()
}

/// Converts the outcome of a member into its value or its rejection.
fn settled_result<T, E>(outcome: Outcome<Result<T, E>>) -> Result<T, Rejected<E>> {
    match outcome {
        Ok(result) => result.map_err(Rejected::Error),
        Err(failure) => Err(Rejected::Failed(failure)),
    }
}

/// Returns a callback that aborts all members.
fn abort_all<T, E>(members: &[Member<T, E>]) -> impl Fn() + use<T, E> {
    let members: Rc<[_]> = members.iter().map(Member::promise).collect();
    move || {
        members
            .iter()
            .for_each(|member| member.clone().request_abort())
    }
}

/// Calls `complete` with the result of `part_of` for each member, in the order of the list.
///
/// Calls it at once if the list is empty, and never if `part_of` returns `None` for a member.
#[track_caller]
fn collect<T: 'static, E: 'static, V: 'static>(
    members: Vec<Member<T, E>>,
    part_of: impl Fn(Outcome<Result<T, E>>) -> Option<V> + 'static,
    complete: impl Fn(Vec<V>) + 'static,
) {
    if members.is_empty() {
        return complete(Vec::new());
    }
    let missing = Cell::new(members.len());
    let parts = RefCell::new(Vec::from_iter(members.iter().map(|_| None)));
    start_members(members, move |index, outcome| {
        let Some(part) = part_of(outcome) else {
            return;
        };
        parts.borrow_mut()[index] = Some(part);
        missing.set(missing.get() - 1);
        if missing.get() == 0 {
            complete(parts.take().into_iter().flatten().collect());
        }
    });
}
