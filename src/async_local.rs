//! Values that follow the asynchronous flow: Node's `AsyncLocalStorage`.
//!
//! The running code has a *context*, a small immutable map. Everything that it schedules keeps the
//! context of that moment: spawned tasks, reactions, ticks, microtasks, timers, immediates and
//! completions. The context is set while the scheduled code runs, and cleared afterwards. Without
//! values, this costs one check per callback.
//!
//! Invariant: between two callbacks the loop's context is empty.

pub(crate) mod context;
mod snapshot;

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::async_local::context::{AsyncContext, LazyStorageId};
use crate::event_loop::current::{current, try_current};
use crate::event_loop::state::LoopState;

pub use snapshot::AsyncSnapshot;

/// Returns a callback that runs in the current context.
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

/// Returns a callback that runs in the current context each time it is called. If it changes the
/// context, its next call runs in the changed one, as in Node, where the timer owns the context.
pub(crate) fn bind_repeating(
    state: &Rc<LoopState>,
    mut callback: impl FnMut() + 'static,
) -> Box<dyn FnMut()> {
    let mut context = state.context.get();
    let state = state.clone();
    Box::new(move || {
        state.context.set(context.take());
        let _saved = SavedOnDrop {
            state: &state,
            context: &mut context,
        };
        callback();
    })
}

/// Saves the context when a call ends, even by a panic.
struct SavedOnDrop<'a> {
    state: &'a LoopState,
    context: &'a mut AsyncContext,
}

impl Drop for SavedOnDrop<'_> {
    fn drop(&mut self) {
        *self.context = self.state.context.get();
    }
}

/// A value that follows the asynchronous flow of the program: Node's `AsyncLocalStorage`.
///
/// [`get`](AsyncLocalStorage::get) returns the value inside of [`run`](AsyncLocalStorage::run) and
/// in everything that is started there, no matter how much later it continues. Clones are the same
/// storage. A context that is still in use keeps its values alive after the storage has been dropped.
///
/// [`new`](AsyncLocalStorage::new) is a `const fn`, so that a storage can be a `static`. Values belong
/// to a loop: in each thread, such a storage has the values of the loop that runs there.
///
/// Two properties may be unexpected, here as in Node. A call of
/// [`enter_with`](AsyncLocalStorage::enter_with) in a task before its first wait changes the
/// spawner's value, too, because that part runs on the spawner's stack. A reaction runs in the
/// context in which it was added, not in that in which its promise was created or settled.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use nodeloop::{AsyncLocalStorage, spawn, yield_now};
///
/// static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
///
/// nodeloop::run(async {
///     let task = REQUEST.run(7, || {
///         spawn(async {
///             yield_now().await;
///             REQUEST.get()
///         })
///     });
///     assert_eq!(REQUEST.get(), None);
///     assert_eq!(task.await, Some(Rc::new(7)));
/// });
/// ```
pub struct AsyncLocalStorage<T> {
    id: LazyStorageId,
    value: PhantomData<fn() -> T>, // the loops own the values
}

impl<T: 'static> AsyncLocalStorage<T> {
    /// Creates a storage without a value.
    pub const fn new() -> AsyncLocalStorage<T> {
        AsyncLocalStorage {
            id: LazyStorageId::new(),
            value: PhantomData,
        }
    }

    /// Calls `callback` with `value` as the value, and restores the previous one afterwards, even
    /// if it panics.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[doc(alias = "AsyncLocalStorage.run")]
    #[track_caller]
    pub fn run<R>(&self, value: T, callback: impl FnOnce() -> R) -> R {
        let state = current("AsyncLocalStorage::run");
        let _restored = RestoredOnDrop::new(&state);
        self.set(&state, Some(Rc::new(value)));
        callback()
    }

    /// Calls `callback` without a value, and restores the previous one afterwards, even if it
    /// panics.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn exit<R>(&self, callback: impl FnOnce() -> R) -> R {
        let state = current("AsyncLocalStorage::exit");
        let _restored = RestoredOnDrop::new(&state);
        self.set(&state, None);
        callback()
    }

    /// Sets the value for the rest of the running callback or task, and for everything that it
    /// starts.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[doc(alias = "enterWith")]
    #[track_caller]
    pub fn enter_with(&self, value: T) {
        self.set(
            &current("AsyncLocalStorage::enter_with"),
            Some(Rc::new(value)),
        );
    }

    /// Returns the value, or `None` if none is set or no event loop is running.
    #[doc(alias = "getStore")]
    pub fn get(&self) -> Option<Rc<T>> {
        let context = try_current()?.context.get()?;
        let own = self.id.get();
        let (_, value) = context.iter().find(|(id, _)| *id == own)?;
        value.clone().downcast().ok()
    }

    /// Replaces the value of this storage in the context of the running code.
    fn set(&self, state: &LoopState, value: Option<Rc<T>>) {
        let context = state.context.get();
        let others = context.iter().flat_map(|context| context.iter());
        let id = self.id.get();
        let others = others.filter(|(other, _)| *other != id).cloned();
        let own = value.map(|value| (id, value as Rc<dyn Any>));
        let all: Vec<_> = others.chain(own).collect();
        state.context.set((!all.is_empty()).then(|| Rc::new(all)));
    }
}

/// Calls `call` and restores the context afterwards, even if it panics.
pub(crate) fn preserve_context<R>(state: &LoopState, call: impl FnOnce() -> R) -> R {
    let _restored = RestoredOnDrop::new(state);
    call()
}

/// Restores the context when it is dropped.
struct RestoredOnDrop<'a> {
    state: &'a LoopState,
    context: AsyncContext,
}

impl<'a> RestoredOnDrop<'a> {
    fn new(state: &'a LoopState) -> RestoredOnDrop<'a> {
        RestoredOnDrop {
            context: state.context.get(),
            state,
        }
    }
}

impl Drop for RestoredOnDrop<'_> {
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
