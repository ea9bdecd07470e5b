//! Snapshots of the context: Node's `AsyncLocalStorage.snapshot` and `AsyncLocalStorage.bind`.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::context::AsyncContext;
use super::{AsyncLocalStorage, RestoredOnDrop};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;

/// The values of all storages at one moment; created by [`AsyncLocalStorage::snapshot`].
///
/// Clones are the same snapshot. It cannot be sent to another thread.
#[derive(Clone)]
pub struct AsyncSnapshot {
    context: Rc<Cell<AsyncContext>>,
}

impl AsyncSnapshot {
    /// Calls `callback` with the values of the snapshot, and restores the current ones afterwards,
    /// even if it panics.
    ///
    /// A value that `callback` [enters](AsyncLocalStorage::enter_with) stays in the snapshot, as in
    /// Node.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn run<R>(&self, callback: impl FnOnce() -> R) -> R {
        let state = current("AsyncSnapshot::run");
        let _restored = RestoredOnDrop::new(&state);
        let context = self.context.take();
        self.context.set(context.clone());
        state.context.set(context);
        let _saved = KeptOnDrop {
            state: &state,
            snapshot: self,
        };
        callback()
    }
}

/// Keeps the context of a call in the snapshot when the call ends, even by a panic.
struct KeptOnDrop<'a> {
    state: &'a LoopState,
    snapshot: &'a AsyncSnapshot,
}

impl Drop for KeptOnDrop<'_> {
    fn drop(&mut self) {
        let before = self.snapshot.context.replace(self.state.context.get());
        drop(before); // outside of the cell, because this may drop a value
    }
}

impl fmt::Debug for AsyncSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSnapshot").finish_non_exhaustive()
    }
}

/// Functions for the values of all storages together.
impl AsyncLocalStorage<()> {
    /// Returns the current values of all storages: Node's `AsyncLocalStorage.snapshot`.
    ///
    /// It is for callbacks that something else than the loop calls: an event emitter, a queue of
    /// one's own, a callback with arguments.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::AsyncLocalStorage;
    ///
    /// static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    ///
    /// nodeloop::run(async {
    ///     let listener = REQUEST.run(7, || {
    ///         let snapshot = AsyncLocalStorage::snapshot();
    ///         move |event: &str| snapshot.run(|| format!("{event} of {:?}", REQUEST.get()))
    ///     });
    ///     REQUEST.run(8, || assert_eq!(listener("end"), "end of Some(7)"));
    /// });
    /// ```
    #[track_caller]
    pub fn snapshot() -> AsyncSnapshot {
        let context = current("AsyncLocalStorage::snapshot").context.get();
        AsyncSnapshot {
            context: Rc::new(Cell::new(context)),
        }
    }

    /// Returns a callback that runs with the current values of all storages: Node's
    /// `AsyncLocalStorage.bind`.
    ///
    /// Callbacks that are passed to this crate are bound already. For a callback that has arguments
    /// or is called repeatedly, use a [`snapshot`](AsyncLocalStorage::snapshot).
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn bind<R>(callback: impl FnOnce() -> R) -> impl FnOnce() -> R {
        let snapshot = AsyncLocalStorage::snapshot();
        move || snapshot.run(callback)
    }
}
