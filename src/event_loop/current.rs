//! The loop that is running on this thread.
//!
//! Invariant: at most one loop runs on a thread.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;

use super::state::LoopState;
use crate::observe::position::Position;
use crate::reactor::main_waker::MainWaker;
use crate::reactor::remote_queue::Message;
use crate::reactor::task_waker::TaskWaker;

thread_local! {
    /// It is not dropped with its thread, so an access does not test whether it was: [`Entered`] empties it.
    pub(super) static CURRENT: RefCell<ManuallyDrop<Current>> =
        const { RefCell::new(ManuallyDrop::new(Current::None)) };
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

/// Replaces the current loop and returns the previous one.
fn set_current(next: Current) -> Current {
    let replace = |current: &RefCell<ManuallyDrop<Current>>| {
        if let Current::Running(previous) = &**current.borrow() {
            previous.is_current.set(false);
        }
        if let Current::Running(next) = &next {
            next.is_current.set(true);
        }
        ManuallyDrop::into_inner(current.replace(ManuallyDrop::new(next)))
    };
    CURRENT.with(replace)
}

/// Returns the position of this thread's loop. For an observer, that is the loop it observes.
pub(crate) fn position() -> Position {
    CURRENT.with(|current| match &**current.borrow() {
        Current::None => Position::outside(),
        Current::Running(state) | Current::Notifying(state) => {
            state.observers.position(state.clock.unrecorded_now())
        }
    })
}

/// Returns whether the code that is running is an observer.
pub(crate) fn is_observer() -> bool {
    CURRENT.with(|current| matches!(**current.borrow(), Current::Notifying(_)))
}

/// Returns the loop that is running on this thread, if any.
#[inline]
pub(crate) fn try_current() -> Option<Rc<LoopState>> {
    CURRENT.with(|current| match &**current.borrow_mut() {
        Current::Running(state) => Some(state.clone()),
        _ => None,
    })
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
    let is_woken = CURRENT.with(|current| match &**current.borrow_mut() {
        Current::Running(state)
            if Arc::ptr_eq(&state.remote_queue, &waker.remote_queue)
                && !state.observers.is_on() =>
        {
            state.schedule_unobserved(waker.task());
            true
        }
        _ => false,
    });
    if !is_woken {
        schedule_otherwise(waker);
    }
}

/// Wakes the task of a waker whose loop has observers, or is not the one that is running.
#[cold]
#[inline(never)]
fn schedule_otherwise(waker: &Arc<TaskWaker>) {
    match try_current() {
        // Observers are notified while the current loop is not borrowed.
        Some(state) if Arc::ptr_eq(&state.remote_queue, &waker.remote_queue) => {
            state.schedule_task(waker.task());
        }
        // A loop that has ended refuses the message, and has dropped the future.
        _ if waker.send() => drop(waker.remote_queue.push(Message::Wake(waker.clone()))),
        _ => {}
    }
}

/// Wakes a main future, as [`schedule`] does with a task.
pub(super) fn schedule_main(waker: &Arc<MainWaker>) {
    let remote_queue = &waker.meta.remote_queue;
    let mut is_woken = false;
    let observed = CURRENT.with(|current| {
        if let Current::Running(state) = &**current.borrow_mut()
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
        Some(state) => state.schedule_main(waker),
        // A loop that has ended refuses the message, and has dropped the future.
        _ if waker.send() => drop(remote_queue.push(Message::WakeMain(waker.clone()))),
        _ => {}
    }
}
