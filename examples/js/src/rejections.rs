//! The engine's unhandled rejections, which the loop reports (R14). Both hosts use it.
//!
//! The engine's code keeps each promise and its reason under a number; the loop has the number.

use std::cell::RefCell;

use nodeloop::Rejection;
use nodeloop::host::{TrackedRejection, track_rejection};
use rustc_hash::FxHashMap;

/// The number of a rejection.
#[derive(Debug)]
struct Number(u32);

/// The rejections that the loop knows, by number.
#[derive(Default)]
pub(crate) struct Rejections {
    known: RefCell<FxHashMap<u32, TrackedRejection>>,
}

impl Rejections {
    /// Registers what the loop calls for a rejection that nothing has handled, and for one that was handled
    /// after this.
    pub(crate) fn listen(
        &'static self,
        unhandled: impl Fn(u32) + 'static,
        handled_late: impl Fn(u32) + 'static,
    ) {
        nodeloop::on_unhandled_rejection(move |rejection| {
            if let Some(number) = number_of(rejection) {
                unhandled(number);
            }
        });
        nodeloop::on_rejection_handled(move |rejection| {
            if let Some(number) = number_of(rejection) {
                self.forget(number);
                handled_late(number);
            }
        });
    }

    pub(crate) fn rejected(&self, number: u32) {
        let rejection = track_rejection(Number(number));
        self.known.borrow_mut().insert(number, rejection);
    }

    pub(crate) fn handled(&self, number: u32) {
        if let Some(rejection) = self.known.borrow().get(&number) {
            rejection.handled();
        }
    }

    /// Forgets a rejection that was handled before it was reported.
    pub(crate) fn forget(&self, number: u32) {
        let rejection = self.known.borrow_mut().remove(&number);
        drop(rejection);
    }
}

fn number_of(rejection: &Rejection) -> Option<u32> {
    rejection.with_reason(|reason| reason.downcast_ref::<Number>().map(|number| number.0))
}
