//! The engine's unhandled rejections, which the loop reports (R14).
//!
//! The engine's code keeps each promise and its reason under a number; the loop has the number.

use std::cell::RefCell;
use std::rc::Rc;

use nodeloop::Rejection;
use nodeloop::host::{TrackedRejection, track_rejection};
use rquickjs::Function;
use rustc_hash::FxHashMap;

use crate::host::Host;

/// The number of a rejection.
#[derive(Debug)]
struct Number(u32);

/// The rejections that the loop knows, by number.
#[derive(Default)]
pub(crate) struct Rejections {
    known: RefCell<FxHashMap<u32, TrackedRejection>>,
}

impl Rejections {
    /// Makes the engine report to the loop, and the loop to the engine's code.
    pub(crate) fn install(&self, host: &Rc<Host>) {
        let entries = host.entries();
        host.runtime
            .set_host_promise_rejection_tracker(Some(Box::new(
                move |ctx, promise, reason, handled| {
                    let record = entries.rejection.clone().restore(&ctx);
                    let record = record.and_then(|record: Function<'_>| {
                        record.call::<_, ()>((promise, reason, handled))
                    });
                    // The recorder of `js/rejections.js` throws only if memory is exhausted.
                    if record.is_err() {
                        ctx.catch();
                    }
                },
            )));
        let for_unhandled = host.clone();
        nodeloop::on_unhandled_rejection(move |rejection| {
            if let Some(number) = number_of(rejection) {
                for_unhandled.enter(|entries| &entries.unhandled, (number,));
            }
        });
        let for_handled = host.clone();
        nodeloop::on_rejection_handled(move |rejection| {
            if let Some(number) = number_of(rejection) {
                for_handled.rejections.known.borrow_mut().remove(&number);
                for_handled.enter(|entries| &entries.handled_late, (number,));
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
