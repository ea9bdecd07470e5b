//! The context of the running code: values that follow the asynchronous flow.
//!
//! This is the storage only; the API is in `async_local.rs`.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

/// The values of all storages; `None` if no storage has a value.
pub(crate) type AsyncContext = Option<Rc<Vec<(StorageId, Rc<dyn Any>)>>>;

/// Identifies a storage by the address of an allocation. Each entry keeps the allocation alive, so
/// the address is not reused.
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

    /// Takes the context of code that has ended.
    #[inline]
    pub(crate) fn take(&self) -> AsyncContext {
        self.context.take()
    }

    #[inline]
    pub(crate) fn set(&self, context: AsyncContext) {
        // Outside of the cell, because dropping the last reference to a value runs user code.
        drop(self.context.replace(context));
    }
}
