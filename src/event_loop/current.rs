//! Which loop is running on this thread.
//!
//! Invariant: at most one loop runs on a thread.

use std::cell::RefCell;
use std::rc::Rc;

use async_task::Runnable;

use super::state::LoopState;
use crate::observe::position::Position;
use crate::phases::queues::Microtask;
use crate::reactor::remote_queue::TaskMeta;

thread_local! {
    pub(super) static CURRENT: RefCell<Current> = const { RefCell::new(Current::None) };
}

/// Which loop runs on this thread.
#[derive(Default)]
pub(super) enum Current {
    #[default]
    None,
    Running(Rc<LoopState>),
    /// This one does, and tells its observers something: for them no loop runs.
    Notifying(Rc<LoopState>),
}

/// Makes `state` the loop of this thread until the guard is dropped, in place of any other.
pub(crate) fn enter(state: &Rc<LoopState>) -> Entered {
    // A loop that is kept in a thread-local may be dropped behind this one. Its end needs no
    // current loop: wakes go through the door then, and what destructors call panics.
    Entered {
        previous: set_current(Current::Running(state.clone())),
    }
}

/// See [`enter`].
pub(crate) struct Entered {
    previous: Current,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = set_current(std::mem::take(&mut self.previous));
        drop(left);
    }
}

/// Puts another loop, or none, in the place of the current one; that one. Without a thread-local
/// (its thread is ending) there is none.
fn set_current(next: Current) -> Current {
    let replace = |current: &RefCell<Current>| {
        if let Current::Running(previous) = &*current.borrow() {
            previous.is_current.set(false);
        }
        if let Current::Running(next) = &next {
            next.is_current.set(true);
        }
        current.replace(next)
    };
    CURRENT.try_with(replace).unwrap_or_default()
}

/// Where the loop of this thread is. For an observer, that is the loop it observes.
pub(crate) fn position() -> Position {
    let position = |current: &RefCell<Current>| match &*current.borrow() {
        Current::None => Position::outside(),
        Current::Running(state) | Current::Notifying(state) => {
            state.observers.position(state.clock.now())
        }
    };
    let position = CURRENT.try_with(position);
    position.unwrap_or_else(|_| Position::outside())
}

/// Whether the running code is an observer.
pub(crate) fn is_observer() -> bool {
    let is_notifying =
        |current: &RefCell<Current>| matches!(*current.borrow(), Current::Notifying(_));
    CURRENT.try_with(is_notifying).unwrap_or(false)
}

/// The loop that runs on this thread, if one does.
pub(crate) fn try_current() -> Option<Rc<LoopState>> {
    let running = |current: &RefCell<Current>| match &*current.borrow() {
        Current::Running(state) => Some(state.clone()),
        _ => None,
    };
    CURRENT.try_with(running).ok().flatten()
}

/// The loop that runs on this thread; panics with a message that says what to do if none does.
#[track_caller]
pub(crate) fn current(verb: &str) -> Rc<LoopState> {
    match try_current() {
        Some(state) => state,
        None if is_observer() => panic!(
            "`{verb}` was called by an observer, and an observer stands outside of the loop that \
             it observes: it may look, note and print; work belongs into a callback of the loop"
        ),
        None => panic!(
            "`{verb}` was called outside of an event loop: call it from inside \
             `nodeloop::run(async {{ … }})` or `nodeloop::run_script(|| {{ … }})`, on the loop's \
             own thread; from another thread send it through a `nodeloop::Handle`"
        ),
    }
}

/// Where every woken task arrives (async-task's schedule function; of size zero on purpose, so
/// that a wake clones nothing).
///
/// A wake while its loop runs on this thread is a microtask. Any other wake goes through the
/// remote door and is a macrotask of the poll phase.
#[inline]
pub(crate) fn schedule(runnable: Runnable<TaskMeta>) {
    let id = runnable.metadata().remote_queue.id();
    let mut runnable = Some(runnable);
    let observed = CURRENT.try_with(|current| {
        if let Current::Running(state) = &*current.borrow()
            && state.remote_queue.id() == id
        {
            if state.observers.is_on() {
                return Some(state.clone()); // telling needs an end of this borrow
            }
            if let Some(runnable) = runnable.take() {
                state.queues.push_microtask(Microtask::Task(runnable));
            }
        }
        None
    });
    if let Some(runnable) = runnable {
        match observed {
            Ok(Some(state)) => state.push_task(runnable),
            _ => runnable.metadata().remote_queue.clone().wake(runnable),
        }
    }
}
