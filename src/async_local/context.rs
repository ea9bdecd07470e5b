//! The context of the running code: values that follow the asynchronous flow.
//!
//! This is the storage only; the API is in `async_local.rs`.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

/// The values of all storages, by storage; `None` if there is no value.
pub(crate) type AsyncContext = Option<Rc<Vec<(StorageId, Rc<dyn Any>)>>>;

/// Identifies a storage by its allocation, which an entry keeps from being reused.
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

    /// Takes the context away from the running code, which has ended.
    #[inline]
    pub(crate) fn take(&self) -> AsyncContext {
        self.context.take()
    }

    #[inline]
    pub(crate) fn set(&self, context: AsyncContext) {
        // The old context is dropped outside of the cell: it may own the last reference to a value.
        drop(self.context.replace(context));
    }
}
