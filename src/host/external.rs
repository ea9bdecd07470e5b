//! Macrotasks from outside: completions of operations that the host runs itself, and code of the host that
//! opens callback scopes.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use super::is_stopping;
use crate::async_local::{AsyncSnapshot, bind};
use crate::event_loop::current::current;
use crate::event_loop::external::ExternalCallback;
use crate::event_loop::runner::Runner;
use crate::phases::macrotask::{Origin, StepKind};
use crate::reactor::remote_queue::Message;
use crate::runtime::handle::{Handle, KeepAlive, LoopClosed};

/// Queues `callback` as a macrotask of the next poll phase, with a drain of its own (R12, R61).
///
/// It keeps the loop alive until it has run, and arrives together with the messages of other threads, in
/// the order in which they were sent (R66). It runs in the async context of this call.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::queue_macrotask;
/// use nodeloop::{EventLoop, next_tick, set_immediate, test::Log};
///
/// let log = Log::new();
/// let script = log.clone();
/// EventLoop::new()?.run_script(move || {
///     set_immediate(script.callback("immediate"));
///     for name in ["first", "second"] {
///         let callback = script.clone();
///         queue_macrotask(move || {
///             callback.add(name);
///             next_tick(callback.callback(format!("tick of {name}")));
///         });
///     }
/// })?;
/// log.assert_order(["first", "tick of first", "second", "tick of second", "immediate"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn queue_macrotask(callback: impl FnOnce() + 'static) {
    let (state, location) = (current("host::queue_macrotask"), Location::caller());
    if state.is_open() {
        let callback = bind(&state, callback);
        let callback = ExternalCallback::Completion(Box::new(move |_| callback()));
        let id = state.external.add(callback, location);
        // The queue is open as long as the loop is.
        let _ = state.remote_queue.push(Message::External(id, Box::new(())));
    }
}

/// An operation that runs outside of the loop, and whose completion is a macrotask of the poll phase.
///
/// It can be sent to another thread, although the callback need not be `Send`: the callback stays with the
/// loop. The operation keeps the loop alive until it is completed or dropped. It is the counterpart of
/// [`queue_work`](crate::queue_work) for work that does not run in the loop's pool.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use nodeloop::host::Operation;
///
/// let sum = Rc::new(Cell::new(0)); // not `Send`
/// let result = sum.clone();
/// nodeloop::run_script(move || {
///     let operation = Operation::new(move |value: u32| result.set(value));
///     std::thread::spawn(move || operation.complete((1..=10).sum()));
/// });
/// assert_eq!(sum.get(), 55);
/// ```
#[must_use = "dropping an operation drops its callback"]
pub struct Operation<T> {
    /// `None` after the completion.
    id: Option<u64>,
    handle: Handle,
    /// Dropped after a message was sent.
    _keep_alive: KeepAlive,
    value: PhantomData<fn(T)>,
}

impl<T: Send + 'static> Operation<T> {
    /// Begins an operation. `callback` runs on this thread, in the async context of this call.
    ///
    /// # Panics
    ///
    /// Panics if no event loop is running on this thread.
    #[track_caller]
    pub fn new(callback: impl FnOnce(T) + 'static) -> Operation<T> {
        let (state, location) = (current("host::Operation::new"), Location::caller());
        let (owner, context) = (state.clone(), state.context.get());
        let callback = move |value: Box<dyn Any + Send>| {
            owner.context.set(context);
            match value.downcast() {
                Ok(value) => callback(*value),
                Err(_) => unreachable!("an operation is completed with its own type"),
            }
        };
        let callback = ExternalCallback::Completion(Box::new(callback));
        let is_open = state.is_open();
        let handle = Handle::current();
        Operation {
            id: is_open.then(|| state.external.add(callback, location)),
            _keep_alive: handle.keep_alive(),
            handle,
            value: PhantomData,
        }
    }

    /// Completes the operation, from any thread: `callback` runs with `value` in the next poll phase.
    ///
    /// # Errors
    ///
    /// Returns [`LoopClosed`] if the loop has ended; `value` is then dropped on this thread. If only the run
    /// has ended in which the operation began, `value` is dropped by the next one.
    pub fn complete(mut self, value: T) -> Result<(), LoopClosed> {
        match self.id.take() {
            Some(id) => self.handle.send(Message::External(id, Box::new(value))),
            None => Err(LoopClosed),
        }
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let _ = self.handle.send(Message::ExternalDropped(id)); // or the loop has dropped it
        }
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

