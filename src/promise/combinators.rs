//! `all`, `all_settled`, `race`, `any` (R48, R49), and promises that are settled from the start.
//!
//! Each member gets its reaction at once, in order, and the result is settled within the turn of
//! the reaction that decides it. Members that lose keep running, as in JavaScript; the
//! `…_and_abort` forms end them.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use super::next::{AbortHandle, PromiseLike, Rejected, SettledResult};
use super::resolver::{TryResolver, try_with_resolver};
use super::state::{Outcome, State};
use super::task::{start_eagerly, with_output};
use super::{Promise, TryPromise, error_of, no_reason};
use crate::event_loop::current::current;
use crate::hooks::rejection::Reason;

/// A promise that is fulfilled and cannot be rejected. Awaiting it costs one turn (R45).
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn ready<T: 'static>(value: T) -> Promise<T> {
    let state = State::new(current("promise::ready"), Location::caller(), no_reason);
    state.settle(Ok(value));
    Promise::new(state)
}

/// A promise that is fulfilled: `Promise.resolve(value)`.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn resolve<T: 'static, E: Reason>(value: T) -> TryPromise<T, E> {
    let state = State::new(current("promise::resolve"), Location::caller(), error_of);
    state.settle(Ok(Ok(value)));
    TryPromise::new(state)
}

/// A promise that is rejected: `Promise.reject(reason)`. It is reported unless it is handled by
/// the end of the drain.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn reject<T: 'static, E: Reason>(reason: E) -> TryPromise<T, E> {
    let state = State::new(current("promise::reject"), Location::caller(), error_of);
    state.settle(Ok(Err(reason)));
    TryPromise::new(state)
}

/// `Promise.all`: the values of all members, in the order of the list, or the first error.
///
/// An empty list is fulfilled at once. If a member panicked or was aborted, so is the result.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn all<P>(members: impl IntoIterator<Item = P>) -> TryPromise<Vec<P::Value>, P::Error>
where
    P: PromiseLike,
    P::Error: Reason,
{
    let (result, resolver) = try_with_resolver();
    let values = Collected::new();
    let whole = resolver.clone();
    values.react_to_each(
        members,
        resolver,
        move |values, index, outcome| match outcome {
            Ok(Ok(value)) => {
                if let Some(values) = values.put(index, value) {
                    whole.resolve(values);
                }
            }
            Ok(Err(reason)) => whole.reject(reason),
            Err(failure) => whole.fail(failure),
        },
    );
    result
}

/// `Promise.allSettled`: how each member ended, in the order of the list.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn all_settled<P: PromiseLike>(
    members: impl IntoIterator<Item = P>,
) -> Promise<Vec<SettledResult<P>>> {
    let (result, resolver) = try_with_resolver::<_, Infallible>();
    let values = Collected::new();
    let whole = resolver.clone();
    values.react_to_each(members, resolver, move |values, index, outcome| {
        let entry = match outcome {
            Ok(result) => result.map_err(Rejected::Error),
            Err(failure) => Err(Rejected::Failed(failure)),
        };
        if let Some(values) = values.put(index, entry) {
            whole.resolve(values);
        }
    });
    result.infallible()
}

/// `Promise.race`: ends as the first member that settles. An empty list is pending for ever.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn race<P>(members: impl IntoIterator<Item = P>) -> TryPromise<P::Value, P::Error>
where
    P: PromiseLike,
    P::Error: Reason,
{
    race_then(members, |_| {})
}

/// Like [`race`]; when it is decided, the members that have not settled are aborted.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn race_and_abort<P>(members: impl IntoIterator<Item = P>) -> TryPromise<P::Value, P::Error>
where
    P: PromiseLike,
    P::Error: Reason,
{
    race_then(members, abort_all)
}

#[track_caller]
fn race_then<P>(
    members: impl IntoIterator<Item = P>,
    decided: fn(&[AbortHandle]),
) -> TryPromise<P::Value, P::Error>
where
    P: PromiseLike,
    P::Error: Reason,
{
    let (result, resolver) = try_with_resolver();
    let members: Vec<P> = members.into_iter().collect();
    let handles = abort_handles(&members);
    for member in members {
        let (whole, handles) = (resolver.clone(), handles.clone());
        observe(member, move |outcome| {
            whole.conclude(outcome);
            decided(&handles);
        });
    }
    result
}

/// `Promise.any`: the first value, or all errors in the order of the list.
///
/// An empty list is rejected at once, with no errors.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn any<P>(
    members: impl IntoIterator<Item = P>,
) -> TryPromise<P::Value, AggregateError<P::Error>>
where
    P: PromiseLike,
    P::Error: Reason,
{
    any_then(members, |_| {})
}

