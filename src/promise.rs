//! Promises: futures whose turns are counted as JavaScript counts them.
//!
//! A [`Promise<T>`] cannot be rejected; a [`TryPromise<T, E>`] can, and what nobody handles is
//! reported (R14–R18). Both are futures, and awaiting one costs **exactly one turn** of the
//! microtask queue behind the moment it settles, or behind the `await` if it has settled by then
//! (R45). A foreign future that is ready costs none: awaiting it is an inlined call.
//!
//! | JavaScript | nodeloop | turns |
//! |---|---|---|
//! | calling an `async function` | [`spawn`], [`try_spawn`] | 0: the first part runs at once (R46) |
//! | `await promise` | `promise.await`, `promise.settled().await` | 1 (R45) |
//! | `new Promise(…)`, `Promise.withResolvers()` | [`try_with_resolver`], [`with_resolver`] | 0 |
//! | `Promise.resolve(v)`, `Promise.reject(e)` | [`resolve`], [`reject`], [`ready`] | 0 |
//! | `resolve(promise)` | [`TryResolver::resolve_with`] | 2 more than `promise` (R43) |
//! | `.then(f)`, `.then(f, g)` | [`then`](TryPromise::then), [`then_or_else`](TryPromise::then_or_else), [`then_or_else_any`](TryPromise::then_or_else_any) | 1, also where there is no handler (R42) |
//! | `.catch(g)` | [`catch`](TryPromise::catch), [`catch_any`](TryPromise::catch_any) | 1 |
//! | a handler that returns a value, or throws | `Ok(v)`, `Err(e)`, [`Next::Fulfil`], [`Next::Reject`] | 0 more |
//! | a handler that returns a promise | the promise, or [`Next::follow`] | 2 more than that promise (R43) |
//! | `.finally(f)` | [`finally`](TryPromise::finally) | 1 to `f`, 2 more to the derived promise (R47) |
//! | `Promise.all`, `allSettled`, `race`, `any` | [`all`], [`all_settled`], [`race`], [`any`] | 1 behind the member that decides (R48, R49) |
//! | several reactions on one promise | [`shared`](TryPromise::shared) | 0 |
//! | — | [`map`](TryPromise::map), [`err_into`](TryPromise::err_into), [`tracked`](Promise::tracked), [`untracked`](TryPromise::untracked) | 0 |
//!
//! Dropping a promise detaches what stands behind it: the task runs on. [`Promise::abort`] ends
//! it. Dropping the resolvers leaves their promise pending. A panic inside a task resumes in
//! whoever awaits its promise; `settled()` awaits without ever panicking. A panic in a task whose
//! promise nobody has polled is an unhandled rejection.
//!
//! ```
//! use nodeloop::promise;
//!
//! let text = nodeloop::block_on(async {
//!     promise::reject::<u32, _>("no luck")
//!         .then(|value| Ok(value + 1)) // passed by
//!         .catch(|error| Ok::<_, std::convert::Infallible>(error.len() as u32))
//!         .finally(|| println!("over"))
//!         .await
//! });
//! assert_eq!(text, Ok(7));
//! ```

mod combinators;
mod next;
mod reactions;
mod resolver;
mod shared;
mod state;
mod task;

use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use crate::event_loop::current::current;
use crate::hooks::rejection::Reason;
use crate::phases::macrotask::SourceLocation;

pub use combinators::{
    AggregateError, all, all_settled, any, any_and_abort, race, race_and_abort, ready, reject,
    resolve,
};
pub use next::{Followed, IntoNext, Next, PromiseLike, Rejected, SettledResult};
pub use resolver::{Resolver, TryResolver, try_with_resolver, with_resolver};
pub use shared::{SharedPromise, SharedSettled, SharedTryPromise};
use state::Awaiting;
pub(crate) use state::{Outcome, Source, State};
pub use state::{PromiseError, SelfResolution};
pub use task::MAX_SPAWN_DEPTH;
use task::{start_eagerly, start_lazily, with_output};