/// Queues code of the host that opens [callback scopes](CallbackScopes::run), for the next poll phase.
///
/// The code itself is no macrotask, and no drain follows it. It is for one event that calls several
/// callbacks of the engine, each with its own drain, as native code of Node does with `MakeCallback`. It
/// keeps the loop alive until it has run.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::queue_callback_scopes;
/// use nodeloop::{AsyncLocalStorage, EventLoop, next_tick, test::Log};
///
/// let log = Log::new();
/// let script = log.clone();
/// EventLoop::new()?.run_script(move || {
///     let context = AsyncLocalStorage::snapshot();
///     queue_callback_scopes(move |scopes| {
///         scopes.run(&context, || {
///             next_tick(script.callback("tick"));
///             scopes.run(&context, || script.add("nested"));
///             script.add("first");
///         });
///         scopes.run(&context, || script.add("second"));
///     });
/// })?;
/// log.assert_order(["nested", "first", "tick", "second"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "MakeCallback")]
#[track_caller]
pub fn queue_callback_scopes(callback: impl FnOnce(&CallbackScopes<'_>) + 'static) {
    let (state, location) = (current("host::queue_callback_scopes"), Location::caller());
    if state.is_open() {
        let native = move |runner: &Runner<'_>| {
            let origin = Origin::new(StepKind::Message, location);
            callback(&CallbackScopes {
                open: &|scope| runner.run_scope(origin, scope),
                is_open: Cell::new(false),
            });
        };
        let id = state
            .external
            .add(ExternalCallback::Native(Box::new(native)), location);
        // The queue is open as long as the loop is.
        let _ = state.remote_queue.push(Message::External(id, Box::new(())));
    }
}

/// Opens callback scopes: Node's `CallbackScope`. [`queue_callback_scopes`] passes it to its callback.
pub struct CallbackScopes<'a> {
    /// Calls the callback of an outermost scope, with a drain after it.
    open: &'a dyn Fn(&mut dyn FnMut()),
    /// Whether a scope is open.
    is_open: Cell<bool>,
}

impl CallbackScopes<'_> {
    /// Calls `callback` in a scope, in the async context of `context`, and returns its result.
    ///
    /// The outermost scope is a macrotask: a drain follows it (R12), unless it has failed by a panic or by
    /// [`fail_callback`](super::fail_callback) (R55). Then what it has queued runs at the next drain point,
    /// such as the end of the next scope. A scope within a scope only changes the async context, and
    /// drains nothing. If the engine's code fails there, pass the error on to the code that has called.
    ///
    /// Returns `None` if `callback` has panicked, and without calling it if the run is ending.
    #[doc(alias = "CallbackScope")]
    pub fn run<R>(&self, context: &AsyncSnapshot, callback: impl FnOnce() -> R) -> Option<R> {
        if is_stopping() {
            return None;
        }
        if self.is_open.replace(true) {
            return Some(context.run(callback));
        }
        let (mut callback, mut result) = (Some(callback), None);
        (self.open)(&mut || result = callback.take().map(|callback| context.run(callback)));
        self.is_open.set(false);
        result
    }
}

impl fmt::Debug for CallbackScopes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackScopes")
            .field("is_open", &self.is_open.get())
            .finish_non_exhaustive()
    }
}
