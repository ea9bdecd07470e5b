//! A list of listeners: those of one hook, or of one signal.
//!
//! The list never calls its listeners: `event_loop/invoke.rs` calls a
//! [snapshot](ListenerList::snapshot) of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::phases::macrotask::SourceLocation;

type Callback<T> = Rc<RefCell<dyn FnMut(&T)>>;

/// Listeners in the order in which they were added.
pub(crate) struct ListenerList<T: ?Sized> {
    /// Sorted by number, so that removing one of many neither searches nor moves the others.
    list: RefCell<BTreeMap<u64, (SourceLocation, Callback<T>)>>,
    next_id: Cell<u64>,
}

impl<T: ?Sized> Default for ListenerList<T> {
    fn default() -> ListenerList<T> {
        ListenerList {
            list: RefCell::default(),
            next_id: Cell::new(0),
        }
    }
}

impl<T: ?Sized> ListenerList<T> {
    /// Adds a listener and returns its number. `location` is where the program added it.
    pub(crate) fn add(&self, location: SourceLocation, listener: impl FnMut(&T) + 'static) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let listener = Rc::new(RefCell::new(listener));
        self.list.borrow_mut().insert(id, (location, listener));
        id
    }

    /// Removes a listener, which the caller drops outside of any borrow.
    pub(crate) fn remove(&self, id: u64) -> Option<Callback<T>> {
        let removed = self.list.borrow_mut().remove(&id);
        removed.map(|(_, listener)| listener)
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.list.borrow().contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Returns where the first listener was added.
    pub(crate) fn first_location(&self) -> Option<SourceLocation> {
        let list = self.list.borrow();
        list.first_key_value().map(|(_, (location, _))| *location)
    }

    /// Returns the listeners as they are now, so that they can be called outside of any borrow.
    pub(crate) fn snapshot(&self) -> Vec<(SourceLocation, Callback<T>)> {
        self.list.borrow().values().cloned().collect()
    }

    /// Removes all listeners, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&self) -> impl Sized + use<T> {
        std::mem::take(&mut *self.list.borrow_mut())
    }
}
