//! Rejected promises of an engine.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::hooks::foreign::foreign;
use crate::hooks::rejection::{Reason, Tracked};
use crate::observe::event::{Event, SettledAs};

/// Records that a promise of the engine was rejected and has no reaction (R14).
///
/// A host calls it from the engine's rejection tracker. The rejection is reported at the end of the drain
/// unless [`TrackedRejection::handled`] is called before: to the
/// [`on_unhandled_rejection`](crate::on_unhandled_rejection) listeners in the order of rejection, together
/// with the rejections of the crate's own promises, and without a listener as an uncaught error (R18). The
/// listeners read `reason` with [`Rejection::with_reason`](crate::Rejection::with_reason); it may contain the
/// promise as well. They run in the async context of this call.
///
/// A rejection that is handled in time costs no more than this call and that of `handled`, however many
/// are pending.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::track_rejection;
/// use nodeloop::{EventLoop, on_rejection_handled, on_unhandled_rejection, set_immediate, test::Log};
///
/// #[derive(Debug)]
/// struct Rejected { promise: u32, reason: &'static str } // values of the engine
///
/// let log = Log::new();
/// let script = log.clone();
/// EventLoop::new()?.run_script(move || {
///     let (unhandled, handled) = (script.clone(), script);
///     on_unhandled_rejection(move |rejection| rejection.with_reason(|reason| {
///         let Rejected { promise, reason } = reason.downcast_ref().unwrap();
///         unhandled.add(format!("unhandled {promise} {reason}"));
///     }));
///     on_rejection_handled(move |_| handled.add("handled late"));
///     track_rejection(Rejected { promise: 1, reason: "in time" }).handled();
///     let late = track_rejection(Rejected { promise: 2, reason: "no" });
///     set_immediate(move || late.handled());
/// })?;
/// log.assert_order(["unhandled 2 no", "handled late"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn track_rejection(reason: impl Reason) -> TrackedRejection {
    let (state, location) = (current("host::track_rejection"), Location::caller());
    let id = state.new_promise(location);
    let promise = foreign(reason, location, id.0, state.context.get());
    state.notify_observers(|| Event::PromiseSettled {
        promise: id,
        location,
        settled: SettledAs::Rejected,
    });
    if state.is_open() {
        state.rejections.rejected(promise.clone());
    }
    TrackedRejection { state, promise }
}

/// A rejected promise of an engine; see [`track_rejection`].
///
/// Dropping it does not mark the promise as handled. Clones refer to the same promise.
#[derive(Clone)]
pub struct TrackedRejection {
    state: Rc<LoopState>,
    promise: Rc<dyn Tracked>,
}

impl TrackedRejection {
    /// Records that the promise has got its first reaction.
    ///
    /// A rejection that was not reported yet is never reported (R16). One that was reported is reported to
    /// the [`on_rejection_handled`](crate::on_rejection_handled) listeners at the end of the drain. Further
    /// calls do nothing.
    pub fn handled(&self) {
        self.state.refuse_if_observer();
        self.state.rejections.handled(self.promise.clone());
    }
}

impl fmt::Debug for TrackedRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedRejection")
            .field("tracking", &self.promise.tracking().get())
            .finish_non_exhaustive()
    }
}
