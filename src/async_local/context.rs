//! The context of the running code: values that follow the asynchronous flow.
//!
//! The API over it is in `async_local.rs`; here is only where it is kept.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

/// The values of all storages, by storage. Nobody has set any: `None`.
pub(crate) type AsyncContext = Option<Rc<Vec<(StorageId, Rc<dyn Any>)>>>;

/// A storage is told from another by this allocation, which an entry keeps from being reused.
pub(crate) type StorageId = Rc<u8>;

/// The context of the running code.
#[derive(Default)]
pub(crate) struct ContextCell {
    context: Cell<AsyncContext>,
}

impl ContextCell {
    #[inline]
    pub(crate) fn get(&self) -> AsyncContext {
        let context = self.context.take();
        self.context.set(context.clone());
        context
    }

    /// The context of a task that leaves: nobody else runs in it.
    #[inline]
    pub(crate) fn take(&self) -> AsyncContext {
        self.context.take()
    }

    #[inline]
    pub(crate) fn set(&self, context: AsyncContext) {
        // The old one is dropped outside of the cell: it may hold the last reference to a value.
        drop(self.context.replace(context));
    }
}
