//! Values that follow the asynchronous flow: Node's `AsyncLocalStorage`.
//!
//! The running code has a *context*, a small immutable map. What it schedules remembers the
//! context of that moment: spawned tasks, reactions, ticks, microtasks, timers, immediates,
//! completions. When that runs, the context is back; behind it, it is gone again. A program that
//! uses none pays a test for "none" per callback.
//!
//! Invariant: between two callbacks the loop's context is empty.

pub(crate) mod context;

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::async_local::context::{AsyncContext, StorageId};
use crate::event_loop::current::{current, try_current};
use crate::event_loop::state::LoopState;

/// A callback that runs in the context in which it was bound.
pub(crate) fn bind(state: &Rc<LoopState>, callback: impl FnOnce() + 'static) -> Box<dyn FnOnce()> {
    match state.context.get() {
        None => Box::new(callback),
        context => {
            let state = state.clone();
            Box::new(move || {
                state.context.set(context);
                callback();
            })
        }
    }
}

/// The same for a callback that runs again and again. What it makes of the context is there again
/// at its next call, as in Node, where the context hangs on the timer.
pub(crate) fn bind_repeating(
    state: &Rc<LoopState>,
    mut callback: impl FnMut() + 'static,
) -> Box<dyn FnMut()> {
    let mut context = state.context.get();
    let state = state.clone();
    Box::new(move || {
        state.context.set(context.take());
        let _kept = Kept {
            state: &state,
            context: &mut context,
        };
        callback();
    })
}

/// Takes the context along when a call ends, also by a panic.
struct Kept<'a> {
    state: &'a LoopState,
    context: &'a mut AsyncContext,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        *self.context = self.state.context.get();
    }
}

/// A value that follows the asynchronous flow of the program: Node's `AsyncLocalStorage`.
///
/// Inside of [`run`](AsyncLocalStorage::run), and in everything that is started there, however
/// much later it continues, [`get`](AsyncLocalStorage::get) gives the value. Clones are the same
/// storage. It belongs to its loop's thread.
///
/// Like Node's, it can surprise: [`enter_with`](AsyncLocalStorage::enter_with) in the part of an
/// async function before its first wait changes the caller's value, too, because that part runs
/// on the caller's stack; a reaction has the value of where it was added, not of where the
/// promise was made or settled.
///
/// ```
/// use std::rc::Rc;
/// use nodeloop::{AsyncLocalStorage, spawn, yield_now};
///
/// nodeloop::run(async {
///     let request = AsyncLocalStorage::new();
///     let inner = request.clone();
///     let task = request.run(7, || {
///         spawn(async move {
///             yield_now().await;
///             inner.get()
///         })
///     });
///     assert_eq!(request.get(), None);
///     assert_eq!(task.await, Some(Rc::new(7)));
/// });
/// ```
pub struct AsyncLocalStorage<T> {
    id: StorageId,
    value: PhantomData<Rc<T>>,
}

impl<T: 'static> AsyncLocalStorage<T> {
    /// A storage in which nobody has set a value.
    pub fn new() -> AsyncLocalStorage<T> {
        AsyncLocalStorage {
            id: Rc::new(0),
            value: PhantomData,
        }
    }

    /// Calls `callback` with `value` as the value, and restores the one before, also if it panics.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[doc(alias = "AsyncLocalStorage.run")]
    #[track_caller]
    pub fn run<R>(&self, value: T, callback: impl FnOnce() -> R) -> R {
        let state = current("AsyncLocalStorage::run");
        let _restored = Restored::new(&state);
        state
            .context
            .set(self.changed(state.context.get(), Some(Rc::new(value))));
        callback()
    }

    /// Calls `callback` without a value, and restores the one before, also if it panics.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn exit<R>(&self, callback: impl FnOnce() -> R) -> R {
        let state = current("AsyncLocalStorage::exit");
        let _restored = Restored::new(&state);
        state.context.set(self.changed(state.context.get(), None));
        callback()
    }

    /// Sets the value for the rest of the running callback or task, and for what it starts.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[doc(alias = "enterWith")]
    #[track_caller]
    pub fn enter_with(&self, value: T) {
        let state = current("AsyncLocalStorage::enter_with");
        state
            .context
            .set(self.changed(state.context.get(), Some(Rc::new(value))));
    }

    /// The value, if one has been set here; none outside of a loop.
    #[doc(alias = "getStore")]
    pub fn get(&self) -> Option<Rc<T>> {
        let context = try_current()?.context.get()?;
        let (_, value) = context.iter().find(|(id, _)| Rc::ptr_eq(id, &self.id))?;
        value.clone().downcast().ok()
    }

    /// The context with another value of this storage.
    fn changed(&self, context: AsyncContext, value: Option<Rc<T>>) -> AsyncContext {
        let others = context.iter().flat_map(|context| context.iter());
        let others = others.filter(|(id, _)| !Rc::ptr_eq(id, &self.id)).cloned();
        let own = value.map(|value| (self.id.clone(), value as Rc<dyn Any>));
        let all: Vec<_> = others.chain(own).collect();
        (!all.is_empty()).then(|| Rc::new(all))
    }
}

/// Puts the context back when it is dropped.
struct Restored<'a> {
    state: &'a LoopState,
    context: AsyncContext,
}

impl<'a> Restored<'a> {
    fn new(state: &'a LoopState) -> Restored<'a> {
        Restored {
            context: state.context.get(),
            state,
        }
    }
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        self.state.context.set(self.context.take());
    }
}

impl<T: 'static> Default for AsyncLocalStorage<T> {
    fn default() -> Self {
        AsyncLocalStorage::new()
    }
}

impl<T> Clone for AsyncLocalStorage<T> {
    fn clone(&self) -> Self {
        AsyncLocalStorage {
            id: self.id.clone(),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for AsyncLocalStorage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncLocalStorage").finish_non_exhaustive()
    }
}
