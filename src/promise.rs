//! Promises: futures that cost as many microtask turns as those of JavaScript.
//!
//! A [`Promise<T>`] cannot be rejected. A [`TryPromise<T, E>`] can, and a rejection that is not
//! handled is reported (R14–R18). Both are futures. Awaiting one costs **exactly one turn** of the
//! microtask queue, counted from the moment it settles, or from the `await` if it has settled
//! before (R45). Awaiting a future of another library that is ready costs no turn.
//!
//! The last column of the table counts the microtask turns between settling (or the call) and the
//! dependent code.
//!
//! | JavaScript | nodeloop | turns |
//! |---|---|---|
//! | calling an `async function` | [`spawn`], [`try_spawn`] | 0: the first part runs at once (R46) |
//! | `await promise` | `promise.await`, `promise.settled().await` | 1 (R45) |
//! | `new Promise(…)`, `Promise.withResolvers()` | [`with_resolver`], [`try_with_resolver`] | 0 |
//! | `Promise.resolve(v)`, `Promise.reject(e)` | [`ready`], [`resolve`], [`reject`] | 0 |
//! | `resolve(promise)` | [`TryResolver::resolve_with`] | 2 after `promise` (R43) |
//! | `.then(f)`, `.then(f, g)` | [`then`](TryPromise::then), [`then_or_else`](TryPromise::then_or_else), [`then_or_else_any`](TryPromise::then_or_else_any) | 1, even if no handler is called (R42) |
//! | `.catch(g)` | [`catch`](TryPromise::catch), [`catch_any`](TryPromise::catch_any) | 1 |
//! | a handler that returns a value or throws | `Ok(v)`, `Err(e)`, [`Next::Fulfil`], [`Next::Reject`] | 0 |
//! | a handler that returns a promise | the promise, or [`Next::follow`] | 2 after that promise (R43) |
//! | `.finally(f)` | [`finally`](TryPromise::finally) | 1 to `f`, and 2 more to the derived promise (R47) |
//! | `Promise.all`, `allSettled`, `race`, `any` | [`all`], [`all_settled`], [`race`], [`any`] | 1 after the member that decides (R48, R49) |
//! | several reactions on one promise | [`shared`](TryPromise::shared) | 0 |
//! | — | [`map`](TryPromise::map), [`map_err`](TryPromise::map_err), [`tracked`](Promise::tracked), [`untracked`](TryPromise::untracked) | 0 |
//!
//! Dropping a promise detaches its task, which keeps running. [`promise.settled()`](Promise::settled)
//! is a future that can [abort](Settled::abort) the task; it returns an abort, and every other reason
//! why there is no output, as a [`PromiseError`]. Dropping every resolver leaves the promise pending
//! forever. A panic in a task resumes in the code that awaits its promise, or is an error of
//! `settled()`. A panic in a task whose promise has never been polled is reported as an unhandled
//! rejection.
//!
//! # Examples
//!
//! ```
//! use nodeloop::promise;
//!
//! let text = nodeloop::block_on(async {
//!     promise::reject::<u32, _>("no luck")
//!         .then(|value| Ok(value + 1)) // not called
//!         .catch(|error| Ok::<_, std::convert::Infallible>(error.len() as u32))
//!         .finally(|| println!("over"))
//!         .await
//! });
//! assert_eq!(text, Ok(7));
//! ```

mod awaiter;
mod combinators;
mod error;
mod handle;
mod identity;
pub(crate) mod main_task;
mod member;
mod next;
mod reaction_list;
mod reactions;
mod resolver;
mod settled;
mod settled_by;
mod shared;
mod state;
mod task;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use crate::event_loop::current::current;
pub use crate::event_loop::eager::MAX_SPAWN_DEPTH;
use crate::event_loop::state::LoopState;
use crate::hooks::rejection::Reason;
use crate::phases::macrotask::SourceLocation;

pub use combinators::{
    AggregateError, all, all_settled, any, any_and_abort, race, race_and_abort, ready, reject,
    resolve,
};
pub use error::{PromiseError, SelfResolution};
use handle::PromiseHandle;
pub use next::{Followed, IntoNext, Next, PromiseLike, Rejected, SettledResult};
pub(crate) use resolver::with_resolver_at;
pub use resolver::{Resolver, TryResolver, try_with_resolver, with_resolver};
pub use settled::{AbortHandle, Settled};
pub use shared::{SharedPromise, SharedTryPromise};
pub(crate) use state::{ReasonOf, SettledBy, State};
use task::{NewPromise, start_eagerly, start_lazily, with_output};

