//! State that the steps of a test share, declared so that an exploration of every order sees it.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::rc::Rc;

use crate::event_loop::current::try_current;
use crate::phases::poll::delivery::footprint::{Access, Key, hash};

/// Records that the running step has touched `key`, if orders are explored.
pub(super) fn touch_key(key: Key, access: Access) {
    if let Some(state) = try_current() {
        state.poll.delivery.touch(key, access);
    }
}

/// Returns a name that is the same in every order, for what the running step creates; 0 outside of
/// a loop.
pub(super) fn new_name() -> u64 {
    try_current().map_or(0, |state| state.poll.delivery.new_name())
}

/// Declares that the running step uses state that other steps change, or changes it itself.
///
/// Steps that touch the same `key` depend on each other in an exploration with
/// [`TestBuilder::declared_state`](super::TestBuilder::declared_state). It has no effect elsewhere.
/// Each step that uses the state has to declare it.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use nodeloop::{queue_work, test::{self, TestBuilder}};
///
/// let checked = TestBuilder::new().declared_state().explore_all(async |t| {
///     let total = Rc::new(Cell::new(0));
///     for number in [1, 2] {
///         let total = total.clone();
///         queue_work(|| (), move |()| {
///             test::touch("total");
///             total.set(2 * total.get() + number);
///         });
///     }
///     t.until_idle().await;
/// });
/// assert_eq!(checked.count(), 2);
/// ```
pub fn touch(key: impl fmt::Display) {
    touch_key(Key::Declared(hash(&key.to_string())), Access::Write);
}

/// A value that the steps of a test share. Clones refer to the same value.
///
/// It is an `Rc<RefCell<T>>` whose accesses an exploration with
/// [`TestBuilder::declared_state`](super::TestBuilder::declared_state) sees: two steps depend on
/// each other if both use the value and at least one of them changes it.
///
/// # Examples
///
/// ```
/// use nodeloop::queue_work;
/// use nodeloop::test::{Shared, TestBuilder};
///
/// let checked = TestBuilder::new().declared_state().explore_all(async |t| {
///     let (a, b) = (Shared::new(0), Shared::new(0));
///     for cell in [&a, &a, &b] {
///         let cell = cell.clone();
///         queue_work(|| (), move |()| *cell.borrow_mut() += 1);
///     }
///     t.until_idle().await;
///     assert_eq!((*a.borrow(), *b.borrow()), (2, 1));
/// });
/// assert_eq!(checked.count(), 2); // of the 6 orders, those that differ in the steps that use `a`
/// ```
pub struct Shared<T> {
    value: Rc<RefCell<T>>,
    name: u64,
}

impl<T> Shared<T> {
    /// Creates a shared value.
    pub fn new(value: T) -> Shared<T> {
        Shared {
            value: Rc::new(RefCell::new(value)),
            name: new_name(),
        }
    }

    /// Borrows the value to read it.
    ///
    /// # Panics
    ///
    /// Panics if the value is mutably borrowed.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        touch_key(Key::Declared(self.name), Access::Read);
        self.value.borrow()
    }

    /// Borrows the value to change it.
    ///
    /// # Panics
    ///
    /// Panics if the value is borrowed.
    #[track_caller]
    pub fn borrow_mut(&self) -> RefMut<'_, T> {
        touch_key(Key::Declared(self.name), Access::Write);
        self.value.borrow_mut()
    }

    /// Replaces the value and returns the one before.
    ///
    /// # Panics
    ///
    /// Panics if the value is borrowed.
    #[track_caller]
    pub fn replace(&self, value: T) -> T {
        std::mem::replace(&mut *self.borrow_mut(), value)
    }
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared::new(T::default())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared {
            value: self.value.clone(),
            name: self.name,
        }
    }
}

/// Prints the value, without counting as an access.
impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.value).finish()
    }
}