/// Polls a future at once and returns its promise: what calling an `async` function is in
/// JavaScript (R46).
///
/// The future runs on the caller's stack up to its first wait, and from then on whenever it is
/// woken. Dropping the promise detaches the task.
///
/// **An `Err` in the output is a value like any other here: drop the promise, and it is gone
/// without a word.** For a future that gives a `Result` take [`try_spawn`], which reports an `Err`
/// that nobody looks at.
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let seen = log.clone();
/// nodeloop::run(async move {
///     log.borrow_mut().push("before");
///     let inner = log.clone();
///     let task = nodeloop::spawn(async move { inner.borrow_mut().push("in the task") });
///     log.borrow_mut().push("after");
///     task.await;
/// });
/// assert_eq!(*seen.borrow(), ["before", "in the task", "after"]);
/// ```
///
/// # Panics
///
/// Outside of an event loop, and when eager spawns are nested deeper than [`MAX_SPAWN_DEPTH`] or
/// than the stack can hold: [`spawn_lazy`] does not nest.
#[track_caller]
pub fn spawn<F>(future: F) -> Promise<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_at(Location::caller(), future)
}

/// [`spawn`] on behalf of somebody else.
#[track_caller]
pub(crate) fn spawn_at<F>(location: SourceLocation, future: F) -> Promise<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let state = State::new(current("spawn"), location, no_reason);
    start_eagerly(future, with_output, &state);
    Promise::new(state)
}

/// Like [`spawn`], but the future is polled for the first time in a microtask of its own.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn spawn_lazy<F>(future: F) -> Promise<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let state = State::new(current("spawn_lazy"), Location::caller(), no_reason);
    start_lazily(future, with_output, &state);
    Promise::new(state)
}

/// Like [`spawn`], for a future that can fail: its promise can be rejected, and if it is and
/// nobody has handled it by the end of the drain, that is reported as Node reports it.
///
/// *Handled* means polled once or given a reaction; merely holding the promise is not enough, as
/// in Node. [`TryPromise::mark_handled`] says that you will look later.
///
/// ```
/// let result = nodeloop::block_on(async {
///     let task = nodeloop::try_spawn(async { "4x".parse::<i32>() });
///     task.await
/// });
/// assert!(result.is_err());
/// ```
///
/// # Panics
///
/// As [`spawn`].
#[track_caller]
pub fn try_spawn<F, T, E>(future: F) -> TryPromise<T, E>
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: Reason,
{
    let state = State::new(current("try_spawn"), Location::caller(), error_of);
    start_eagerly(future, with_output, &state);
    TryPromise::new(state)
}

/// Like [`try_spawn`], but the future is polled for the first time in a microtask of its own.
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn try_spawn_lazy<F, T, E>(future: F) -> TryPromise<T, E>
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: Reason,
{
    let state = State::new(current("try_spawn_lazy"), Location::caller(), error_of);
    start_lazily(future, with_output, &state);
    TryPromise::new(state)
}

/// An output that is never a rejection.
pub(crate) fn no_reason<O>(_: &O) -> Option<&dyn Reason> {
    None
}

/// The rejection in the output of a fallible promise.
fn error_of<T, E: Reason>(result: &Result<T, E>) -> Option<&dyn Reason> {
    result.as_ref().err().map(|error| error as &dyn Reason)
}

/// A value that will be there: the result of a task, a job, or a resolver.
///
/// It is a future. Awaiting it costs one turn (R45), panics with the task's panic if the task
/// panicked, and panics if the promise was aborted; [`settled`](Promise::settled) tells instead.
///
/// Dropping it detaches what stands behind it. It is cancel safe: it can be polled in a `select!`
/// again and again; being polled once counts as handled.
pub struct Promise<T: 'static> {
    inner: Inner<T>,
}

/// A value that will be there, or the reason why not: the result of a fallible task, or of
/// resolvers.
///
/// It is a future with a `Result` for output, so `?` works on `promise.await`. Everything said of
/// [`Promise`] holds; in addition a rejection that nobody handles is reported.
pub struct TryPromise<T: 'static, E: 'static> {
    inner: Inner<Result<T, E>>,
}

/// The awaiting side of an unshared promise.
struct Inner<O: 'static> {
    state: Rc<State<O>>,
    awaiting: Awaiting,
}

impl<O: 'static> Inner<O> {
    fn new(state: Rc<State<O>>) -> Inner<O> {
        Inner {
            state,
            awaiting: Awaiting::NotPolled,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<O>> {
        let state = self.state.clone();
        state
            .poll_settled(&mut self.awaiting, cx)
            .map(|()| state.take())
    }
}

impl<O: 'static> Drop for Inner<O> {
    fn drop(&mut self) {
        self.state.forget_reaction(self.awaiting);
    }
}

