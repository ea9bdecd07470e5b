//! Destructors of values that the loop drops: outputs that nobody has taken, callbacks that were
//! cleared, jobs that were cancelled, listeners that were removed.
//!
//! One rule holds for all of them. A panic of such a destructor does not leave the operation that
//! drops the value, which may be inside of a task or of the loop. It is an uncaught error (R51) with
//! the location at which the owner of the value was created, and is raised in a microtask of its
//! own, which does not end the drain (R54). Once the loop is cancelling everything, it is ignored.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::event_loop::state::LoopState;
use crate::event_loop::status::Stop;
use crate::hooks::uncaught::{DestructorUnwind, ExitUnwind, Source, Uncaught, drop_quietly};
use crate::phases::macrotask::SourceLocation;
use crate::phases::queues::QueuedCallback;

impl LoopState {
    /// Drops a value whose owner was created at `location`.
    #[inline]
    pub(crate) fn drop_value<T>(&self, value: T, location: SourceLocation) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            self.raise(payload, location);
        }
    }

    #[cold]
    fn raise(&self, payload: Box<dyn Any + Send>, location: SourceLocation) {
        if payload.is::<ExitUnwind>() || !self.is_open() {
            return drop_quietly(payload); // `exit` has set the reason for the stop
        }
        if self.observers.is_notifying.get() {
            // An observer has dropped the value. It must not queue anything; its panic ends the run.
            let error = Uncaught::new(payload, location).of_source(Source::Destructor);
            return self.stop(Stop::Uncaught(error));
        }
        let callback = Box::new(move || resume_unwind(Box::new(DestructorUnwind(payload))));
        self.push_microtask(QueuedCallback { callback, location });
    }
}
