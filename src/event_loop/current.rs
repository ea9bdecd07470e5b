//! The loop that is running on this thread.
//!
//! Invariant: at most one loop runs on a thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::state::LoopState;
use crate::observe::position::Position;
use crate::reactor::main_waker::MainWaker;
use crate::reactor::remote_queue::Message;
use crate::reactor::task_waker::TaskWaker;

thread_local! {
    pub(super) static CURRENT: RefCell<Current> = const { RefCell::new(Current::None) };
}

/// The loop that is running on this thread.
#[derive(Default)]
pub(super) enum Current {
    #[default]
    None,
    Running(Rc<LoopState>),
    /// The loop is running and notifies its observers, for which no loop is current.
    Notifying(Rc<LoopState>),
}

/// Makes `state` the current loop of this thread, in place of any other, until the guard is dropped.
pub(crate) fn enter(state: &Rc<LoopState>) -> Entered {
    // A loop in a thread-local may be dropped after `CURRENT` was destroyed. It shuts down without a
    // current loop: wakes go through the remote queue, and destructors that call the API panic.
    Entered {
        previous: set_current(Current::Running(state.clone())),
    }
}

/// Leaves the current loop of this thread, so that none is running, until the guard is dropped.
pub(crate) fn leave() -> Entered {
    Entered {
        previous: set_current(Current::None),
    }
}

/// Restores the previous current loop when dropped; see [`enter`].
pub(crate) struct Entered {
    previous: Current,
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(set_current(std::mem::take(&mut self.previous)));
    }
}

/// Replaces the current loop and returns the previous one. A thread that is ending has no current
/// loop.
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

/// Returns the position of this thread's loop. For an observer, that is the loop it observes.
pub(crate) fn position() -> Position {
    let position = |current: &RefCell<Current>| match &*current.borrow() {
        Current::None => Position::outside(),
        Current::Running(state) | Current::Notifying(state) => {
            state.observers.position(state.clock.unrecorded_now())
        }
    };
    let position = CURRENT.try_with(position);
    position.unwrap_or_else(|_| Position::outside())
}

/// Returns whether the code that is running is an observer.
pub(crate) fn is_observer() -> bool {
    let is_notifying =
        |current: &RefCell<Current>| matches!(*current.borrow(), Current::Notifying(_));
    CURRENT.try_with(is_notifying).unwrap_or(false)
}

/// Returns the loop that is running on this thread, if any.
#[inline]
pub(crate) fn try_current() -> Option<Rc<LoopState>> {
    let running = |current: &RefCell<Current>| match &*current.borrow() {
        Current::Running(state) => Some(state.clone()),
        _ => None,
    };
    CURRENT.try_with(running).ok().flatten()
}

/// Returns the loop that is running on this thread.
///
/// # Panics
///
/// Panics if there is none, with a message about `function`, the API function that was called.
#[inline]
#[track_caller]
pub(crate) fn current(function: &str) -> Rc<LoopState> {
    match try_current() {
        Some(state) => state,
        None => refuse(function),
    }
}

#[cold]
#[track_caller]
fn refuse(function: &str) -> ! {
    if is_observer() {
        panic!(
            "`{function}` was called by an observer, which must not change the loop that it \
             observes: call it from a callback of the loop instead"
        );
    }
    panic!(
        "`{function}` was called outside of an event loop: call it from inside \
         `nodeloop::run(async {{ … }})` or `nodeloop::run_script(|| {{ … }})`, on the loop's \
         own thread; from another thread send it through a `nodeloop::Handle`"
    );
}

/// Wakes the task of a waker.
///
/// A wake while the task's loop is running on this thread queues a microtask. Any other wake is sent
/// through the remote queue and becomes a macrotask of the poll phase.
pub(super) fn schedule(waker: &Arc<TaskWaker>) {
    let remote_queue = &waker.remote_queue;
    let mut is_woken = false;
    let observed = CURRENT.try_with(|current| {
        if let Current::Running(state) = &*current.borrow()
            && Arc::ptr_eq(&state.remote_queue, remote_queue)
        {
            if state.observers.is_on() {
                return Some(state.clone()); // observers are notified after this borrow
            }
            state.schedule_task(waker.task());
            is_woken = true;
        }
        None
    });
    match observed {
        _ if is_woken => {}
        Ok(Some(state)) => state.schedule_task(waker.task()),
        // A loop that has ended refuses the message, and has dropped the future.
        _ if waker.send() => drop(remote_queue.push(Message::Wake(waker.clone()))),
        _ => {}
    }
}

/// Wakes a main future, as [`schedule`] does with a task.
pub(super) fn schedule_main(waker: &Arc<MainWaker>) {
    let remote_queue = &waker.meta.remote_queue;
    let mut is_woken = false;
    let observed = CURRENT.try_with(|current| {
        if let Current::Running(state) = &*current.borrow()
            && Arc::ptr_eq(&state.remote_queue, remote_queue)
        {
            if state.observers.is_on() {
                return Some(state.clone()); // observers are notified after this borrow
            }
            state.schedule_main(waker);
            is_woken = true;
        }
        None
    });
    match observed {
        _ if is_woken => {}
        Ok(Some(state)) => state.schedule_main(waker),
        // A loop that has ended refuses the message, and has dropped the future.
        _ if waker.send() => drop(remote_queue.push(Message::WakeMain(waker.clone()))),
        _ => {}
    }
}