/// Spawns a task and polls its future at once, as a call of an `async function` does (R46).
///
/// The future runs on the caller's stack up to its first wait, and from then on whenever it is
/// woken. Dropping the promise detaches its task, which keeps running; call
/// [`detach`](Promise::detach) where this is intended.
///
/// **An `Err` in the output is a value like any other, so that dropping the promise discards it.**
/// The compiler warns of a promise that is not used. For a future that returns a `Result`, use
/// [`try_spawn`], which reports an `Err` that is not handled:
///
/// ```compile_fail
/// # nodeloop::block_on(async {
/// nodeloop::spawn(async { "4x".parse::<i32>() }); // unused `Promise` that must be used
/// # })
/// ```
///
/// # Examples
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
/// Panics if called outside of an event loop, and if eager spawns are nested deeper than
/// [`MAX_SPAWN_DEPTH`] or use more of the stack than
/// [`spawn_stack`](crate::Builder::spawn_stack) allows; [`spawn_lazy`] does not nest.
#[track_caller]
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Promise<T> {
    spawn_at(Location::caller(), future)
}

/// Spawns a task as [`spawn`] does, for a caller that knows the location already.
#[track_caller]
pub(crate) fn spawn_at<T: 'static>(
    location: SourceLocation,
    future: impl Future<Output = T> + 'static,
) -> Promise<T> {
    let new = NewPromise {
        owner: current("spawn"),
        location,
        reason_of: no_reason,
    };
    let handle = start_eagerly(future, with_output, new);
    Promise { handle }
}

/// Spawns a task and polls its future for the first time in a microtask of its own.
///
/// Otherwise it behaves like [`spawn`].
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn spawn_lazy<T: 'static>(future: impl Future<Output = T> + 'static) -> Promise<T> {
    let state = State::new(current("spawn_lazy"), Location::caller(), no_reason);
    start_lazily(future, with_output, &state);
    Promise::new(state)
}

/// Spawns a task that can fail and polls its future at once.
///
/// It behaves like [`spawn`], but the promise can be rejected. A rejection that is not handled by
/// the end of the drain is reported as Node reports it (R14). *Handled* means that the promise has
/// been polled once or given a reaction; holding it is not enough, as in Node. If the promise is
/// polled only later, call [`TryPromise::mark_handled`].
///
/// # Examples
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
/// Panics in the same cases as [`spawn`].
#[track_caller]
pub fn try_spawn<T: 'static, E: Reason>(
    future: impl Future<Output = Result<T, E>> + 'static,
) -> TryPromise<T, E> {
    let new = NewPromise {
        owner: current("try_spawn"),
        location: Location::caller(),
        reason_of: error_of,
    };
    let handle = start_eagerly(future, with_output, new);
    TryPromise { handle }
}

/// Spawns a task that can fail and polls its future for the first time in a microtask of its own.
///
/// Otherwise it behaves like [`try_spawn`].
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn try_spawn_lazy<T: 'static, E: Reason>(
    future: impl Future<Output = Result<T, E>> + 'static,
) -> TryPromise<T, E> {
    try_spawn_lazy_at(Location::caller(), future)
}

/// Spawns a task as [`try_spawn_lazy`] does, and reports it as one of `location`.
#[track_caller]
pub(crate) fn try_spawn_lazy_at<T: 'static, E: Reason>(
    location: SourceLocation,
    future: impl Future<Output = Result<T, E>> + 'static,
) -> TryPromise<T, E> {
    let state = State::new(current("try_spawn_lazy"), location, error_of);
    start_lazily(future, with_output, &state);
    TryPromise::new(state)
}

/// Spawns a task of a loop that is not running. Its first poll is a microtask of the next run.
pub(crate) fn spawn_between_runs<T: 'static>(
    owner: &Rc<LoopState>,
    location: SourceLocation,
    future: impl Future<Output = T> + 'static,
) -> Promise<T> {
    let state = State::new(owner.clone(), location, no_reason);
    start_lazily(future, with_output, &state);
    Promise::new(state)
}

/// Spawns a task that can fail of a loop that is not running.
pub(crate) fn try_spawn_between_runs<T: 'static, E: Reason>(
    owner: &Rc<LoopState>,
    location: SourceLocation,
    future: impl Future<Output = Result<T, E>> + 'static,
) -> TryPromise<T, E> {
    let state = State::new(owner.clone(), location, error_of);
    start_lazily(future, with_output, &state);
    TryPromise::new(state)
}

