//! The listeners of one event, in their order.
//!
//! Invariant: an emit goes through the map that it found. A change during an emit copies the map once,
//! so a list is never borrowed while a listener runs.

use std::any::{Any, type_name};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The listeners of an event whose argument is an `A`.
pub(super) struct List<A: ?Sized> {
    /// By id: ids grow at the end of the list, and fall at its beginning.
    entries: Rc<BTreeMap<i64, Rc<Entry<A>>>>,
}

pub(super) enum Entry<A: ?Sized> {
    Every(Box<dyn Fn(&A)>),
    /// Taken out by the first call.
    Once(Cell<Option<OnceListener<A>>>),
}

type OnceListener<A> = Box<dyn FnOnce(&A)>;

impl<A: ?Sized> Entry<A> {
    pub(super) fn once(listener: impl FnOnce(&A) + 'static) -> Entry<A> {
        Entry::Once(Cell::new(Some(Box::new(listener))))
    }
}

/// A removed listener, which must be dropped outside of any borrow.
pub(super) type Removed = Rc<dyn Any>;

/// A list whose type of argument is not known.
pub(super) trait AnyList: Any {
    fn len(&self) -> usize;
    /// Returns the id of the last listener.
    fn last(&self) -> Option<i64>;
    fn remove(&mut self, id: i64) -> Option<Removed>;
    /// Returns the name of the type of the argument, for messages.
    fn argument(&self) -> &'static str;
}

impl<A: ?Sized> Default for List<A> {
    fn default() -> List<A> {
        List {
            entries: Rc::default(),
        }
    }
}

impl<A: ?Sized> List<A> {
    pub(super) fn add(&mut self, id: i64, entry: Entry<A>) {
        Rc::make_mut(&mut self.entries).insert(id, Rc::new(entry));
    }

    /// Returns the listeners as they are now.
    pub(super) fn entries(&self) -> Rc<BTreeMap<i64, Rc<Entry<A>>>> {
        self.entries.clone()
    }
}

impl<A: ?Sized + 'static> AnyList for List<A> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn last(&self) -> Option<i64> {
        self.entries.last_key_value().map(|(id, _)| *id)
    }

    fn remove(&mut self, id: i64) -> Option<Removed> {
        if !self.entries.contains_key(&id) {
            return None; // without a copy
        }
        let removed = Rc::make_mut(&mut self.entries).remove(&id);
        removed.map(|entry| entry as Removed)
    }

    fn argument(&self) -> &'static str {
        type_name::<A>()
    }
}
