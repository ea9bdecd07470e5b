//! What a phase hands out: a callback to call or a waker to wake.
//!
//! A macrotask knows what to do and where it was made, never when it runs: that is decided in
//! `event_loop.rs`, where the only call of [`Macrotask::call`] stands.

use std::panic::Location;
use std::task::Waker;

/// A place in the user's source.
pub(crate) type Place = &'static Location<'static>;

/// One piece of the user's code, entered from the loop.
pub(crate) struct Macrotask {
    pub(crate) work: Work,
    pub(crate) place: Place,
}

/// The ways in which the user's code is kept until its phase.
pub(crate) enum Work {
    /// Called at most once; `None` afterwards.
    Once(Option<Box<dyn FnOnce()>>),
    /// Called any number of times: an interval, or a timer that can be refreshed.
    Repeating(Box<dyn FnMut()>),
    /// Woken at most once; the task behind it runs as a microtask of this macrotask's drain.
    Wake(Option<Waker>),
    /// Nothing to call: a timer that was cleared after it had fired and then refreshed (R35),
    /// or the immediate that keeps the loop turning behind an error (R51).
    Nothing,
}

impl Work {
    /// Hands the work out and leaves a mark of its kind: what can be done once is *spent*.
    pub(crate) fn take(&mut self) -> Work {
        match self {
            Work::Once(callback) => Work::Once(callback.take()),
            Work::Wake(waker) => Work::Wake(waker.take()),
            Work::Repeating(_) | Work::Nothing => std::mem::replace(self, Work::Nothing),
        }
    }

    /// Whom it wakes, if that is what it does.
    pub(crate) fn waker(&self) -> Option<&Waker> {
        match self {
            Work::Wake(waker) => waker.as_ref(),
            _ => None,
        }
    }

    /// Whether it could be done once only, and was handed out.
    pub(crate) fn is_spent(&self) -> bool {
        matches!(self, Work::Once(None) | Work::Wake(None))
    }
}

impl Macrotask {
    pub(crate) fn new(work: Work, place: Place) -> Macrotask {
        Macrotask { work, place }
    }

    pub(crate) fn callback(callback: impl FnOnce() + 'static, place: Place) -> Macrotask {
        Macrotask::new(Work::Once(Some(Box::new(callback))), place)
    }

    pub(crate) fn wake(waker: Waker, place: Place) -> Macrotask {
        Macrotask::new(Work::Wake(Some(waker)), place)
    }

    /// Enters the user's code. Must not be called while any part of the loop is borrowed.
    pub(crate) fn call(&mut self) {
        match &mut self.work {
            Work::Once(callback) => {
                if let Some(callback) = callback.take() {
                    callback();
                }
            }
            Work::Repeating(callback) => callback(),
            Work::Wake(waker) => {
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
            }
            Work::Nothing => {}
        }
    }
}
