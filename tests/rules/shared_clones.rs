//! Shared promises whose outputs do something unusual when they are cloned.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use nodeloop::promise::{SharedPromise, all, ready, with_resolver};
use nodeloop::set_immediate;

use crate::common::{throw, trace, trace_with_leftovers};
use crate::promise_api::log_unhandled;

/// Its clone panics.
struct NoClone;

impl Clone for NoClone {
    fn clone(&self) -> NoClone {
        throw("no clone")
    }
}

/// The member is a reaction that no code handles, and the combinator stays pending.
#[test]
fn a_clone_that_panics_is_an_unhandled_rejection_of_the_member() {
    trace_with_leftovers(|log| {
        log_unhandled(&log);
        let shared = ready(NoClone).shared();
        let (line, other) = (log.clone(), shared.clone());
        drop(all([shared, other]).then(move |_| line.add("all")));
        let line = log.clone();
        set_immediate(move || line.add("the loop goes on"));
    })
    .assert([
        "unhandled panic: no clone",
        "unhandled panic: no clone",
        "the loop goes on",
    ]);
}

/// Its clone drops a handle of its own promise.
struct DropsHandle(Rc<RefCell<Option<SharedPromise<DropsHandle>>>>);

impl Clone for DropsHandle {
    fn clone(&self) -> DropsHandle {
        drop(self.0.take());
        DropsHandle(self.0.clone())
    }
}

#[test]
fn a_clone_may_drop_a_handle_that_waits() {
    trace(|log| {
        let (promise, resolver) = with_resolver();
        let (shared, slot) = (promise.shared(), Rc::new(RefCell::new(None)));
        let mut waiting = shared.clone();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut waiting).poll(&mut cx).is_pending());
        slot.replace(Some(waiting));
        drop(shared.then(move |value: DropsHandle| log.add(value.0.borrow().is_none())));
        resolver.resolve(DropsHandle(slot));
    })
    .assert(["true"]);
}