impl<O: 'static> Inner<O> {
    /// The promise without its awaiting side.
    fn into_state(self) -> Rc<State<O>> {
        self.state.clone()
    }
}

/// What awaiting gives when there is no value.
fn resume<O>(outcome: Outcome<O>, location: SourceLocation) -> O {
    match outcome {
        Ok(output) => output,
        Err(PromiseError::Panicked(payload)) => resume_unwind(payload),
        Err(failure) => panic!(
            "awaited the promise made at {location}, which has no value: {failure}; await \
             `promise.settled()` to get this as an error"
        ),
    }
}

impl<T: 'static> Promise<T> {
    pub(crate) fn new(state: Rc<State<T>>) -> Promise<T> {
        Promise {
            inner: Inner::new(state),
        }
    }

    pub(crate) fn state(&self) -> &Rc<State<T>> {
        &self.inner.state
    }

    fn into_state(self) -> Rc<State<T>> {
        self.inner.into_state()
    }

    /// Asks what stands behind the promise to stop.
    ///
    /// A task drops its future at its next turn (a microtask) and the promise then settles as
    /// [`PromiseError::Aborted`]; a job that no thread has started leaves the queue, one that runs
    /// goes on and its result is dropped. A settled promise stays as it is.
    pub fn abort(&self) {
        self.inner.state.abort();
    }

    /// Whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.inner.state.is_settled()
    }

    /// Awaits without ever panicking: the value, or why there is none. It costs the same turn.
    pub fn settled(self) -> Settled<T> {
        Settled { inner: self.inner }
    }

    /// Marks a panic of the task as handled, so that it is not reported.
    pub fn mark_handled(&self) {
        self.inner.state.mark_handled();
    }
}

impl<T: 'static, E: 'static> TryPromise<T, E> {
    pub(crate) fn new(state: Rc<State<Result<T, E>>>) -> TryPromise<T, E> {
        TryPromise {
            inner: Inner::new(state),
        }
    }

    pub(crate) fn state(&self) -> &Rc<State<Result<T, E>>> {
        &self.inner.state
    }

    fn into_state(self) -> Rc<State<Result<T, E>>> {
        self.inner.into_state()
    }

    /// As [`Promise::abort`].
    pub fn abort(&self) {
        self.inner.state.abort();
    }

    /// Whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.inner.state.is_settled()
    }

    /// Awaits without ever panicking: the result, or why there is none. It costs the same turn.
    pub fn settled(self) -> Settled<Result<T, E>> {
        Settled { inner: self.inner }
    }

    /// Says that somebody will look at the promise later: a rejection is not reported.
    pub fn mark_handled(&self) {
        self.inner.state.mark_handled();
    }
}

impl<T: 'static> Future for Promise<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let location = self.inner.state.location();
        self.inner.poll(cx).map(|outcome| resume(outcome, location))
    }
}

impl<T: 'static, E: 'static> Future for TryPromise<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let location = self.inner.state.location();
        self.inner.poll(cx).map(|outcome| resume(outcome, location))
    }
}

impl<T: 'static> FusedFuture for Promise<T> {
    fn is_terminated(&self) -> bool {
        self.inner.awaiting == Awaiting::Done
    }
}

impl<T: 'static, E: 'static> FusedFuture for TryPromise<T, E> {
    fn is_terminated(&self) -> bool {
        self.inner.awaiting == Awaiting::Done
    }
}

/// Awaits a promise without panicking; see [`Promise::settled`] and [`TryPromise::settled`].
#[must_use = "futures do nothing unless polled"]
pub struct Settled<O: 'static> {
    inner: Inner<O>,
}

impl<O: 'static> Future for Settled<O> {
    type Output = Result<O, PromiseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.poll(cx)
    }
}

impl<O: 'static> fmt::Debug for Inner<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise")
            .field("made_at", &format_args!("{}", self.state.location()))
            .field("is_finished", &self.state.is_settled())
            .finish_non_exhaustive()
    }
}

impl<T: 'static> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: 'static, E: 'static> fmt::Debug for TryPromise<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<O: 'static> fmt::Debug for Settled<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
