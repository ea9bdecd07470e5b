//! The context of the running code: values that follow the asynchronous flow.
//!
//! This is the storage only; the API is in `async_local.rs`.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The values of all storages; `None` if no storage has a value.
pub(crate) type AsyncContext = Option<Rc<Vec<(StorageId, Rc<dyn Any>)>>>;

/// Identifies a storage, in all threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StorageId(u64);

/// The id of a storage, which gets one when it is first used, so that it can be created in a
/// constant.
#[derive(Debug)]
pub(super) struct LazyStorageId {
    id: OnceLock<StorageId>,
}

impl LazyStorageId {
    pub(super) const fn new() -> LazyStorageId {
        LazyStorageId {
            id: OnceLock::new(),
        }
    }

    pub(super) fn get(&self) -> StorageId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: a number is handed out once, and nothing else depends on it. The lock publishes it.
        let new = || StorageId(NEXT.fetch_add(1, Ordering::Relaxed));
        *self.id.get_or_init(new)
    }
}

impl Clone for LazyStorageId {
    /// The copy has the same id.
    fn clone(&self) -> LazyStorageId {
        let id = OnceLock::from(self.get());
        LazyStorageId { id }
    }
}

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

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let context = self.context.take();
        let is_empty = context.is_none();
        self.context.set(context);
        is_empty
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
