//! Observers of loops that are built later.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;

use super::Observer;

thread_local! {
    static OBSERVERS: RefCell<Vec<(Rc<dyn Observer>, &'static Location<'static>)>> =
        const { RefCell::new(Vec::new()) };
}

/// Registers `observer` for all events of every loop that is built on this thread from now on, until
/// the returned handle is dropped.
///
/// Use it for loops that other code builds, as [`run`](crate::run) does. Such a loop keeps the
/// observer until the loop is dropped, and notifies it before the observers of its own builder.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use nodeloop::observe::{self, Event, EventContext};
///
/// let turns = Rc::new(Cell::new(0));
/// let seen = turns.clone();
/// let counting = observe::every_loop(move |event: &Event, _: &EventContext<'_>| {
///     if let Event::TurnBegin = event {
///         seen.set(seen.get() + 1);
///     }
/// });
/// nodeloop::run(async { nodeloop::yield_now().await });
/// drop(counting);
/// nodeloop::run(async { nodeloop::yield_now().await });
/// assert_eq!(turns.get(), 1);
/// ```
#[track_caller]
pub fn every_loop(observer: impl Observer + 'static) -> EveryLoopHandle {
    let observer: Rc<dyn Observer> = Rc::new(observer);
    let location = Location::caller();
    let kept = observer.clone();
    OBSERVERS.with(|all| all.borrow_mut().push((kept, location)));
    EveryLoopHandle {
        observer,
        not_send: PhantomData,
    }
}

/// An observer that was installed with [`every_loop`]. Dropping the handle removes it from loops that
/// are built later.
#[must_use = "dropping it removes the observer"]
pub struct EveryLoopHandle {
    observer: Rc<dyn Observer>,
    /// The list of observers belongs to the thread.
    not_send: PhantomData<Rc<()>>,
}

impl Drop for EveryLoopHandle {
    fn drop(&mut self) {
        let removed = OBSERVERS.try_with(|all| {
            let mut all = all.borrow_mut();
            let index = all
                .iter()
                .position(|(known, _)| Rc::ptr_eq(known, &self.observer))?;
            Some(all.remove(index))
        });
        drop(removed); // outside of the borrow
    }
}

impl fmt::Debug for EveryLoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EveryLoopHandle").finish_non_exhaustive()
    }
}

/// Returns the observers of a loop that is built now.
pub(crate) fn of_new_loop() -> Vec<(Rc<dyn Observer>, &'static Location<'static>)> {
    OBSERVERS
        .try_with(|all| all.borrow().clone())
        .unwrap_or_default()
}