/// Returns no reason: the [`ReasonOf`](state::ReasonOf) of a promise that cannot be rejected.
pub(crate) fn no_reason<O>(_: &O) -> Option<&dyn Reason> {
    None
}

/// Returns the error: the [`ReasonOf`](state::ReasonOf) of a promise that can be rejected.
pub(crate) fn error_of<T, E: Reason>(result: &Result<T, E>) -> Option<&dyn Reason> {
    result.as_ref().err().map(|error| error as &dyn Reason)
}

/// A future for the output of a task, a job or a resolver.
///
/// Awaiting it costs one turn (R45). Dropping it detaches its task, which keeps running.
///
/// # Panics
///
/// Awaiting it panics with the task's own panic if the task panicked, and panics if its loop has
/// ended (outside of the loop, or in a destructor), or if it was resolved with itself. Await
/// [`settled`](Promise::settled) to receive these as errors.
///
/// # Cancel safety
///
/// It can be polled repeatedly in a `select!`. The first poll marks it as handled (R17).
#[must_use = "dropping a promise discards its output, even an `Err`: await it, use `try_spawn`, or \
              call `detach()`"]
pub struct Promise<T: 'static> {
    handle: PromiseHandle<T>,
}

/// A future for the `Result` of a fallible task, a reaction or a [`TryResolver`].
///
/// It has the properties of a [`Promise`]. In addition, a rejection that is not handled is
/// reported. Its output is a `Result`, so `?` works on `promise.await`.
pub struct TryPromise<T: 'static, E: 'static> {
    handle: PromiseHandle<Result<T, E>>,
}

impl<T: 'static> Promise<T> {
    pub(crate) fn new(state: Rc<State<T>>) -> Promise<T> {
        let handle = PromiseHandle::new(state);
        Promise { handle }
    }

    pub(crate) fn into_state(self) -> Rc<State<T>> {
        self.handle.into_state()
    }

    /// Lets the task run on without its promise, and discards the output.
    ///
    /// This is what dropping the promise does; the call shows that it is intended. A panic of the
    /// task is still reported as an unhandled rejection.
    pub fn detach(self) {}

    /// Returns whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.handle.is_settled()
    }

    /// Returns a future that never panics: it resolves to the value, or to a [`PromiseError`].
    ///
    /// Awaiting it costs one turn, too (R45). It is also what aborts the promise: see
    /// [`Settled::abort`], [`Settled::abort_handle`], [`Settled::abort_on_drop`] and
    /// [`Settled::abort_on`].
    pub fn settled(self) -> Settled<T> {
        self.handle.into_awaiter().settled()
    }

    /// Marks the promise as handled, so that a panic of the task is not reported.
    pub fn mark_handled(&self) {
        self.handle.mark_handled();
    }
}

impl<T: 'static, E: 'static> TryPromise<T, E> {
    pub(crate) fn new(state: Rc<State<Result<T, E>>>) -> TryPromise<T, E> {
        let handle = PromiseHandle::new(state);
        TryPromise { handle }
    }

    fn into_state(self) -> Rc<State<Result<T, E>>> {
        self.handle.into_state()
    }

    /// Returns whether the promise has settled.
    pub fn is_finished(&self) -> bool {
        self.handle.is_settled()
    }

    /// Returns a future that never panics; see [`Promise::settled`].
    ///
    /// Its output is a `Result` within a `Result`: the inner error is that of the promise, the outer
    /// one a [`PromiseError`]. [`Settled::flatten`] makes one of the two.
    pub fn settled(self) -> Settled<Result<T, E>> {
        self.handle.into_awaiter().settled()
    }

    /// Marks the promise as handled, so that a rejection is not reported.
    pub fn mark_handled(&self) {
        self.handle.mark_handled();
    }
}

impl<T: 'static> Future for Promise<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.handle.poll_output(cx)
    }
}

impl<T: 'static, E: 'static> Future for TryPromise<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        self.handle.poll_output(cx)
    }
}

impl<T: 'static> FusedFuture for Promise<T> {
    fn is_terminated(&self) -> bool {
        self.handle.is_done()
    }
}

impl<T: 'static, E: 'static> FusedFuture for TryPromise<T, E> {
    fn is_terminated(&self) -> bool {
        self.handle.is_done()
    }
}

impl<T: 'static> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl<T: 'static, E: 'static> fmt::Debug for TryPromise<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