/// Like [`any`]; when it is decided, the members that have not settled are aborted.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn any_and_abort<P>(
    members: impl IntoIterator<Item = P>,
) -> TryPromise<P::Value, AggregateError<P::Error>>
where
    P: PromiseLike,
    P::Error: Reason,
{
    any_then(members, abort_all)
}

#[track_caller]
fn any_then<P>(
    members: impl IntoIterator<Item = P>,
    decided: fn(&[AbortHandle]),
) -> TryPromise<P::Value, AggregateError<P::Error>>
where
    P: PromiseLike,
    P::Error: Reason,
{
    let (result, resolver) = try_with_resolver();
    let members: Vec<P> = members.into_iter().collect();
    let handles = abort_handles(&members);
    let reasons = Collected::new();
    reasons.begin(members.len());
    let whole = resolver.clone();
    let none_is_left = move |errors| whole.reject(AggregateError { errors });
    if members.is_empty() {
        none_is_left(Vec::new());
    }
    let none_is_left = Rc::new(none_is_left);
    for (index, member) in members.into_iter().enumerate() {
        let (whole, handles) = (resolver.clone(), handles.clone());
        let (reasons, none_is_left) = (reasons.clone(), none_is_left.clone());
        observe(member, move |outcome| {
            let reason = match outcome {
                Ok(Ok(value)) => {
                    whole.resolve(value);
                    return decided(&handles);
                }
                Ok(Err(reason)) => Rejected::Error(reason),
                Err(failure) => Rejected::Failed(failure),
            };
            if let Some(reasons) = reasons.put(index, reason) {
                none_is_left(reasons);
            }
        });
    }
    result
}

/// Why each member of an [`any`] that nobody won was rejected, in the order of the list:
/// JavaScript's `AggregateError`.
#[derive(Debug)]
pub struct AggregateError<E> {
    /// One for each member.
    pub errors: Vec<Rejected<E>>,
}

impl<E> fmt::Display for AggregateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} promises were rejected", self.errors.len())
    }
}

impl<E: fmt::Debug> std::error::Error for AggregateError<E> {}

/// Calls `observer` one turn behind the settling of `member`; nobody can tell that it did, except
/// that the member counts as handled.
#[track_caller]
fn observe<P: PromiseLike>(
    member: P,
    observer: impl FnOnce(Outcome<Result<P::Value, P::Error>>) + 'static,
) {
    let state = State::new(
        current("promise combinators"),
        Location::caller(),
        no_reason,
    );
    let following = member.into_following();
    start_eagerly(
        async move { observer(following.outcome.await) },
        with_output,
        &state,
    );
}

/// What the members have given so far.
struct Collected<V> {
    slots: RefCell<Vec<Option<V>>>,
    open: std::cell::Cell<usize>,
}

impl<V: 'static> Collected<V> {
    fn new() -> Rc<Collected<V>> {
        Rc::new(Collected {
            slots: RefCell::default(),
            open: std::cell::Cell::new(0),
        })
    }

    fn begin(&self, count: usize) {
        self.slots.borrow_mut().resize_with(count, || None);
        self.open.set(count);
    }

    /// Keeps a member's part; gives all of them when none is open any more.
    fn put(&self, index: usize, part: V) -> Option<Vec<V>> {
        self.slots.borrow_mut()[index] = Some(part);
        self.open.set(self.open.get() - 1);
        if self.open.get() > 0 {
            return None;
        }
        Some(
            std::mem::take(&mut *self.slots.borrow_mut())
                .into_iter()
                .flatten()
                .collect(),
        )
    }

    /// Gives every member a reaction; an empty list is fulfilled at once.
    #[track_caller]
    fn react_to_each<P: PromiseLike, E: Reason>(
        self: Rc<Self>,
        members: impl IntoIterator<Item = P>,
        whole: TryResolver<Vec<V>, E>,
        react: impl Fn(&Self, usize, Outcome<Result<P::Value, P::Error>>) + 'static,
    ) {
        let members: Vec<P> = members.into_iter().collect();
        self.begin(members.len());
        if members.is_empty() {
            return whole.resolve(Vec::new());
        }
        let react = Rc::new(react);
        for (index, member) in members.into_iter().enumerate() {
            let (collected, react) = (self.clone(), react.clone());
            observe(member, move |outcome| react(&collected, index, outcome));
        }
    }
}

fn abort_handles<P: PromiseLike>(members: &[P]) -> Rc<[AbortHandle]> {
    members.iter().map(P::abort_handle).collect()
}

fn abort_all(handles: &[AbortHandle]) {
    handles.iter().for_each(AbortHandle::abort);
}
