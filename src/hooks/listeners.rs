//! A list of listeners: those of one hook, or of one signal.
//!
//! The list never calls its listeners: `event_loop/invoke.rs` calls a
//! [snapshot](Listeners::snapshot) of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

type Callback<T> = Rc<RefCell<dyn FnMut(&T)>>;

/// Listeners in the order in which they were added.
pub(crate) struct Listeners<T: ?Sized> {
    /// Sorted by number, so that removing one of many neither searches nor moves the others.
    list: RefCell<BTreeMap<u64, Callback<T>>>,
    next_id: Cell<u64>,
}

impl<T: ?Sized> Default for Listeners<T> {
    fn default() -> Listeners<T> {
        Listeners {
            list: RefCell::default(),
            next_id: Cell::new(0),
        }
    }
}

impl<T: ?Sized> Listeners<T> {
    /// Adds a listener and returns its number.
    pub(crate) fn add(&self, listener: impl FnMut(&T) + 'static) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let listener = Rc::new(RefCell::new(listener));
        self.list.borrow_mut().insert(id, listener);
        id
    }

    /// Removes a listener, which the caller drops outside of any borrow.
    pub(crate) fn remove(&self, id: u64) -> Option<Callback<T>> {
        self.list.borrow_mut().remove(&id)
    }

    #[cfg(unix)]
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.list.borrow().contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Returns the listeners as they are now, so that they can be called outside of any borrow.
    pub(crate) fn snapshot(&self) -> Vec<Callback<T>> {
        self.list.borrow().values().cloned().collect()
    }

    /// Removes all listeners, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&self) -> impl Sized + use<T> {
        std::mem::take(&mut *self.list.borrow_mut())
    }
}
